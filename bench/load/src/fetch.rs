//! Fetch of what was written just before: each connection reads its partition in a circle.

use std::time::Instant;

use engine_record::Batches;
use net_wire::message::fetch::FetchRequest;

use crate::args::{Fetch, Target};
use crate::batch::{
    FETCH_VERSION, FetchOptions, build, check_produced, fetch_frame, produce_frame, record_count,
};
use crate::connection::{Connection, answer};
use crate::failure::{Failure, check};
use crate::report::Report;
use crate::run::{Phase, Tally, run};
use crate::topic;

const WAIT_MS: i32 = 500;

/// Runs the experiment.
pub(crate) fn measure(target: &Target, options: &Fetch) -> Result<Report, Failure> {
    topic::prepare(target)?;
    preload(target, options)?;
    let (tally, cost) = run(target, target.connections, |index, phase| {
        read(target, options, index, phase)
    })?;
    let records_per_byte = record_count(options.shape) as f64 / build(options.shape).len() as f64;
    let mut report = Report::default();
    report.put_work(
        &cost,
        tally.requests,
        (tally.bytes as f64 * records_per_byte) as u64,
        tally.bytes,
    );
    report.put_latency(&tally.latency);
    Ok(report)
}

/// Fills every partition up to the size asked for; a second run on the same topic finds it full.
fn preload(target: &Target, options: &Fetch) -> Result<(), Failure> {
    let mut connection = Connection::open(&target.bootstrap)?;
    let batch = build(options.shape);
    let batches = ((options.preload_mib << 20) / batch.len()).max(1);
    let full = i64::try_from(batches * record_count(options.shape)).unwrap_or(i64::MAX);
    for (partition, end) in (0..target.partitions).zip(topic::ends(&mut connection, target)?) {
        if end >= full {
            continue;
        }
        let frame = produce_frame(&target.topic, partition, &batch, -1)?;
        for _ in 0..batches {
            connection.send(&frame)?;
            check_produced(connection.receive()?)?;
        }
    }
    Ok(())
}

fn read(target: &Target, options: &Fetch, index: usize, phase: &Phase) -> Result<Tally, Failure> {
    let mut connection = Connection::open(&target.bootstrap)?;
    let mut tally = Tally::default();
    let partition = i32::try_from(index).expect("connections are few") % target.partitions;
    let asked = FetchOptions {
        max_wait_ms: WAIT_MS,
        max_bytes: options.fetch_bytes,
    };
    let end = topic::ends(&mut connection, target)?[usize::try_from(partition).unwrap_or(0)];
    let mut offset = 0;
    while !phase.stopped() {
        let frame = fetch_frame(&target.topic, &[(partition, offset)], asked)?;
        let began = Instant::now();
        connection.send(&frame)?;
        let (next, bytes) = advance(connection.receive()?, offset)?;
        if phase.measures() {
            tally.count(began, bytes);
        }
        offset = if next >= end { 0 } else { next };
    }
    Ok(tally)
}

/// The offset behind the batches of an answer, and how many bytes of records it has.
fn advance(frame: &[u8], offset: i64) -> Result<(i64, usize), Failure> {
    let response = answer::<FetchRequest<'_>>(frame, FETCH_VERSION)?;
    check("Fetch", response.error_code)?;
    let (mut next, mut bytes) = (offset, 0);
    for partition in response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
    {
        check("Fetch", partition.error_code)?;
        let records = partition.records.as_deref().unwrap_or_default();
        bytes += records.len();
        // A last batch that is cut off is fetched again.
        for batch in Batches::new(records).map_while(Result::ok) {
            next = batch.header().next_offset();
        }
    }
    if next == offset {
        return Err(Failure::Protocol(format!(
            "a fetch at offset {offset} brought no whole batch"
        )));
    }
    Ok((next, bytes))
}
