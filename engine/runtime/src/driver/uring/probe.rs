//! What this kernel offers, asked once; and a text that helps when it is not enough.

use std::{fmt, io};

use io_uring::{IoUring, Probe, opcode};

use crate::limits::{COMPLETION_QUEUE_ENTRIES, SUBMISSION_QUEUE_ENTRIES};

/// The lowest kernel: `DEFER_TASKRUN` came with it.
const KERNEL_FLOOR: &str = "6.1";

/// Why a core cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The host forbids `io_uring`; the text says who forbids it and what to change.
    Denied(String),
    /// The kernel is too old; the text names what is missing and since when it exists.
    Unsupported(String),
    /// Anything else, such as no memory.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Unsupported(text) => f.write_str(text),
            Self::Io(error) => write!(f, "the runtime cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What differs between the kernels we run on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    /// `IORING_OP_FTRUNCATE`, since Linux 6.9. Without it files are cut by a blocking call.
    pub(super) truncates: bool,
}

/// Makes a ring and asks it what it can do.
pub(super) fn build() -> Result<(IoUring, Features), StartError> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        // With it the kernel says in shared memory that completion work waits: spinning can see it.
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(COMPLETION_QUEUE_ENTRIES)
        .dontfork()
        .build(SUBMISSION_QUEUE_ENTRIES)
        .map_err(explain)?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    let missing: Vec<_> = REQUIRED
        .iter()
        .filter(|(code, _, _)| !probe.is_supported(*code))
        .map(|(_, name, since)| format!("{name} (Linux {since})"))
        .collect();
    if !missing.is_empty() {
        return Err(StartError::Unsupported(format!(
            "this kernel's io_uring lacks {}; Linux {KERNEL_FLOOR} or newer is needed",
            missing.join(", ")
        )));
    }
    let features = Features {
        truncates: probe.is_supported(opcode::Ftruncate::CODE),
    };
    Ok((ring, features))
}

const REQUIRED: &[(u8, &str, &str)] = &[
    (opcode::Read::CODE, "READ", "5.6"),
    (opcode::Writev::CODE, "WRITEV", "5.1"),
    (opcode::Fsync::CODE, "FSYNC", "5.1"),
    (opcode::Accept::CODE, "ACCEPT", "5.5"),
    (opcode::Connect::CODE, "CONNECT", "5.5"),
    (opcode::Recv::CODE, "RECV", "5.6"),
    (opcode::SendMsg::CODE, "SENDMSG", "5.3"),
    (opcode::OpenAt::CODE, "OPENAT", "5.6"),
    (opcode::Statx::CODE, "STATX", "5.6"),
    (opcode::Fallocate::CODE, "FALLOCATE", "5.6"),
    (opcode::Madvise::CODE, "MADVISE", "5.6"),
    (opcode::RenameAt::CODE, "RENAMEAT", "5.11"),
    (opcode::UnlinkAt::CODE, "UNLINKAT", "5.11"),
    (opcode::MkDirAt::CODE, "MKDIRAT", "5.15"),
    (opcode::Shutdown::CODE, "SHUTDOWN", "5.11"),
    (opcode::MsgRingData::CODE, "MSG_RING", "5.18"),
    (opcode::SendZc::CODE, "SEND_ZC", "6.0"),
];

/// Turns a refusal into what the operator can do about it.
fn explain(error: io::Error) -> StartError {
    match error.raw_os_error() {
        Some(libc::EPERM) => StartError::Denied(denied_text(
            setting("/proc/sys/kernel/io_uring_disabled"),
            setting("/proc/sys/kernel/io_uring_group"),
        )),
        Some(libc::EACCES) => StartError::Denied(
            "io_uring is refused by a security module (SELinux or AppArmor): allow io_uring for \
             this process in its policy"
                .to_owned(),
        ),
        Some(libc::ENOSYS) => StartError::Denied(format!(
            "the system call io_uring_setup does not exist here: the kernel was built without \
             CONFIG_IO_URING, is older than 5.1, or a sandbox (gVisor, an old seccomp profile) hides \
             it; run on Linux {KERNEL_FLOOR} or newer, outside that sandbox"
        )),
        Some(libc::EINVAL) => StartError::Unsupported(format!(
            "this kernel's io_uring lacks SINGLE_ISSUER (Linux 6.0) or DEFER_TASKRUN (Linux 6.1); \
             Linux {KERNEL_FLOOR} or newer is needed"
        )),
        Some(libc::ENOMEM) => StartError::Denied(
            "the kernel refused memory for the ring: raise the memlock limit (LimitMEMLOCK= in the \
             unit file, ulimit -l, or --ulimit memlock= of the container) or the container's memory \
             limit"
                .to_owned(),
        ),
        _ => StartError::Io(error),
    }
}

fn setting(path: &str) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn denied_text(disabled: Option<i64>, group: Option<i64>) -> String {
    match disabled {
        Some(2) => "io_uring is switched off for everyone on this host: set \
                    kernel.io_uring_disabled=0 (sysctl -w kernel.io_uring_disabled=0, and in \
                    /etc/sysctl.d to keep it)"
            .to_owned(),
        Some(1) => format!(
            "io_uring is limited to privileged processes on this host (kernel.io_uring_disabled=1): \
             set it to 0, or add this process's user to the group {} (kernel.io_uring_group)",
            group.unwrap_or(-1)
        ),
        _ => "io_uring is refused with EPERM: a seccomp profile forbids it, as the default profiles \
              of container engines do; run the container with a profile that allows io_uring_setup, \
              io_uring_enter and io_uring_register (docker: --security-opt seccomp=<profile>; \
              Kubernetes: securityContext.seccompProfile)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_cause_and_remedy() {
        let text = |errno| explain(io::Error::from_raw_os_error(errno)).to_string();
        assert!(text(libc::ENOSYS).contains("CONFIG_IO_URING"));
        assert!(text(libc::EINVAL).contains("6.1"));
        assert!(text(libc::ENOMEM).contains("LimitMEMLOCK"));
        assert!(denied_text(Some(2), None).contains("kernel.io_uring_disabled=0"));
        assert!(denied_text(Some(1), Some(700)).contains("700"));
        assert!(denied_text(Some(0), None).contains("seccomp"));
        assert!(matches!(
            explain(io::Error::from_raw_os_error(libc::EPERM)),
            StartError::Denied(_)
        ));
    }
}
