//! One process per directory.

use std::io::{self, Seek, Write};
use std::path::Path;

use crate::context;
use crate::driver::{Driver, system};

/// Holds the lock until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct LockFile {
    _held: Held,
}

#[derive(Debug)]
enum Held {
    File(#[allow(dead_code, reason = "closing it unlocks")] std::fs::File),
    /// The simulated world runs one process per disk.
    Simulated,
}

/// Takes the lock of `path` (made when it does not exist) and writes the process id into it. A
/// blocking call that never waits, for start-up.
///
/// # Errors
/// `WouldBlock` when another process holds it; else as open(2), flock(2) and fcntl(2).
pub fn lock_file(path: impl AsRef<Path>) -> io::Result<LockFile> {
    if let Some(core) = context::maybe_current()
        && matches!(core.driver(), Driver::Sim(_))
    {
        return Ok(LockFile {
            _held: Held::Simulated,
        });
    }
    let mut file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    // By flock(2), which also keeps out a second holder in this process, and by fcntl(2), which is
    // what Kafka's JVM takes. The kernel lets go of both when the process ends.
    file.try_lock()?;
    system::lock_record(&file)?;
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(LockFile {
        _held: Held::File(file),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_directory::TestDirectory;

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let directory = TestDirectory::new("lock");
        let path = directory.path().join(".lock");
        let first = lock_file(&path).unwrap();
        let refused = lock_file(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(first);
        let _second = lock_file(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
    }
}
