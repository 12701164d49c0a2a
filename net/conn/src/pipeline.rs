//! Answers leave in the order their requests came, whenever they become ready.
//!
//! A produce waits for its commit while the next one is already being appended: the reader pushes
//! each request's unfinished future here, the sender polls the oldest. When it is ready, all that
//! are ready behind it leave in the same send.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use engine_runtime::{Notify, Slice, contained};

use crate::budget::Reservation;
use crate::limits::{REQUESTS_IN_FLIGHT_MAX, SEND_SIZE_BYTES_MAX};

/// A future that stays on its core.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// An answer's frame, length prefix included, in the order the parts are sent. `None` for a
/// request that wants no answer (acks=0).
pub type Answer = Option<Vec<Slice>>;

/// The connection must be closed: the request could not be understood, or its answer is a close.
#[derive(Debug)]
pub struct Close(pub String);

/// What a request asks of the order.
pub enum Handled {
    /// The next request may start while this one waits (produce).
    Pipelined(LocalFuture<Result<Answer, Close>>),
    /// The next request starts when this one is answered, as in Kafka.
    Sequential(LocalFuture<Result<Answer, Close>>),
}

/// What turns frames into answers.
pub trait Handler {
    /// Takes a frame (without its length prefix). Must not block; the future's work up to its
    /// first await happens before the next request starts.
    fn handle(&self, frame: Slice) -> Handled;
}

struct Pending {
    future: LocalFuture<Result<Answer, Close>>,
    /// The frame's share of the budget, held until the answer is ready.
    _reservation: Reservation,
}

/// Requests of one connection that wait for their answers.
pub(crate) struct Pipeline {
    queue: RefCell<VecDeque<Pending>>,
    /// The sender, while it waits for an answer.
    sender: RefCell<Option<Waker>>,
    popped: Notify,
    is_ended: Cell<bool>,
}

/// What the sender is to do next.
pub(crate) enum Next {
    Send(Vec<Slice>),
    Close(String),
    Ended,
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        Self {
            queue: RefCell::new(VecDeque::new()),
            sender: RefCell::new(None),
            popped: Notify::new(),
            is_ended: Cell::new(false),
        }
    }

    /// Starts a request and queues its answer. Waits while the connection has too many in flight.
    pub(crate) async fn push(
        &self,
        mut future: LocalFuture<Result<Answer, Close>>,
        reservation: Reservation,
    ) {
        self.wait_until(|len| len < REQUESTS_IN_FLIGHT_MAX).await;
        // The first poll does the ordered part. The oldest request is polled for the sender that
        // waits for it; the sender gets to the others by itself, when the oldest is answered.
        let is_oldest = self.queue.borrow().is_empty();
        let sender = self.sender.borrow().clone().filter(|_| is_oldest);
        let mut context = Context::from_waker(sender.as_ref().unwrap_or(Waker::noop()));
        let polled = poll_guarded(&mut future, &mut context);
        let is_ready = polled.is_ready();
        if let Poll::Ready(result) = polled {
            future = Box::pin(std::future::ready(result));
        }
        self.queue.borrow_mut().push_back(Pending {
            future,
            _reservation: reservation,
        });
        if is_oldest && is_ready {
            self.wake_sender();
        }
    }

    /// Waits until every request pushed so far has its answer.
    pub(crate) async fn drained(&self) {
        self.wait_until(|len| len == 0).await;
    }

    async fn wait_until(&self, is_enough: impl Fn(usize) -> bool) {
        while !self.is_ended.get() && !is_enough(self.queue.borrow().len()) {
            self.popped.wait().await;
        }
    }

    /// No request will follow. What is queued is still answered.
    pub(crate) fn end(&self) {
        self.is_ended.set(true);
        self.wake_sender();
        self.popped.notify_all();
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.get()
    }

    fn wake_sender(&self) {
        if let Some(waker) = self.sender.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The next answers to send: all that are ready at the front.
    pub(crate) async fn next(&self) -> Next {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        let mut parts = Vec::new();
        let mut size_bytes = 0;
        while size_bytes < SEND_SIZE_BYTES_MAX {
            // The request is taken out while it is polled: its code may reach this queue.
            let Some(mut pending) = self.queue.borrow_mut().pop_front() else {
                break;
            };
            match poll_guarded(&mut pending.future, context) {
                Poll::Pending => {
                    self.queue.borrow_mut().push_front(pending);
                    break;
                }
                Poll::Ready(Ok(answer)) => {
                    for part in answer.into_iter().flatten() {
                        size_bytes += part.len();
                        parts.push(part);
                    }
                }
                Poll::Ready(Err(close)) if !parts.is_empty() => {
                    // What was answered before it still leaves.
                    pending.future = Box::pin(std::future::ready(Err(close)));
                    self.queue.borrow_mut().push_front(pending);
                    break;
                }
                Poll::Ready(Err(close)) => {
                    self.queue.borrow_mut().clear();
                    return Poll::Ready(Next::Close(close.0));
                }
            }
            self.popped.notify_all();
        }
        if !parts.is_empty() {
            return Poll::Ready(Next::Send(parts));
        }
        if self.is_ended.get() && self.queue.borrow().is_empty() {
            return Poll::Ready(Next::Ended);
        }
        *self.sender.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Polls a request. A panic while decoding or answering closes this connection and no other;
/// code that owns data does not unwind to here, it stops the process.
fn poll_guarded(
    future: &mut LocalFuture<Result<Answer, Close>>,
    context: &mut Context<'_>,
) -> Poll<Result<Answer, Close>> {
    match contained(|| future.as_mut().poll(context)) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(Err(Close("a request handler panicked".to_owned()))),
    }
}
