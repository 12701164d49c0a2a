//! Bytes on simulated connections: sent into a window, carried in order, received in pieces.

use super::event::{Action, Waiting};
use super::network::{End, Receiving, Segment, WINDOW_BYTES, errno};
use super::shared::Cores;
use super::world_state::World;
use crate::op::Operation;

impl World {
    pub(super) fn start_readable(&mut self, waiting: Waiting, end: End) {
        let Some(side) = self.side(end) else {
            return self.finish_soon(waiting, errno(libc::ENOTCONN));
        };
        if side.inbox.is_empty() && !side.is_ended && !side.is_reset {
            side.receiver = Some((waiting, Receiving::Readable));
        } else {
            self.finish_soon(waiting, i64::from(libc::POLLIN));
        }
    }

    pub(super) fn start_receive(
        &mut self,
        waiting: Waiting,
        end: End,
        buffer: &mut Vec<u8>,
        max: usize,
    ) {
        match self.receive(end, buffer, max) {
            Some(result) => self.finish_soon(waiting, result),
            None => {
                if let Some(side) = self.side(end) {
                    side.receiver = Some((waiting, Receiving::Receive));
                }
            }
        }
    }

    /// Takes what is there; `None` when nothing is.
    pub(super) fn receive(&mut self, end: End, buffer: &mut Vec<u8>, max: usize) -> Option<i64> {
        let takes_less = self.chance(self.options.short_receive_one_in);
        let draw = self.prng.next_u64();
        let Some(side) = self.side(end) else {
            return Some(errno(libc::ENOTCONN));
        };
        if side.is_reset {
            return Some(errno(libc::ECONNRESET));
        }
        let mut count = side.inbox.len().min(max);
        if count == 0 {
            return side.is_ended.then_some(0);
        }
        if takes_less {
            count = 1 + (draw % count as u64) as usize;
        }
        let spare = buffer.spare_capacity_mut();
        for (target, byte) in spare.iter_mut().zip(side.inbox.drain(..count)) {
            target.write(byte);
        }
        side.unread_bytes -= count;
        self.resume_sender(end.other());
        Some(count as i64)
    }

    pub(super) fn start_send(&mut self, waiting: Waiting, end: End, bytes: Vec<u8>) {
        match self.send(end, &bytes) {
            Some(result) => self.finish_soon(waiting, result),
            None => {
                if let Some(side) = self.side(end) {
                    side.sender = Some((waiting, bytes));
                }
            }
        }
    }

    /// Puts what fits on the wire; `None` when nothing does.
    pub(super) fn send(&mut self, end: End, bytes: &[u8]) -> Option<i64> {
        let side = self.side(end);
        let Some((is_reset, is_shut)) = side.map(|side| (side.is_reset, side.is_shut)) else {
            return Some(errno(libc::ENOTCONN));
        };
        if is_reset {
            return Some(errno(libc::ECONNRESET));
        }
        if is_shut {
            return Some(errno(libc::EPIPE));
        }
        let target = self.side(end.other()).expect("an end has another");
        let room = WINDOW_BYTES - target.unread_bytes;
        if room == 0 {
            return None;
        }
        let count = room.min(bytes.len());
        target.unread_bytes += count;
        self.put_on_wire(end.other(), Segment::Bytes(bytes[..count].to_vec()));
        Some(count as i64)
    }

    pub(super) fn resume_sender(&mut self, end: End) {
        let Some((waiting, bytes)) = self.side(end).and_then(|side| side.sender.take()) else {
            return;
        };
        self.start_send(waiting, end, bytes);
    }

    /// A segment leaves for `to`; it arrives after those before it.
    pub(super) fn put_on_wire(&mut self, to: End, segment: Segment) {
        let delay = self.delay(self.options.network_latency_ns.clone());
        let soonest = self.now + delay;
        let Some(side) = self.side(to) else { return };
        side.wire.push_back(segment);
        side.arrival_min = side.arrival_min.max(soonest);
        let time = side.arrival_min;
        self.schedule_at(time, Action::Arrive { to });
    }

    pub(super) fn start_shutdown(&mut self, waiting: Waiting, end: End, how: i32) {
        let Some(side) = self.side(end) else {
            return self.finish_soon(waiting, errno(libc::ENOTCONN));
        };
        if how != libc::SHUT_RD && !side.is_shut {
            side.is_shut = true;
            self.put_on_wire(end.other(), Segment::End);
        }
        if how != libc::SHUT_WR
            && let Some(side) = self.side(end)
        {
            side.is_ended = true;
            self.wake_receiver_without_bytes(end, 0);
        }
        self.finish_soon(waiting, 0);
    }

    /// Completes whoever waits to receive, with a result that carries no bytes.
    pub(super) fn wake_receiver_without_bytes(&mut self, end: End, result: i64) {
        let receiver = self.side(end).and_then(|side| side.receiver.take());
        match receiver {
            Some((waiting, Receiving::Readable)) => {
                self.finish_soon(waiting, i64::from(libc::POLLIN));
            }
            Some((waiting, Receiving::Receive)) => self.finish_soon(waiting, result),
            None => {}
        }
    }

    pub(super) fn arrive(&mut self, to: End, cores: &Cores) {
        let Some(side) = self.side(to) else { return };
        let Some(segment) = side.wire.pop_front() else {
            return; // a reset overtook it
        };
        match segment {
            Segment::Bytes(bytes) if side.is_closed => {
                side.unread_bytes -= bytes.len();
                self.put_on_wire(to.other(), Segment::Reset);
            }
            Segment::Bytes(bytes) => {
                side.inbox.extend(bytes);
                self.on_bytes(to, cores);
            }
            Segment::End => {
                side.is_ended = true;
                if side.inbox.is_empty() {
                    self.wake_receiver_without_bytes(to, 0);
                }
            }
            Segment::Reset => self.reset_end(to),
        }
        self.forget_when_over(to.connection);
    }

    pub(super) fn on_bytes(&mut self, to: End, cores: &Cores) {
        let receiver = self.side(to).and_then(|side| side.receiver.take());
        match receiver {
            Some((waiting, Receiving::Readable)) => {
                self.finish_soon(waiting, i64::from(libc::POLLIN));
            }
            Some((waiting, Receiving::Receive)) => {
                let result = cores.with_operation(waiting, |operation| match operation {
                    Operation::Receive {
                        buffer, size_bytes, ..
                    } => self.receive(to, buffer, *size_bytes),
                    _ => unreachable!("dispatched by kind"),
                });
                if let Some(result) = result.flatten() {
                    self.finish_soon(waiting, result);
                }
            }
            None => {}
        }
    }

    pub(super) fn reset_end(&mut self, end: End) {
        let Some(side) = self.side(end) else { return };
        side.is_reset = true;
        side.inbox.clear();
        side.wire.clear();
        side.unread_bytes = 0;
        let sender = side.sender.take();
        if let Some((waiting, _)) = sender {
            self.finish_soon(waiting, errno(libc::ECONNRESET));
        }
        self.wake_receiver_without_bytes(end, errno(libc::ECONNRESET));
    }
}
