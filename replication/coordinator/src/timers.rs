//! Deadlines of one machine: one heap, one entry for each key.

use std::collections::BTreeSet;
use std::hash::Hash;

use engine_base::{HashMap, Instant};

/// Timers by key. Scheduling a key again replaces its deadline and its task, as Kafka's
/// coordinator timer does. Keys due at the same instant fire in the order of the keys, so that a
/// simulation replays.
pub struct Timers<K, T> {
    by_deadline: BTreeSet<(Instant, K)>,
    tasks: HashMap<K, (Instant, T)>,
}

impl<K: Ord + Hash + Clone, T> Timers<K, T> {
    /// No timers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            by_deadline: BTreeSet::new(),
            tasks: HashMap::default(),
        }
    }

    /// Runs `task` at `deadline`, instead of what `key` stood for before.
    pub fn schedule(&mut self, key: K, deadline: Instant, task: T) {
        if let Some((previous, _)) = self.tasks.insert(key.clone(), (deadline, task)) {
            let removed = self.by_deadline.remove(&(previous, key.clone()));
            assert!(removed, "a task without its deadline");
        }
        self.by_deadline.insert((deadline, key));
    }

    /// Forgets the key. Does nothing when it is not scheduled.
    pub fn cancel(&mut self, key: &K) {
        if let Some((deadline, _)) = self.tasks.remove(key) {
            self.by_deadline.remove(&(deadline, key.clone()));
        }
    }

    /// Whether the key is scheduled.
    #[must_use]
    pub fn is_scheduled(&self, key: &K) -> bool {
        self.tasks.contains_key(key)
    }

    /// The deadline of the key.
    #[must_use]
    pub fn deadline_of(&self, key: &K) -> Option<Instant> {
        self.tasks.get(key).map(|(deadline, _)| *deadline)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Hands out the earliest task whose deadline is not after `now`.
    pub fn poll_due(&mut self, now: Instant) -> Option<(K, T)> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, key) = self.by_deadline.pop_first()?;
        let (_, task) = self.tasks.remove(&key).expect("each deadline has its task");
        Some((key, task))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.by_deadline.clear();
        self.tasks.clear();
    }

    /// How many keys are scheduled.
    #[must_use]
    pub fn len(&self) -> usize {
        assert_eq!(self.by_deadline.len(), self.tasks.len());
        self.tasks.len()
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Ord + Hash + Clone, T> Default for Timers<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheduling_again_replaces_deadline_and_task() {
        let mut timers = Timers::new();
        timers.schedule("a", Instant(10), 1);
        timers.schedule("b", Instant(20), 2);
        timers.schedule("a", Instant(30), 3);
        assert_eq!(timers.len(), 2);
        assert_eq!(timers.next_deadline(), Some(Instant(20)));
        assert_eq!(timers.poll_due(Instant(19)), None);
        assert_eq!(timers.poll_due(Instant(40)), Some(("b", 2)));
        assert_eq!(timers.poll_due(Instant(40)), Some(("a", 3)));
        assert_eq!(timers.poll_due(Instant(40)), None);
    }

    #[test]
    fn a_cancelled_key_never_fires() {
        let mut timers = Timers::new();
        timers.schedule(1, Instant(10), ());
        timers.cancel(&1);
        timers.cancel(&2);
        assert!(timers.is_empty());
        assert_eq!(timers.poll_due(Instant(u64::MAX)), None);
    }
}
