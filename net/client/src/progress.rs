//! How an operation that is repeated gets on, for whoever tells a person: it may be silent for
//! minutes before it fails.
//!
//! Shared by the cluster, which writes it, and a watcher of the same core. Decides nothing.

use std::cell::RefCell;
use std::rc::Rc;

use engine_base::Instant;

use crate::error::ClientError;

/// What a cluster's operation waits for. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    waiting: Rc<RefCell<Option<Waiting>>>,
}

/// An operation that is under way and is repeated when it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// When it began, or last got on.
    pub since: Instant,
    /// When it is given up.
    pub until: Instant,
    /// Why it was repeated last; nothing while the first answer is waited for.
    pub why: Option<String>,
    /// Records that are neither acknowledged nor refused; none of an operation without any.
    pub left: usize,
    /// Records of it that arrived.
    pub arrived: usize,
}

impl Progress {
    /// What is waited for now.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        self.waiting.borrow().clone()
    }

    /// An operation begins; it is over when the answer is dropped. One inside of another is part
    /// of that.
    pub(crate) fn begin(&self, now: Instant, until: Instant) -> Begun {
        let mut waiting = self.waiting.borrow_mut();
        let is_outermost = waiting.is_none();
        waiting.get_or_insert(Waiting {
            since: now,
            until,
            why: None,
            left: 0,
            arrived: 0,
        });
        Begun {
            progress: is_outermost.then(|| self.clone()),
        }
    }

    /// It failed and will be repeated.
    pub(crate) fn note(&self, error: &ClientError) {
        if let Some(waiting) = &mut *self.waiting.borrow_mut() {
            waiting.why = Some(error.to_string());
        }
    }

    /// So many records are left, so many arrived.
    pub(crate) fn count(&self, now: Instant, left: usize, arrived: usize) {
        if let Some(waiting) = &mut *self.waiting.borrow_mut() {
            if waiting.left != left {
                waiting.since = now;
            }
            waiting.left = left;
            waiting.arrived = arrived;
        }
    }
}

/// An operation, until it is dropped.
pub(crate) struct Begun {
    progress: Option<Progress>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            *progress.waiting.borrow_mut() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_inside_of_another_is_part_of_it() {
        let progress = Progress::default();
        let outer = progress.begin(Instant(1), Instant(9));
        let inner = progress.begin(Instant(3), Instant(5));
        progress.count(Instant(4), 7, 0);
        drop(inner);
        let waiting = progress.waiting().unwrap();
        assert_eq!((waiting.since, waiting.until), (Instant(4), Instant(9)));
        progress.count(Instant(6), 7, 0);
        assert_eq!(progress.waiting().unwrap().since, Instant(4));
        drop(outer);
        assert_eq!(progress.waiting(), None);
    }
}
