//! A bounded ring from one core to one other: one producer, one consumer, no lock.
//!
//! Each side owns one index and publishes it; each remembers the last value it saw of the other's,
//! so that the common push and pop touch one shared cache line. Waking the consumer's core is not
//! the ring's business ([`crate::mesh`]).
//!
//! ```text
//!          head (consumer)          tail (producer)
//!            v                        v
//!   | free | m3 | m4 | m5 | m6 | m7 | free | free |
//! ```

use std::cell::Cell;
use std::mem::MaybeUninit;

use crate::atomics::{Arc, AtomicUsize, Ordering, SharedCell};

/// Keeps two indices on cache lines of their own (two lines: the prefetcher takes pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Shared<M> {
    slots: Box<[SharedCell<MaybeUninit<M>>]>,
    /// Messages taken so far, wrapping. Written by the consumer.
    head: Padded<AtomicUsize>,
    /// Messages put so far, wrapping. Written by the producer.
    tail: Padded<AtomicUsize>,
}

// SAFETY: a slot is written by the producer while it is outside `head..tail` and read by the
// consumer while it is inside; the release stores and acquire loads of the two indices order these
// accesses. Messages change threads, hence `M: Send`.
unsafe impl<M: Send> Sync for Shared<M> {}
// SAFETY: as above.
unsafe impl<M: Send> Send for Shared<M> {}

impl<M> Shared<M> {
    fn slot(&self, index: usize) -> &SharedCell<MaybeUninit<M>> {
        &self.slots[index & (self.slots.len() - 1)]
    }
}

impl<M> Drop for Shared<M> {
    fn drop(&mut self) {
        // Nobody else is left: dropping the last count synchronised with both sides.
        let head = self.head.0.load(Ordering::Relaxed);
        let tail = self.tail.0.load(Ordering::Relaxed);
        let mut index = head;
        while index != tail {
            // SAFETY: slots from head to tail hold messages nobody took, and nobody else is left.
            self.slot(index)
                .with_mut(|slot| unsafe { (*slot).assume_init_drop() });
            index = index.wrapping_add(1);
        }
    }
}

/// The sending end. `Send`, but not for sharing: its cells make it `!Sync`.
pub(crate) struct Producer<M> {
    shared: Arc<Shared<M>>,
    tail: Cell<usize>,
    head_seen: Cell<usize>,
}

/// The receiving end.
pub(crate) struct Consumer<M> {
    shared: Arc<Shared<M>>,
    head: Cell<usize>,
    tail_seen: Cell<usize>,
}

/// A ring for at least `capacity` messages (rounded up to a power of two).
pub(crate) fn ring<M: Send>(capacity: usize) -> (Producer<M>, Consumer<M>) {
    assert!(capacity > 0);
    let slots = (0..capacity.next_power_of_two())
        .map(|_| SharedCell::new(MaybeUninit::uninit()))
        .collect();
    let shared = Arc::new(Shared {
        slots,
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
    });
    let producer = Producer {
        shared: Arc::clone(&shared),
        tail: Cell::new(0),
        head_seen: Cell::new(0),
    };
    let consumer = Consumer {
        shared,
        head: Cell::new(0),
        tail_seen: Cell::new(0),
    };
    (producer, consumer)
}

impl<M: Send> Producer<M> {
    /// Puts a message; gives it back when the ring is full.
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        let tail = self.tail.get();
        let capacity = self.shared.slots.len();
        if tail.wrapping_sub(self.head_seen.get()) == capacity {
            // Acquire: the consumer's reads of the slots it freed happen before our writes.
            self.head_seen
                .set(self.shared.head.0.load(Ordering::Acquire));
            if tail.wrapping_sub(self.head_seen.get()) == capacity {
                return Err(message);
            }
        }
        // SAFETY: the slot is outside `head..tail`: the consumer does not touch it, and this is
        // the only producer (`!Sync`, not cloneable).
        self.shared.slot(tail).with_mut(|slot| unsafe {
            (*slot).write(message);
        });
        self.tail.set(tail.wrapping_add(1));
        // Release: the message is written before the consumer sees the index.
        self.shared.tail.0.store(self.tail.get(), Ordering::Release);
        Ok(())
    }
}

impl<M: Send> Consumer<M> {
    /// Takes the oldest message.
    pub(crate) fn pop(&self) -> Option<M> {
        let head = self.head.get();
        if head == self.tail_seen.get() {
            self.tail_seen
                .set(self.shared.tail.0.load(Ordering::Acquire));
            if head == self.tail_seen.get() {
                return None;
            }
        }
        // SAFETY: the slot is inside `head..tail`: the producer wrote it before it published the
        // tail we loaded, and does not touch it until we publish the head.
        let taken = |slot: *mut MaybeUninit<M>| unsafe { (*slot).assume_init_read() };
        let message = self.shared.slot(head).with_mut(taken);
        self.head.set(head.wrapping_add(1));
        self.shared.head.0.store(self.head.get(), Ordering::Release);
        Some(message)
    }

    /// Whether nothing can be taken now.
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.get();
        head == self.tail_seen.get() && head == self.shared.tail.0.load(Ordering::Acquire)
    }
}

/// Every interleaving of two threads, by loom: `RUSTFLAGS="--cfg loom" cargo test -p
/// engine-runtime --release loom_`.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sleep_flag::SleepFlag;

    #[test]
    fn loom_messages_arrive_once_and_in_order() {
        loom::model(|| {
            let (producer, consumer) = ring(2);
            let sender = loom::thread::spawn(move || {
                for number in 0..3 {
                    let mut message = Box::new(number);
                    while let Err(back) = producer.push(message) {
                        message = back;
                        loom::thread::yield_now();
                    }
                }
            });
            for expected in 0..2 {
                let message = loop {
                    match consumer.pop() {
                        Some(message) => break message,
                        None => loom::thread::yield_now(),
                    }
                };
                assert_eq!(*message, expected);
            }
            // The third is left for the ring to drop.
            sender.join().unwrap();
        });
    }

    #[test]
    fn loom_a_sleeper_with_a_message_is_always_woken() {
        loom::model(|| {
            let (producer, consumer) = ring(2);
            let flag = Arc::new(SleepFlag::new());
            let other = Arc::clone(&flag);
            let sender = loom::thread::spawn(move || {
                assert!(producer.push(7).is_ok());
                (other.claim_wake(), producer)
            });
            flag.announce_sleep();
            let sleeps = consumer.is_empty();
            let (woke, _producer) = sender.join().unwrap();
            assert!(!sleeps || woke);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_in_order_over_many_laps() {
        let (producer, consumer) = ring(3);
        let mut taken = 0_u64;
        for put in 0..1000_u64 {
            if let Err(back) = producer.push(put) {
                assert_eq!(back, put);
                assert_eq!(put - taken, 4);
                assert_eq!(consumer.pop(), Some(taken));
                taken += 1;
                assert!(producer.push(put).is_ok());
            }
        }
        assert!(!consumer.is_empty());
        for expected in taken..1000 {
            assert_eq!(consumer.pop(), Some(expected));
        }
        assert!(consumer.is_empty());
        assert_eq!(consumer.pop(), None);
    }

    #[test]
    fn what_nobody_took_is_dropped_once() {
        let message = Arc::new(());
        let (producer, consumer) = ring(8);
        for _ in 0..5 {
            assert!(producer.push(Arc::clone(&message)).is_ok());
        }
        drop(consumer.pop());
        assert_eq!(Arc::strong_count(&message), 5);
        drop((producer, consumer));
        assert_eq!(Arc::strong_count(&message), 1);
    }

    #[test]
    fn two_threads_lose_nothing_and_keep_the_order() {
        let count = if cfg!(miri) { 300 } else { 300_000_u64 };
        let (producer, consumer) = ring(16);
        let sender = std::thread::spawn(move || {
            for number in 0..count {
                let mut message = Box::new(number);
                while let Err(back) = producer.push(message) {
                    message = back;
                    std::thread::yield_now();
                }
            }
        });
        for expected in 0..count {
            let message = loop {
                match consumer.pop() {
                    Some(message) => break message,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(*message, expected);
        }
        sender.join().unwrap();
        assert!(consumer.is_empty());
    }
}
