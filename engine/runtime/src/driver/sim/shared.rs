//! What the cores of a world share, and the one loop that makes things happen.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::{Rc, Weak};

use engine_base::Instant;

use super::event::{Action, Waiting};
use super::world::ProcessId;
use super::world_state::{Owner, World};
use crate::context;
use crate::core::Core;
use crate::driver::Driver;
use crate::executor::CriticalPanic;
use crate::op::Operation;

/// The cores of a world. Whoever runs on one owns it; the world only looks.
#[derive(Default)]
pub(super) struct Cores(pub(super) Vec<(Owner, Weak<Core>)>);

impl Cores {
    fn live(&self) -> impl Iterator<Item = (Owner, Rc<Core>)> {
        self.0
            .iter()
            .filter_map(|(owner, core)| Some((*owner, core.upgrade()?)))
    }

    fn find(&self, core_id: u64) -> Option<Rc<Core>> {
        let found = self.0.iter().find(|(owner, _)| owner.core_id == core_id)?;
        found.1.upgrade()
    }

    /// Changes an operation a core still waits for.
    pub(super) fn with_operation<T>(
        &self,
        waiting: Waiting,
        work: impl FnOnce(&mut Operation) -> T,
    ) -> Option<T> {
        self.find(waiting.owner.core_id)?
            .with_operation(waiting.id, work)
    }
}

/// What the cores of a world share.
pub(super) struct Shared {
    pub(super) seed: u64,
    pub(super) state: RefCell<World>,
    pub(super) cores: RefCell<Cores>,
    /// Cores of shards, which nobody else owns.
    pub(super) owned: RefCell<Vec<(Owner, Rc<Core>)>>,
    /// Simulated cores count from one in each world, so that runs are equal.
    pub(super) core_next: Cell<u64>,
}

/// Drops the tasks of cores that have lost their process.
pub(super) fn drop_cores(cores: Vec<(Owner, Rc<Core>)>) {
    for (_, core) in cores {
        let _entered = context::enter(&core);
        core.executor().cancel_all();
        drop(core.remote().take_posts());
        core.forget_kept();
    }
}

impl Shared {
    pub(super) fn owner_of(&self, core: &Core) -> Owner {
        let Driver::Sim(sim) = core.driver() else {
            unreachable!("cores of a world are simulated")
        };
        sim.owner()
    }

    /// For a test that waits for something: there must be something left to happen.
    pub(super) fn step_or_panic(&self) {
        assert!(
            self.step(None),
            "nothing is left to happen in the simulated world (seed {})",
            self.seed
        );
    }

    /// One thing happens: what is due, else a poll of a ready task, else time passes to the next
    /// thing before `end`. `false` when there is none.
    pub(super) fn step(&self, end: Option<u64>) -> bool {
        self.close_handles();
        let cores: Vec<_> = self.cores.borrow().live().collect();
        for (_, core) in &cores {
            let _entered = context::enter(core);
            core.run_posts();
        }
        let now = self.state.borrow().now;
        if end.is_some_and(|end| now >= end) {
            return false;
        }
        if self.next_time(&cores).is_some_and(|next| next <= now) {
            self.pass_to(now, &cores);
            return true;
        }
        if self.poll_one(&cores) {
            return true;
        }
        match self.next_time(&cores) {
            Some(next) if end.is_none_or(|end| next < end) => {
                self.pass_to(next, &cores);
                true
            }
            _ => false,
        }
    }

    /// When the next timer fires or event happens.
    fn next_time(&self, cores: &[(Owner, Rc<Core>)]) -> Option<u64> {
        let event = self.state.borrow().events.peek().map(|event| event.time);
        let timers = cores
            .iter()
            .filter_map(|(_, core)| core.timers().next_deadline());
        timers.map(|deadline| deadline.0).chain(event).min()
    }

    /// Time passes, and what is due then happens: timers first, or one event.
    fn pass_to(&self, time: u64, cores: &[(Owner, Rc<Core>)]) {
        self.state.borrow_mut().advance_to(time);
        let mut fired = false;
        for (index, (_, core)) in cores.iter().enumerate() {
            let _entered = context::enter(core);
            if core.timers().fire(Instant(time)) {
                self.state.borrow_mut().note(1, index as u64);
                fired = true;
            }
        }
        if fired {
            return;
        }
        let event = self.state.borrow_mut().events.pop();
        let Some(event) = event else { return };
        self.state.borrow_mut().note(2, event.sequence);
        match event.action {
            Action::Wake { core_id } => {
                if let Some(core) = self.cores.borrow().find(core_id) {
                    let _entered = context::enter(&core);
                    core.look_into_mailboxes();
                }
            }
            action => {
                let mut world = self.state.borrow_mut();
                world.apply(action, &self.cores.borrow());
            }
        }
        self.report_completions();
    }

    /// Tells cores what completed, with nothing of the world borrowed.
    fn report_completions(&self) {
        let completed = std::mem::take(&mut self.state.borrow_mut().completed);
        for (waiting, result) in completed {
            if !self.state.borrow().is_alive(waiting.owner) {
                continue;
            }
            let core = self.cores.borrow().find(waiting.owner.core_id);
            if let Some(core) = core {
                let _entered = context::enter(&core);
                self.state.borrow_mut().note(3, result as u64);
                core.complete(waiting.id, result, false);
            }
        }
    }

    fn close_handles(&self) {
        let mut world = self.state.borrow_mut();
        for id in world.closed.take() {
            world.close(id, true);
        }
    }

    /// Polls one ready task of one core, both drawn from the seed.
    fn poll_one(&self, cores: &[(Owner, Rc<Core>)]) -> bool {
        let ready =
            |core: &Core| core.executor().ready_count() + core.executor().ready_background_count();
        let total: usize = cores.iter().map(|(_, core)| ready(core)).sum();
        if total == 0 {
            return false;
        }
        let mut drawn = self.state.borrow_mut().prng.below(total as u64) as usize;
        for (index, (owner, core)) in cores.iter().enumerate() {
            let count = ready(core);
            if drawn >= count {
                drawn -= count;
                continue;
            }
            let id = core.executor().take_ready(drawn);
            let id = id.expect("an index below the count of ready tasks");
            self.state
                .borrow_mut()
                .note(4, (index as u64) << 32 | u64::from(id.index));
            self.poll_task(*owner, core, id);
            break;
        }
        let mut world = self.state.borrow_mut();
        let max = world.options.poll_ns_max;
        let took = world.delay(1..max.max(1) + 1);
        let now = world.now + took;
        world.advance_to(now);
        true
    }

    fn poll_task(&self, owner: Owner, core: &Rc<Core>, id: crate::task::TaskId) {
        let entered = context::enter(core);
        // While the core is awake nobody wakes it; when it has looked, it sleeps again.
        let began = core.now();
        let polled = catch_unwind(AssertUnwindSafe(|| core.poll_task(id, began)));
        core.remote().sleep_flag().announce_sleep();
        core.look_into_mailboxes();
        drop(entered);
        let Err(payload) = polled else { return };
        let stops_process = self.state.borrow().options.critical_panic_stops_process;
        match payload.downcast::<CriticalPanic>() {
            Ok(panic) if stops_process => {
                self.state
                    .borrow_mut()
                    .process(owner.process)
                    .exits
                    .push(panic.0);
                self.end_process(owner.process, true);
            }
            Ok(panic) => panic!("in the simulated world of seed {}: {}", self.seed, panic.0),
            Err(payload) => {
                eprintln!("in the simulated world of seed {}:", self.seed);
                resume_unwind(payload);
            }
        }
    }

    pub(super) fn end_process(&self, process: ProcessId, says_goodbye: bool) {
        self.close_handles();
        self.state.borrow_mut().end_life(process, says_goodbye);
        let gone: Vec<_> = {
            let mut owned = self.owned.borrow_mut();
            let (gone, kept) = owned.drain(..).partition(|(o, _)| o.process == process);
            *owned = kept;
            gone
        };
        drop_cores(gone);
        self.cores
            .borrow_mut()
            .0
            .retain(|(owner, core)| owner.process != process && core.strong_count() > 0);
    }
}
