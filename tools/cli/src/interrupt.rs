//! Ctrl-C and SIGTERM while a command runs.
//!
//! Owns the one task that waits for them, on the core of the command. Installed before the first
//! word to the broker, so that no stage of a command dies without putting its affairs in order.
//! It never decides how a command ends: it tells that it should.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{Either, Notify, block_shutdown_signals, now, race, shutdown_signal, spawn};

use crate::output;

/// Whether the operator asked the command to end. Clones share it.
#[derive(Clone)]
pub(crate) struct Interrupt {
    shared: Rc<Shared>,
}

struct Shared {
    is_set: Cell<bool>,
    set: Notify,
    last_words: RefCell<Option<LastWords>>,
}

/// What is told when the operator does not want to wait.
type LastWords = Box<dyn Fn() -> String>;

impl Interrupt {
    /// From now on the first SIGINT or SIGTERM is told instead of ending the process. A later one
    /// ends it, for the broker may be gone and the operator does not want to wait; one right
    /// behind the first is the same one, told to the process and to its group.
    pub(crate) fn install() -> Self {
        let interrupt = Self::new();
        // Without signals the system's way to end a process is left.
        if block_shutdown_signals().is_ok() {
            let told = interrupt.clone();
            spawn(async move {
                let mut first = None;
                while shutdown_signal().await.is_ok() {
                    told.set();
                    if now().since(*first.get_or_insert_with(now)) > SAME_INTERRUPT {
                        told.say_last_words();
                        std::process::exit(INTERRUPTED);
                    }
                }
            })
            .detach();
        }
        interrupt
    }

    fn new() -> Self {
        Self {
            shared: Rc::new(Shared {
                is_set: Cell::new(false),
                set: Notify::new(),
                last_words: RefCell::default(),
            }),
        }
    }

    fn set(&self) {
        self.shared.is_set.set(true);
        self.shared.set.notify_all();
    }

    /// What to tell when a later signal ends the process: what was done until then.
    pub(crate) fn at_giving_up(&self, words: impl Fn() -> String + 'static) {
        *self.shared.last_words.borrow_mut() = Some(Box::new(words));
    }

    fn say_last_words(&self) {
        if let Some(words) = &*self.shared.last_words.borrow() {
            output::note(&words());
        }
    }

    /// Whether it came.
    pub(crate) fn is_set(&self) -> bool {
        self.shared.is_set.get()
    }

    /// What `work` gives, or nothing when the interrupt comes first; `work` is then dropped.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let told = async {
            while !self.is_set() {
                self.shared.set.wait().await;
            }
        };
        match race(told, work).await {
            Either::Left(()) => None,
            Either::Right(done) => Some(done),
        }
    }
}

/// How close two signals are one.
const SAME_INTERRUPT: Duration = Duration::from_millis(500);

/// The exit code of an interrupted process, as shells count it.
pub(crate) const INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    use super::*;
    use engine_runtime::{Runtime, RuntimeOptions, yield_now};

    #[test]
    fn an_interrupt_ends_what_waits_and_what_comes_later() {
        let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
        runtime.block_on(async {
            let interrupt = Interrupt::new();
            assert_eq!(interrupt.or(async { 1 }).await, Some(1));
            let waiting = spawn({
                let interrupt = interrupt.clone();
                async move { interrupt.or(std::future::pending::<()>()).await }
            });
            yield_now().await;
            assert!(!waiting.is_finished());
            interrupt.set();
            assert_eq!(waiting.await.unwrap(), None);
            assert!(interrupt.is_set());
            assert_eq!(interrupt.or(async { 1 }).await, None);
        });
    }
}
