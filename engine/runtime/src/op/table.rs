//! The operations of one core, from their start to their last completion.

use std::task::Waker;

use super::Operation;

/// Names an operation; a place in the table and how often the place was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OperationId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl OperationId {
    /// As the ring carries it. Generations stay below [`GENERATION_END`], so the driver has the
    /// values above for its own.
    pub(crate) fn user_data(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_user_data(user_data: u64) -> Self {
        Self {
            index: user_data as u32,
            generation: (user_data >> 32) as u32,
        }
    }
}

/// Generations wrap here. A place would have to be used four thousand million times between an
/// operation's start and a stale completion for the two to be confused.
pub(crate) const GENERATION_END: u32 = 0xffff_0000;

#[derive(Debug)]
enum Place {
    Free,
    /// The world has it. `waiter` is `None` until the future is polled.
    Running {
        operation: Operation,
        waiter: Option<Waker>,
        is_orphaned: bool,
        /// Set when the result is there but the kernel still uses the buffers (zero-copy send).
        result: Option<i64>,
    },
    Completed {
        operation: Operation,
        result: i64,
    },
}

#[derive(Debug, Default)]
pub(crate) struct OperationTable {
    places: Vec<(u32, Place)>,
    free: Vec<u32>,
    running_count: usize,
}

/// What a completion leads to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nobody waits yet, or the id is stale.
    Nothing,
    /// Its future waits.
    Wake(Waker),
    /// Its future is gone: the operation and its result are the caller's to clean up.
    Orphan(Operation, i64),
}

impl OperationTable {
    /// Operations the world has not completed.
    pub(crate) fn running_count(&self) -> usize {
        self.running_count
    }

    pub(crate) fn insert(&mut self, operation: Operation) -> OperationId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, Place::Free));
            u32::try_from(self.places.len() - 1).expect("memory ends before four billion places")
        });
        let (generation, place) = &mut self.places[index as usize];
        assert!(matches!(place, Place::Free));
        *place = Place::Running {
            operation,
            waiter: None,
            is_orphaned: false,
            result: None,
        };
        self.running_count += 1;
        OperationId {
            index,
            generation: *generation,
        }
    }

    /// A running operation, for the driver that carries it out.
    pub(crate) fn running(&mut self, id: OperationId) -> Option<&mut Operation> {
        match self.place(id) {
            Some(Place::Running { operation, .. }) => Some(operation),
            _ => None,
        }
    }

    /// The world reports a result. With `has_more` it still uses the buffers.
    pub(crate) fn complete(&mut self, id: OperationId, result: i64, has_more: bool) -> Outcome {
        let Some(place) = self.place(id) else {
            return Outcome::Nothing;
        };
        let Place::Running {
            result: earlier, ..
        } = place
        else {
            return Outcome::Nothing;
        };
        let result = earlier.unwrap_or(result);
        if has_more {
            *earlier = Some(result);
            return Outcome::Nothing;
        }
        let Place::Running {
            operation,
            waiter,
            is_orphaned,
            ..
        } = std::mem::replace(place, Place::Free)
        else {
            unreachable!("matched above")
        };
        self.running_count -= 1;
        if is_orphaned {
            self.release(id.index);
            return Outcome::Orphan(operation, result);
        }
        self.places[id.index as usize].1 = Place::Completed { operation, result };
        waiter.map_or(Outcome::Nothing, Outcome::Wake)
    }

    /// Takes a completed operation out, or remembers who waits for it.
    pub(crate) fn poll(&mut self, id: OperationId, waker: &Waker) -> Option<(Operation, i64)> {
        let place = self.place(id).expect("a ticket outlives no operation");
        match place {
            Place::Running { waiter, .. } => {
                match waiter {
                    Some(known) if known.will_wake(waker) => {}
                    _ => *waiter = Some(waker.clone()),
                }
                None
            }
            Place::Completed { .. } => {
                let taken = std::mem::replace(place, Place::Free);
                self.release(id.index);
                let Place::Completed { operation, result } = taken else {
                    unreachable!("matched above")
                };
                Some((operation, result))
            }
            Place::Free => unreachable!("a ticket outlives no operation"),
        }
    }

    /// The future is dropped. `Err` says that the operation still runs and is to be cancelled.
    pub(crate) fn abandon(&mut self, id: OperationId) -> Result<(Operation, i64), ()> {
        let place = self.place(id).expect("a ticket outlives no operation");
        match place {
            Place::Running {
                waiter,
                is_orphaned,
                ..
            } => {
                *waiter = None;
                *is_orphaned = true;
                Err(())
            }
            Place::Completed { .. } => {
                let taken = std::mem::replace(place, Place::Free);
                self.release(id.index);
                let Place::Completed { operation, result } = taken else {
                    unreachable!("matched above")
                };
                Ok((operation, result))
            }
            Place::Free => unreachable!("a ticket outlives no operation"),
        }
    }

    /// Gives up on operations the kernel does not complete: their memory stays, for ever.
    pub(crate) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.places));
    }

    fn place(&mut self, id: OperationId) -> Option<&mut Place> {
        match self.places.get_mut(id.index as usize) {
            Some((generation, place)) if *generation == id.generation => Some(place),
            _ => None,
        }
    }

    fn release(&mut self, index: u32) {
        let (generation, place) = &mut self.places[index as usize];
        *place = Place::Free;
        *generation = (*generation + 1) % GENERATION_END;
        self.free.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_directory() -> Operation {
        Operation::MakeDirectory {
            path: c"log".to_owned(),
        }
    }

    #[test]
    fn an_abandoned_operation_stays_until_it_completes() {
        let mut table = OperationTable::default();
        let id = table.insert(make_directory());
        assert!(table.abandon(id).is_err());
        assert!(table.running(id).is_some());
        assert!(matches!(
            table.complete(id, -125, false),
            Outcome::Orphan(_, -125)
        ));
        assert_eq!(table.running_count(), 0);
    }

    #[test]
    fn a_stale_completion_touches_nobody() {
        let mut table = OperationTable::default();
        let first = table.insert(make_directory());
        let _ = table.complete(first, 0, false);
        assert!(table.poll(first, Waker::noop()).is_some());
        let second = table.insert(make_directory());
        assert_eq!(second.index, first.index);
        assert!(matches!(table.complete(first, 0, false), Outcome::Nothing));
        assert!(table.poll(second, Waker::noop()).is_none());
    }

    #[test]
    fn buffers_are_held_until_the_last_of_two_completions() {
        let mut table = OperationTable::default();
        let id = table.insert(make_directory());
        let _ = table.complete(id, 42, true);
        assert!(table.poll(id, Waker::noop()).is_none());
        assert!(matches!(table.complete(id, 0, false), Outcome::Wake(_)));
        assert!(matches!(table.poll(id, Waker::noop()), Some((_, 42))));
    }
}
