//! One acceptor for each listener, on shard 0, hands every connection to the least loaded shard.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use engine_base::ShardId;
use engine_runtime::{KeepAlive, Listener, Stream, StreamHandoff, race, sleep, spawn};
use net_conn::{ConnectionLimits, Transport, serve};

use crate::context::Client;
use crate::core::Core;
use crate::dispatch::Dispatcher;
use crate::metrics;
use crate::order::Order;

/// How long to wait when the process has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer that vanished without a word is noticed after some two minutes.
const KEEP_ALIVE: KeepAlive = KeepAlive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(15),
    count: 4,
};

/// How many connections each shard has; kept on shard 0, by hand-off and by message.
#[derive(Default)]
pub(crate) struct Load {
    connections: RefCell<Vec<usize>>,
}

impl Load {
    /// Chooses a shard for one more connection.
    fn place(&self, shard_count: u16) -> ShardId {
        let mut connections = self.connections.borrow_mut();
        connections.resize(usize::from(shard_count), 0);
        let least = (0..shard_count).min_by_key(|&shard| connections[usize::from(shard)]);
        let shard = ShardId(least.expect("there is a shard"));
        connections[shard.index()] += 1;
        shard
    }

    fn note_closed(&self, shard: ShardId) {
        let mut connections = self.connections.borrow_mut();
        assert!(connections[shard.index()] > 0);
        connections[shard.index()] -= 1;
    }

    fn total(&self) -> usize {
        self.connections.borrow().iter().sum()
    }
}

/// Accepts until the broker stops.
pub(crate) async fn accept(core: Rc<Core>, listener: Listener, index: usize) {
    while !core.is_stopping.get() {
        let accepted = race(listener.accept(), core.stopping.wait()).await;
        let engine_runtime::Either::Left(accepted) = accepted else {
            return;
        };
        match accepted {
            Ok((stream, address)) => hand_over(&core, stream, address, index),
            Err(error) => {
                // Out of descriptors, or a peer that left early: neither ends the listener.
                tracing::warn!("a connection could not be accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn hand_over(core: &Rc<Core>, stream: Stream, address: SocketAddr, listener: usize) {
    if core.load.total() >= core.config.connections_max {
        metrics::add(&core.metrics.connections_refused, 1);
        tracing::warn!(%address, "a connection beyond max.connections is refused");
        return;
    }
    let handoff = match prepare(&stream).and_then(|()| stream.into_handoff()) {
        Ok(handoff) => handoff,
        Err(error) => {
            tracing::debug!(%address, "a connection ended at once: {error}");
            return;
        }
    };
    metrics::add(&core.metrics.connections_accepted, 1);
    let shard = core.load.place(core.shards.count());
    core.shards
        .tell(shard, move |core| adopt(core, handoff, address, listener));
}

/// Answers leave at once, and a peer that vanished is noticed.
fn prepare(stream: &Stream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_keepalive(KEEP_ALIVE)
}

/// Serves a connection on the shard it was handed to.
fn adopt(core: Rc<Core>, handoff: StreamHandoff, address: SocketAddr, listener: usize) {
    let limits = ConnectionLimits {
        frame_size_bytes_max: core.config.request_size_bytes_max,
        budget: core.budget.clone(),
    };
    spawn(async move {
        let transport = Transport::Plain(Stream::adopt(handoff));
        let registry = core.connections.clone();
        let handler = |handle: &net_conn::ConnectionHandle| {
            Dispatcher::new(
                core.clone(),
                Client {
                    connection: handle.id,
                    address,
                    listener,
                    produces: Order::default(),
                },
            )
        };
        serve(transport, registry, limits, handler).await;
        let shard = core.id();
        core.shards
            .tell(ShardId(0), move |core| core.load.note_closed(shard));
    })
    .detach();
}
