//! What a broker's process has used, from /proc: all its threads, the kernel's io workers included.

use std::fs;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Linux counts process times in hundredths of a second for every program (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_SIZE_BYTES: u64 = 4096;

/// Counters of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu_seconds: f64,
    /// Resident memory.
    pub(crate) rss_bytes: u64,
    /// Bytes handed to block devices.
    pub(crate) written_bytes: u64,
    /// Times a thread gave up the core, or was made to.
    pub(crate) context_switches: u64,
    /// Seconds that all cores together were busy, whoever ran.
    pub(crate) machine_busy_seconds: f64,
}

impl Usage {
    /// Of this process, now.
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        let machine = fs::read_to_string("/proc/stat")?;
        Ok(Self {
            cpu_seconds: cpu_seconds(&stat),
            rss_bytes: field_after_name(&stat, 21).saturating_mul(PAGE_SIZE_BYTES),
            written_bytes: labelled(&io, "write_bytes:"),
            context_switches: context_switches(pid)?,
            machine_busy_seconds: busy_seconds(&machine),
        })
    }

    /// What was used between `earlier` and this; memory as it is now.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            rss_bytes: self.rss_bytes,
            written_bytes: self.written_bytes - earlier.written_bytes,
            context_switches: self
                .context_switches
                .saturating_sub(earlier.context_switches),
            machine_busy_seconds: self.machine_busy_seconds - earlier.machine_busy_seconds,
        }
    }
}

/// CPU time of this program itself.
pub(crate) fn own_cpu_seconds() -> Result<f64, Failure> {
    Ok(cpu_seconds(&fs::read_to_string("/proc/self/stat")?))
}

/// Time of measurement and the counters at its begin.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    pid: Option<u32>,
    broker: Usage,
    own_cpu_seconds: f64,
}

/// What the measured time has cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The time that passed.
    pub(crate) elapsed: Duration,
    /// The broker's part; nothing when its process is not known.
    pub(crate) broker: Option<Usage>,
    /// Our own part.
    pub(crate) own_cpu_seconds: f64,
}

impl Meter {
    /// Starts to measure.
    pub(crate) fn start(pid: Option<u32>) -> Result<Self, Failure> {
        let broker = pid.map(Usage::of).transpose()?.unwrap_or_default();
        Ok(Self {
            began: Instant::now(),
            pid,
            broker,
            own_cpu_seconds: own_cpu_seconds()?,
        })
    }

    /// What was used since.
    pub(crate) fn stop(&self) -> Result<Cost, Failure> {
        let elapsed = self.began.elapsed();
        let broker = self.pid.map(Usage::of).transpose()?;
        Ok(Cost {
            elapsed,
            broker: broker.map(|now| now.since(&self.broker)),
            own_cpu_seconds: own_cpu_seconds()? - self.own_cpu_seconds,
        })
    }
}

/// utime and stime of /proc/PID/stat.
fn cpu_seconds(stat: &str) -> f64 {
    (field_after_name(stat, 11) + field_after_name(stat, 12)) as f64 / TICKS_PER_SECOND
}

/// A number of /proc/PID/stat, counted from the state behind the name, which may hold anything.
fn field_after_name(stat: &str, index: usize) -> u64 {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ')
        .nth(index)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

fn labelled(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn context_switches(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may end between the listing and the reading.
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        sum += labelled(&status, "voluntary_ctxt_switches:");
        sum += labelled(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(sum)
}

/// All of the first line of /proc/stat but idle and iowait.
fn busy_seconds(stat: &str) -> f64 {
    let line = stat.lines().next().unwrap_or("");
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let busy: u64 = ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(index, _)| !matches!(index, 3 | 4))
        .map(|(_, t)| t)
        .sum();
    busy as f64 / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_moves_no_field() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 100 4096 25 0";
        assert!((cpu_seconds(stat) - 2.0).abs() < 1e-9);
        assert_eq!(field_after_name(stat, 21), 25);
    }

    #[test]
    fn idle_time_is_not_busy() {
        assert!((busy_seconds("cpu  100 0 50 999 888 0 50 0 0 0\n") - 2.0).abs() < 1e-9);
    }
}
