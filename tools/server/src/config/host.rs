//! What this machine has, and settings that ask for more of it.

use super::problem::Problem;
use super::values::Values;

/// What the process may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    cores: usize,
    /// Physical memory, or less where the control group grants less; `None` when nobody says.
    memory_bytes: Option<u64>,
}

impl Host {
    /// The machine this runs on.
    pub(super) fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let physical = total_of_meminfo(&read("/proc/meminfo"));
        // "max", or no such file, is no limit.
        let granted = read("/sys/fs/cgroup/memory.max").trim().parse().ok();
        Self {
            cores: engine_runtime::usable_cores().len(),
            memory_bytes: physical.into_iter().chain(granted).min(),
        }
    }
}

/// Warns of settings that this machine cannot keep: it may be another than the one that is meant.
pub(super) fn warn_of_host(values: &Values, host: Host, problems: &mut Vec<Problem>) {
    let mut warn = |key: &str, text: String, remedy: &str| {
        problems.push(Problem::warning(values.origin(key), key, &text, remedy));
    };
    let memory_bytes: u64 = values.unsigned("ottla.memory.bytes");
    if let Some(available) = host
        .memory_bytes
        .filter(|&available| memory_bytes > available)
    {
        warn(
            "ottla.memory.bytes",
            format!("asks for {memory_bytes} bytes, and this machine grants {available}"),
            "the kernel will end the broker when it uses them: leave room for the page cache too",
        );
    }
    let shards = values.integer("ottla.shards").unwrap_or_default();
    if usize::try_from(shards).is_ok_and(|shards| shards > host.cores) {
        warn(
            "ottla.shards",
            format!(
                "asks for {shards} cores, and this process may use {}",
                host.cores
            ),
            "several shards will share a core and slow each other down: remove it for one a core",
        );
    }
}

/// The line `MemTotal:  16318424 kB`, in bytes.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::layers::{Origin, Property};
    use super::*;

    fn warnings(key: &str, value: u64) -> Vec<Problem> {
        let property = Property {
            value: value.to_string(),
            origin: Origin::CommandLine,
        };
        let mut problems = Vec::new();
        let values = Values::check(BTreeMap::from([(key.to_owned(), property)]), &mut problems);
        let host = Host {
            cores: 2,
            memory_bytes: Some(1 << 30),
        };
        warn_of_host(&values, host, &mut problems);
        problems
    }

    #[test]
    fn what_the_machine_does_not_have_is_a_warning() {
        assert!(warnings("ottla.shards", 2).is_empty());
        assert!(warnings("ottla.memory.bytes", 1 << 30).is_empty());
        for found in [
            warnings("ottla.shards", 3),
            warnings("ottla.memory.bytes", (1 << 30) + 1),
        ] {
            assert!(matches!(&found[..], [one] if !one.is_error()), "{found:?}");
        }
    }

    #[test]
    fn reads_the_memory_of_the_machine() {
        assert_eq!(
            total_of_meminfo("MemTotal:   4 kB\nMemFree: 1 kB"),
            Some(4096)
        );
        assert_eq!(total_of_meminfo(""), None);
    }
}
