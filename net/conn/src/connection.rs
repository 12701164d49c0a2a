//! One connection: a reader and a sender on the same core.

use std::rc::Rc;

use engine_runtime::{now, spawn};

use crate::budget::{Budget, Reservation};
use crate::frames::{FrameError, Frames};
use crate::limits::UNBUDGETED_FRAME_BYTES_MAX;
use crate::pipeline::{Handled, Handler, Next, Pipeline};
use crate::registry::{ConnectionHandle, Phase, Registry};
use crate::transport::Transport;

/// What a connection may use.
#[derive(Clone)]
pub struct ConnectionLimits {
    /// `socket.request.max.bytes`.
    pub frame_size_bytes_max: usize,
    /// The shard's memory for frames.
    pub budget: Rc<Budget>,
}

/// Serves a connection to its end. `handler` is made from the connection's handle, so that it
/// can name it. Lives on the shard that accepted the hand-off.
pub async fn serve<H: Handler>(
    transport: Transport,
    registry: Rc<Registry>,
    limits: ConnectionLimits,
    handler: impl FnOnce(&ConnectionHandle) -> H,
) {
    let connection = registry.add(transport);
    let handler = handler(&connection);
    let pipeline = Rc::new(Pipeline::new());
    let sender = spawn(send_answers(connection.clone(), pipeline.clone()));
    read_requests(&connection, &limits, &handler, &pipeline).await;
    pipeline.end();
    // The sender finishes what was asked before the end.
    let _ = sender.await;
    connection.transport.shutdown().await;
    registry.remove(connection.id);
}

async fn read_requests<H: Handler>(
    connection: &ConnectionHandle,
    limits: &ConnectionLimits,
    handler: &H,
    pipeline: &Pipeline,
) {
    let mut frames = Frames::new(limits.frame_size_bytes_max);
    let mut reservation = limits.budget.reservation();
    while !connection.is_closing.get() && !pipeline.is_ended() {
        match frames.take_ready() {
            Ok(Some(frame)) => {
                let reservation = reservation.split();
                start_request(connection, handler.handle(frame), reservation, pipeline).await;
                continue;
            }
            Ok(None) => {}
            Err(error) => return log_end(connection, &error),
        }
        note_phase(connection, &frames);
        if let Err(error) = wait_for_memory(connection, &frames, &mut reservation).await {
            return log_end(connection, &error);
        }
        // While it waited it counted as working, and a stop does not interrupt that.
        if connection.is_closing.get() {
            return;
        }
        if let Err(error) = frames.receive(&connection.transport).await {
            return log_end(connection, &error);
        }
    }
}

async fn start_request(
    connection: &ConnectionHandle,
    handled: Handled,
    reservation: Reservation,
    pipeline: &Pipeline,
) {
    connection.phase.set(Phase::Working);
    match handled {
        Handled::Pipelined(future) => pipeline.push(future, reservation).await,
        Handled::Sequential(future) => {
            // As in Kafka, a request sees the effects of all requests before it.
            pipeline.drained().await;
            pipeline.push(future, reservation).await;
            pipeline.drained().await;
        }
    }
}

/// Tells the sweep what the connection waits for.
fn note_phase(connection: &ConnectionHandle, frames: &Frames) {
    let phase = match (frames.arrived_bytes(), connection.phase.get()) {
        (0, _) => Phase::Idle(now()),
        (arrived, Phase::Receiving(since, _)) => Phase::Receiving(since, arrived),
        (arrived, _) => Phase::Receiving(now(), arrived),
    };
    connection.phase.set(phase);
}

/// Waits until the shard's budget has room for what is received next.
async fn wait_for_memory(
    connection: &ConnectionHandle,
    frames: &Frames,
    reservation: &mut Reservation,
) -> Result<(), FrameError> {
    let wanted_bytes = frames.room_bytes()?;
    if wanted_bytes <= UNBUDGETED_FRAME_BYTES_MAX {
        return Ok(());
    }
    let before = connection.phase.replace(Phase::Working);
    let began = now();
    reservation.grow_to(wanted_bytes).await;
    // The client's clock stood still meanwhile.
    connection.phase.set(match before {
        Phase::Receiving(since, arrived) => Phase::Receiving(since + now().since(began), arrived),
        other => other,
    });
    Ok(())
}

async fn send_answers(connection: Rc<ConnectionHandle>, pipeline: Rc<Pipeline>) {
    loop {
        let parts = match pipeline.next().await {
            Next::Send(parts) => parts,
            Next::Ended => return,
            Next::Close(why) => {
                tracing::info!(connection = connection.id, "closing a connection: {why}");
                break;
            }
        };
        connection.sending_since.set(Some(now()));
        let sent = connection.transport.send(parts).await;
        connection.sending_since.set(None);
        if let Err(error) = sent {
            tracing::debug!(
                connection = connection.id,
                "answers could not be sent: {error}"
            );
            break;
        }
    }
    pipeline.end();
    connection.close();
}

fn log_end(connection: &ConnectionHandle, error: &FrameError) {
    match error {
        FrameError::Ended => {}
        FrameError::EndedInside | FrameError::Io(_) => {
            tracing::debug!(connection = connection.id, "connection ended: {error:?}");
        }
        FrameError::Size(announced) => tracing::info!(
            connection = connection.id,
            "closing: a frame of {announced} bytes is announced; socket.request.max.bytes bounds it"
        ),
    }
}
