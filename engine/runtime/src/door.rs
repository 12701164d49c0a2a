//! A value of this core that other threads may ask for work.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::context;
use crate::remote::RemoteHandle;
use crate::spawn::remote;

/// Runs closures on a value where it lives. Clones may go to any thread; the value never leaves
/// its core, and lives as long as the core does.
pub struct Door<T> {
    remote: RemoteHandle,
    ticket: u64,
    value: PhantomData<fn(&T)>,
}

impl<T: 'static> Door<T> {
    /// A door to `value`, which lives on the calling core.
    #[must_use]
    pub fn new(value: Rc<T>) -> Self {
        let ticket = context::current().keep(Box::new(value));
        Self {
            remote: remote(),
            ticket,
            value: PhantomData,
        }
    }

    /// Runs `work` on the value, soon; not at all when its core has ended.
    pub fn post(&self, work: impl FnOnce(&Rc<T>) + Send + 'static) {
        let ticket = self.ticket;
        self.remote.post(Box::new(move || {
            if let Some(value) = context::current().kept::<Rc<T>>(ticket) {
                work(&value);
            }
        }));
    }
}

impl<T> Clone for Door<T> {
    fn clone(&self) -> Self {
        Self {
            remote: self.remote.clone(),
            ticket: self.ticket,
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Door<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{Notify, Runtime, RuntimeOptions};

    #[test]
    fn another_thread_reaches_the_value_where_it_lives() {
        struct Count(Cell<u32>, Notify);
        let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
        runtime.block_on(async {
            let count = Rc::new(Count(Cell::new(0), Notify::new()));
            let door = Door::new(Rc::clone(&count));
            let other = std::thread::spawn(move || {
                for _ in 0..3 {
                    door.clone().post(|count| {
                        count.0.set(count.0.get() + 1);
                        count.1.notify_all();
                    });
                }
            });
            while count.0.get() < 3 {
                count.1.wait().await;
            }
            other.join().unwrap();
        });
    }
}
