//! Produce: pre-encoded batches, one partition each, as fast as the answers allow or by the clock.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::args::{Produce, Target};
use crate::batch::{build, check_produced, produce_frame, record_count};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::report::Report;
use crate::run::{Phase, Tally, run};
use crate::saturate::{Work, saturate};
use crate::schedule::Schedule;
use crate::topic;

/// Runs the experiment.
pub(crate) fn measure(target: &Target, options: &Produce) -> Result<Report, Failure> {
    topic::prepare(target)?;
    let batch = build(options.shape);
    let frames = (0..target.partitions)
        .map(|partition| produce_frame(&target.topic, partition, &batch, options.acks))
        .collect::<Result<Vec<_>, Failure>>()?;
    let work = Work {
        frames: &frames,
        batch_size_bytes: batch.len(),
        depth: options.depth.max(1),
    };
    let started = Instant::now();
    let (tally, cost) = if options.acks != 0 && options.rate.is_none() {
        run(target, 1, |_, phase| saturate(target, work, phase))?
    } else {
        run(target, target.connections, |index, phase| {
            let worker = Worker { work, next: index };
            match options.rate {
                Some(rate) if options.acks != 0 => {
                    let schedule = Schedule::new(started, rate, index, target.connections);
                    worker.by_the_clock(target, schedule, phase)
                }
                _ => worker.unanswered(target, phase),
            }
        })?
    };
    let mut report = Report::default();
    report.put_work(
        &cost,
        tally.requests,
        tally.requests * record_count(options.shape) as u64,
        tally.bytes,
    );
    if options.acks != 0 {
        report.put_latency(&tally.latency);
    }
    Ok(report)
}

/// One connection's share of the work, on a thread of its own.
struct Worker<'a> {
    work: Work<'a>,
    /// Counts up; modulo the partitions it is the next partition.
    next: usize,
}

impl Worker<'_> {
    fn next_frame(&mut self) -> &[u8] {
        let frame = &self.work.frames[self.next % self.work.frames.len()];
        self.next += 1;
        frame
    }

    /// acks=0: what the socket takes.
    fn unanswered(mut self, target: &Target, phase: &Phase) -> Result<Tally, Failure> {
        let mut connection = Connection::open(&target.bootstrap)?;
        let mut tally = Tally::default();
        while !phase.stopped() {
            let began = Instant::now();
            connection.send(self.next_frame())?;
            if phase.measures() {
                tally.count(began, self.work.batch_size_bytes);
            }
        }
        Ok(tally)
    }

    /// Sends when it is time; another thread takes the answers.
    fn by_the_clock(
        self,
        target: &Target,
        schedule: Schedule,
        phase: &Phase,
    ) -> Result<Tally, Failure> {
        let mut connection = Connection::open(&target.bootstrap)?;
        let writer = connection.writer()?;
        let size = self.work.batch_size_bytes;
        let (sent, due) = mpsc::channel();
        thread::scope(|scope| {
            let sender = scope.spawn(|| self.send_by_the_clock(writer, schedule, sent, phase));
            let mut tally = Tally::default();
            while let Ok(began) = due.recv() {
                check_produced(connection.receive()?)?;
                if phase.measures() {
                    tally.count(began, size);
                }
            }
            sender.join().expect("the sender does not panic")?;
            Ok(tally)
        })
    }

    fn send_by_the_clock(
        mut self,
        mut writer: TcpStream,
        mut schedule: Schedule,
        sent: mpsc::Sender<Instant>,
        phase: &Phase,
    ) -> Result<(), Failure> {
        while !phase.stopped() {
            let due = schedule.wait();
            writer.write_all(self.next_frame())?;
            if sent.send(due).is_err() {
                break; // The receiver has failed and says why.
            }
        }
        Ok(())
    }
}
