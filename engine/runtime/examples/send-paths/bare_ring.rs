//! A ring without the runtime around it, for the one operation that the runtime does not have.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, cqueue, opcode, types};

/// The kernel has let go of an answer's memory this late at most: so many answers are on their way.
const NOTIFICATIONS_MAX: u32 = 4;

const HEAD: u64 = 1;
const PAYLOAD: u64 = 2;

/// Sends answers by linked operations: the head, then the payload.
pub(crate) struct BareRing {
    ring: IoUring,
    /// Notifications that will still come.
    outstanding: u32,
    /// Payloads that the kernel says it has copied although it was asked not to.
    pub(crate) copied: u64,
    /// Payloads sent without a copy asked for.
    pub(crate) zero_copy: u64,
}

impl BareRing {
    pub(crate) fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(16)?;
        Ok(Self {
            ring,
            outstanding: 0,
            copied: 0,
            zero_copy: 0,
        })
    }

    /// Sends both and waits for the results (not for the notification).
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        head: &[u8],
        payload: &[u8],
        is_zero_copy: bool,
    ) -> io::Result<()> {
        let fd = types::Fd(socket.as_raw_fd());
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let first = opcode::Send::new(fd, head.as_ptr(), head.len() as u32)
            .flags(flags | libc::MSG_MORE)
            .build()
            .user_data(HEAD)
            .flags(Flags::IO_LINK);
        let second = if is_zero_copy {
            const REPORT_USAGE: u16 = 1 << 3;
            opcode::SendZc::new(fd, payload.as_ptr(), payload.len() as u32)
                .flags(flags)
                .zc_flags(REPORT_USAGE)
                .build()
        } else {
            opcode::Send::new(fd, payload.as_ptr(), payload.len() as u32)
                .flags(flags)
                .build()
        };
        self.push(&first);
        self.push(&second.user_data(PAYLOAD));
        let mut results = 2;
        while results > 0 || self.outstanding >= NOTIFICATIONS_MAX {
            results -= self.reap(head.len(), payload.len())?;
        }
        Ok(())
    }

    /// Waits for the notifications of everything that was sent.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        while self.outstanding > 0 {
            self.reap(0, 0)?;
        }
        Ok(())
    }

    fn push(&mut self, entry: &Entry) {
        // SAFETY: `send` does not return before the results are there, so the memory is readable
        // until then; a zero-copy payload lies in an arena, which outlives the ring's last
        // notification (`drain`).
        let pushed = unsafe { self.ring.submission().push(entry) };
        assert!(pushed.is_ok(), "the queue has room for one answer");
    }

    /// Waits for completions and takes them; the number of results among them.
    fn reap(&mut self, head_size: usize, payload_size: usize) -> io::Result<u32> {
        self.ring.submit_and_wait(1)?;
        let completions: Vec<_> = self.ring.completion().collect();
        let mut results = 0;
        for completion in completions {
            if cqueue::notif(completion.flags()) {
                const COPIED: i32 = i32::MIN;
                self.outstanding -= 1;
                self.zero_copy += 1;
                self.copied += u64::from(completion.result() & COPIED != 0);
                continue;
            }
            self.outstanding += u32::from(cqueue::more(completion.flags()));
            results += 1;
            let expected = match completion.user_data() {
                HEAD => head_size,
                _ => payload_size,
            };
            if completion.result() < 0 {
                return Err(io::Error::from_raw_os_error(-completion.result()));
            }
            // MSG_WAITALL: less comes only when the connection ends.
            assert_eq!(completion.result() as usize, expected);
        }
        Ok(results)
    }
}
