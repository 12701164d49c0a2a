//! The ticket of one operation.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Operation, OperationId};
use crate::context;
use crate::core::Core;

/// Waits for one operation. Dropping it asks the world to cancel; the operation, and all memory
/// the kernel may touch, stays with the core until the world has let go.
pub(crate) struct OperationFuture {
    core: Rc<Core>,
    ticket: Option<OperationId>,
}

/// Starts `operation` on the current core at once (the submission itself is batched).
pub(crate) fn perform(operation: Operation) -> OperationFuture {
    let core = context::current();
    let ticket = Some(core.start(operation));
    OperationFuture { core, ticket }
}

impl Future for OperationFuture {
    type Output = (Operation, i64);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = self.ticket.expect("not polled after it was ready");
        match self.core.poll_operation(ticket, context.waker()) {
            Some((mut operation, result)) => {
                self.ticket = None;
                operation.take_in(result);
                Poll::Ready((operation, result))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for OperationFuture {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.core.abandon(ticket);
        }
    }
}
