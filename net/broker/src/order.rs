//! The order in which one connection's produce requests do their ordered part.
//!
//! Pipelined requests start one after the other, and each does its ordered part (validation and
//! the start of its appends) in its first poll. One whose batches take long gives the core to
//! others in between; those behind it then wait here until its appends have started. Lives with
//! the connection, on its core.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use engine_runtime::Notify;

/// Who is in its ordered part, and who waits for that; in order.
#[derive(Default)]
pub(crate) struct Order {
    places: RefCell<VecDeque<u64>>,
    place_next: Cell<u64>,
    moved: Notify,
}

/// A request's place, given up when dropped.
pub(crate) struct Place<'o> {
    order: &'o Order,
    number: u64,
}

impl Order {
    /// A place behind all others.
    pub(crate) fn place(&self) -> Place<'_> {
        let number = self.place_next.get();
        self.place_next.set(number + 1);
        self.places.borrow_mut().push_back(number);
        Place {
            order: self,
            number,
        }
    }
}

impl Place<'_> {
    /// Waits until every place before this one has been given up; mostly that is so already.
    pub(crate) async fn is_first(&self) {
        while self.order.places.borrow().front() != Some(&self.number) {
            self.order.moved.wait().await;
        }
    }
}

/// Runs `work` to its end and gives `place` up as soon as it has begun: its ordered part is what
/// it does in its first poll. Pinned by the caller, or the future would carry it twice.
pub(crate) async fn begin<F: Future>(mut work: Pin<&mut F>, place: Place<'_>) -> F::Output {
    let mut place = Some(place);
    poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        place.take();
        polled
    })
    .await
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Not always the first: a connection that ends drops its requests in any order.
        let mut places = self.order.places.borrow_mut();
        places.retain(|&number| number != self.number);
        let is_awaited = !places.is_empty();
        drop(places);
        if is_awaited {
            self.order.moved.notify_all();
        }
    }
}
