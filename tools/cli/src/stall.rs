//! Tells a person what a silent command waits for.
//!
//! Owns the text and when it is told; a task beside the command looks at the client's progress.
//! Changes nothing about what is waited for.

use std::time::Duration;

use engine_base::Instant;
use engine_runtime::{now, sleep, spawn};
use net_client::{Progress, Waiting};

use crate::interrupt::Interrupt;
use crate::output;

/// What the command waits for.
#[derive(Clone, Debug)]
pub(crate) enum Awaited {
    /// That lines arrive.
    Lines,
    /// Membership of this group.
    Group(String),
}

/// Watches until the command ends.
pub(crate) fn watch(awaited: Awaited, progress: Progress, interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    let mut watch = Watch::new(awaited);
    spawn(async move {
        loop {
            sleep(LOOK_INTERVAL).await;
            let waiting = progress.waiting();
            if let Some(text) = watch.look(now(), waiting.as_ref(), interrupt.is_set()) {
                output::note(&text);
            }
        }
    })
    .detach();
}

/// How often it looks. An interrupt that ends the command in less is not worth a word.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// How long nothing may happen without a word.
const SILENCE_MAX: Duration = Duration::from_secs(5);

struct Watch {
    awaited: Awaited,
    /// The standstill that was told, by its beginning.
    told: Option<Instant>,
    is_interrupt_seen: bool,
    is_interrupt_told: bool,
}

impl Watch {
    fn new(awaited: Awaited) -> Self {
        Self {
            awaited,
            told: None,
            is_interrupt_seen: false,
            is_interrupt_told: false,
        }
    }

    /// What is to be told now.
    fn look(
        &mut self,
        now: Instant,
        waiting: Option<&Waiting>,
        is_interrupted: bool,
    ) -> Option<String> {
        let was_interrupted = std::mem::replace(&mut self.is_interrupt_seen, is_interrupted);
        let waiting = waiting?;
        if was_interrupted {
            if self.is_interrupt_told || waiting.left == 0 {
                return None;
            }
            self.is_interrupt_told = true;
            return Some(format!(
                "Waiting up to {} s for {} to arrive{}. Ctrl-C again gives up.",
                seconds_left(now, waiting),
                output::counted(waiting.left, "line"),
                because(waiting)
            ));
        }
        if self.told == Some(waiting.since) || now.since(waiting.since) < SILENCE_MAX {
            return None;
        }
        self.told = Some(waiting.since);
        Some(self.standstill(now, waiting))
    }

    fn standstill(&self, now: Instant, waiting: &Waiting) -> String {
        let silence = now.since(waiting.since).as_secs();
        let what = match (&self.awaited, waiting.left) {
            (Awaited::Group(group), _) => format!("Not in group {group} after {silence} s"),
            (Awaited::Lines, 0) => format!("The broker took no producer for {silence} s"),
            (Awaited::Lines, left) => format!("No line arrived for {silence} s, {left} wait"),
        };
        match (&waiting.why, &self.awaited) {
            // The coordinator may hold a member for longer than errors are repeated.
            (None, Awaited::Group(_)) => {
                format!("{what}: the group waits for its other members, or its broker is silent")
            }
            (None, Awaited::Lines) => format!("{what}: the broker does not answer"),
            (Some(_), _) => format!(
                "{what}{}; trying again for up to {} s",
                because(waiting),
                seconds_left(now, waiting)
            ),
        }
    }
}

/// On one line: an error about several addresses has more.
fn because(waiting: &Waiting) -> String {
    let why = waiting.why.as_deref();
    why.map_or_else(String::new, |why| {
        let words: Vec<_> = why.lines().map(str::trim).collect();
        format!(": {}", words.join(", "))
    })
}

fn seconds_left(now: Instant, waiting: &Waiting) -> u64 {
    waiting.until.since(now).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn waiting(since: u64, left: usize, why: Option<&str>) -> Waiting {
        Waiting {
            since: at(since),
            until: at(120),
            why: why.map(str::to_owned),
            left,
            arrived: 0,
        }
    }

    #[test]
    fn each_standstill_is_told_once_with_why_and_until_when() {
        let mut watch = Watch::new(Awaited::Lines);
        let first = waiting(0, 7, Some("no broker\n  at h:1"));
        assert_eq!(watch.look(at(4), Some(&first), false), None);
        let text = watch.look(at(5), Some(&first), false);
        let expected =
            "No line arrived for 5 s, 7 wait: no broker, at h:1; trying again for up to 115 s";
        assert_eq!(text.as_deref(), Some(expected));
        assert_eq!(watch.look(at(60), Some(&first), false), None);
        assert_eq!(watch.look(at(61), None, false), None);
        // It got on, and stands still again.
        let second = waiting(62, 3, None);
        assert_eq!(watch.look(at(63), Some(&second), false), None);
        let text = watch.look(at(70), Some(&second), false).unwrap();
        assert!(text.contains("does not answer"), "{text}");
    }

    #[test]
    fn an_interrupt_that_has_to_wait_is_told_once_with_what_is_left() {
        let mut watch = Watch::new(Awaited::Lines);
        let left = waiting(0, 7, Some("why"));
        assert_eq!(watch.look(at(1), Some(&left), true), None);
        let text = watch.look(at(20), Some(&left), true).unwrap();
        let expected = "Waiting up to 100 s for 7 lines to arrive: why. Ctrl-C again gives up.";
        assert_eq!(text, expected);
        assert_eq!(watch.look(at(30), Some(&left), true), None);
        // Everything arrived before the second look.
        let mut watch = Watch::new(Awaited::Lines);
        assert_eq!(watch.look(at(1), Some(&left), true), None);
        assert_eq!(watch.look(at(2), None, true), None);
    }

    #[test]
    fn a_member_that_cannot_join_is_told_of() {
        let mut watch = Watch::new(Awaited::Group("g".to_owned()));
        let text = watch.look(at(5), Some(&waiting(0, 0, Some("why"))), false);
        let expected = "Not in group g after 5 s: why; trying again for up to 115 s";
        assert_eq!(text.as_deref(), Some(expected));
        let text = watch
            .look(at(9), Some(&waiting(1, 0, None)), false)
            .unwrap();
        assert!(text.contains("other members"), "{text}");
    }
}
