//! How many files the process may have open. A blocking call, for start-up.

use std::io;

use crate::context;
use crate::driver::{Driver, system};

/// What the simulated world allows: more than any test opens.
const SIM_OPEN_FILES_MAX: u64 = 1 << 20;

/// How many files and sockets the process may have open (`RLIMIT_NOFILE`): the hard limit, to
/// which the soft one is raised, since that is what it is for.
///
/// # Errors
/// As getrlimit(2).
pub fn open_files_max() -> io::Result<u64> {
    if let Some(core) = context::maybe_current()
        && let Driver::Sim(_) = core.driver()
    {
        return Ok(SIM_OPEN_FILES_MAX);
    }
    system::raise_open_files_limit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_once_and_stays() {
        let raised = open_files_max().unwrap();
        assert!(raised >= 3, "the standard streams are open");
        assert_eq!(open_files_max().unwrap(), raised);
    }
}
