//! One value from one task to another on the same core.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

struct Shared<T> {
    value: Option<T>,
    waiter: Option<Waker>,
    is_sender_gone: bool,
    is_receiver_gone: bool,
}

/// The two ends of a one-value channel.
#[must_use]
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let shared = Rc::new(RefCell::new(Shared {
        value: None,
        waiter: None,
        is_sender_gone: false,
        is_receiver_gone: false,
    }));
    let sender = OneshotSender {
        shared: Rc::clone(&shared),
    };
    (sender, OneshotReceiver { shared })
}

/// Sends the value.
pub struct OneshotSender<T> {
    shared: Rc<RefCell<Shared<T>>>,
}

impl<T> OneshotSender<T> {
    /// Hands the value over.
    ///
    /// # Errors
    /// The value back when the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_receiver_gone {
            return Err(value);
        }
        shared.value = Some(value);
        Ok(())
        // Dropping `self` wakes the receiver.
    }

    /// Whether nobody waits for the value any more.
    #[must_use]
    pub fn is_receiver_gone(&self) -> bool {
        self.shared.borrow().is_receiver_gone
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_sender_gone = true;
        let waiter = shared.waiter.take();
        drop(shared);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneshotSender")
    }
}

/// The sender was dropped without sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderGone;

impl fmt::Display for SenderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped without sending")
    }
}

impl std::error::Error for SenderGone {}

/// Awaits the value.
pub struct OneshotReceiver<T> {
    shared: Rc<RefCell<Shared<T>>>,
}

impl<T> Future for OneshotReceiver<T> {
    type Output = Result<T, SenderGone>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = self.shared.borrow_mut();
        if let Some(value) = shared.value.take() {
            return Poll::Ready(Ok(value));
        }
        if shared.is_sender_gone {
            return Poll::Ready(Err(SenderGone));
        }
        shared.waiter = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_receiver_gone = true;
        let unread = shared.value.take();
        drop(shared);
        drop(unread);
    }
}

impl<T> fmt::Debug for OneshotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneshotReceiver")
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn value_or_loss_arrives() {
        let mut context = Context::from_waker(Waker::noop());
        let (sender, receiver) = oneshot();
        let mut receiver = pin!(receiver);
        assert!(receiver.as_mut().poll(&mut context).is_pending());
        assert_eq!(sender.send(5), Ok(()));
        assert_eq!(receiver.poll(&mut context), Poll::Ready(Ok(5)));

        let (sender, receiver) = oneshot::<u8>();
        drop(sender);
        assert_eq!(
            pin!(receiver).poll(&mut context),
            Poll::Ready(Err(SenderGone))
        );

        let (sender, receiver) = oneshot();
        drop(receiver);
        assert_eq!(sender.send(6), Err(6));
    }
}
