//! End to end: from the moment a record was due at the producer until a consumer has it. The
//! record's value begins with that moment.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use engine_record::{BatchBuilder, BatchOptions, Batches};
use net_wire::message::fetch::FetchRequest;

use crate::args::{EndToEnd, Target};
use crate::batch::{
    FETCH_VERSION, FetchOptions, check_produced, fetch_frame, now_ms, produce_frame,
};
use crate::connection::{Connection, answer};
use crate::failure::{Failure, check};
use crate::report::Report;
use crate::run::{Phase, Tally, run};
use crate::schedule::Schedule;
use crate::topic;

const WAIT_MS: i32 = 500;
const FETCH_SIZE_BYTES_MAX: i32 = 1 << 20;
const MOMENT_SIZE_BYTES: usize = 8;

/// Runs the experiment: one producer, one consumer of all partitions.
pub(crate) fn measure(target: &Target, options: &EndToEnd) -> Result<Report, Failure> {
    if options.record_bytes < MOMENT_SIZE_BYTES || options.acks == 0 {
        return Err(Failure::Options(
            "end-to-end needs records of 8 bytes and acks other than 0",
        ));
    }
    topic::prepare(target)?;
    let start = Instant::now();
    let (tally, cost) = run(target, 2, |index, phase| match index {
        0 => produce(target, options, start, phase).map(|()| Tally::default()),
        _ => consume(target, start, phase),
    })?;
    let mut report = Report::default();
    report.put_work(&cost, tally.requests, tally.requests, tally.bytes);
    report.put_latency(&tally.latency);
    Ok(report)
}

/// Sends a record when it is due; another thread takes the answers.
fn produce(
    target: &Target,
    options: &EndToEnd,
    start: Instant,
    phase: &Phase,
) -> Result<(), Failure> {
    let mut connection = Connection::open(&target.bootstrap)?;
    let mut writer = connection.writer()?;
    let mut schedule = Schedule::new(Instant::now(), options.rate, 0, 1);
    let mut value = vec![7; options.record_bytes];
    thread::scope(|scope| {
        let answers = scope.spawn(move || -> Result<(), Failure> {
            while !phase.stopped() {
                check_produced(connection.receive()?)?;
            }
            Ok(())
        });
        let mut partition = 0;
        let mut send = |moment: u64| -> Result<(), Failure> {
            value[..MOMENT_SIZE_BYTES].copy_from_slice(&moment.to_be_bytes());
            let mut batch = BatchBuilder::new(BatchOptions::default());
            batch.append(now_ms(), None, Some(&value), &[]);
            let frame = produce_frame(&target.topic, partition, &batch.finish(), options.acks)?;
            partition = (partition + 1) % target.partitions;
            Ok(writer.write_all(&frame)?)
        };
        while !phase.stopped() && !answers.is_finished() {
            let due = schedule.wait();
            let moment = (due - start).as_nanos();
            send(u64::try_from(moment).expect("a run is shorter than centuries"))?;
        }
        if !answers.is_finished() {
            // Its answer lets the other thread see that the end has come.
            send(0)?;
        }
        answers
            .join()
            .expect("the thread of the answers does not panic")
    })
}

/// Long polls all partitions from their ends on.
fn consume(target: &Target, start: Instant, phase: &Phase) -> Result<Tally, Failure> {
    let mut connection = Connection::open(&target.bootstrap)?;
    let mut positions: Vec<(i32, i64)> = (0..).zip(topic::ends(&mut connection, target)?).collect();
    let asked = FetchOptions {
        max_wait_ms: WAIT_MS,
        max_bytes: FETCH_SIZE_BYTES_MAX,
    };
    let mut tally = Tally::default();
    while !phase.stopped() {
        connection.send(&fetch_frame(&target.topic, &positions, asked)?)?;
        let response = answer::<FetchRequest<'_>>(connection.receive()?, FETCH_VERSION)?;
        check("Fetch", response.error_code)?;
        for partition in response
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
        {
            check("Fetch", partition.error_code)?;
            let index =
                usize::try_from(partition.partition_index).expect("an index is not negative");
            for batch in
                Batches::new(partition.records.as_deref().unwrap_or_default()).map_while(Result::ok)
            {
                positions[index].1 = batch.header().next_offset();
                if phase.measures() {
                    count(&mut tally, &batch, start)?;
                }
            }
        }
    }
    Ok(tally)
}

fn count(
    tally: &mut Tally,
    batch: &engine_record::BatchView<'_>,
    start: Instant,
) -> Result<(), Failure> {
    for record in batch.records() {
        let record = record.map_err(|error| Failure::Protocol(format!("{error:?}")))?;
        let value = record.value.unwrap_or_default();
        let Some(moment) = value.first_chunk::<MOMENT_SIZE_BYTES>() else {
            return Err(Failure::Protocol(
                "a record that we did not write".to_owned(),
            ));
        };
        tally.count(
            start + Duration::from_nanos(u64::from_be_bytes(*moment)),
            value.len(),
        );
    }
    Ok(())
}
