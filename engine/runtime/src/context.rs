//! Which core this code runs on: the only thread-local of the project.
//!
//! Set while a core polls its tasks; the free functions ([`crate::spawn`], [`crate::now`], ...)
//! find their core here. In the simulated world one thread plays many cores in turn.

use std::cell::RefCell;
use std::rc::Rc;

use crate::core::Core;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// The core that polls this code.
///
/// # Panics
/// Outside a runtime: there is no clock to read and no one to run a task.
pub(crate) fn current() -> Rc<Core> {
    maybe_current().expect("called from a task of a runtime")
}

pub(crate) fn maybe_current() -> Option<Rc<Core>> {
    // `try_with`: destructors of other thread-locals may ask after ours is gone.
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}

/// Makes `core` the current one until the guard is dropped.
pub(crate) fn enter(core: &Rc<Core>) -> EnterGuard {
    let core = Rc::clone(core);
    EnterGuard {
        previous: CURRENT.with(|current| current.borrow_mut().replace(core)),
    }
}

pub(crate) struct EnterGuard {
    previous: Option<Rc<Core>>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let previous = self.previous.take();
        // The replaced core is dropped after the borrow has ended.
        let _left = CURRENT.with(|current| current.replace(previous));
    }
}
