//! Long polls that nothing answers: what waiting costs the broker.

use std::thread::sleep;
use std::time::Duration;

use crate::args::{Park, Target};
use crate::batch::{FetchOptions, fetch_frame};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::report::Report;
use crate::run::{Tally, run};
use crate::topic;

const FETCH_SIZE_BYTES_MAX: i32 = 1 << 20;

/// Runs the experiment: the connections poll the ends of the partitions, and then nothing happens.
pub(crate) fn measure(target: &Target, options: &Park) -> Result<Report, Failure> {
    if f64::from(options.wait_ms) < (target.warm_up + target.seconds) * 1000.0 {
        return Err(Failure::Options(
            "--wait-ms ends before the measurement does",
        ));
    }
    topic::prepare(target)?;
    let asked = FetchOptions {
        max_wait_ms: options.wait_ms,
        max_bytes: FETCH_SIZE_BYTES_MAX,
    };
    let ends = topic::ends(&mut Connection::open(&target.bootstrap)?, target)?;
    let mut parked = Vec::with_capacity(target.connections);
    for index in 0..target.connections {
        let at = index % ends.len();
        let partition = i32::try_from(at).expect("partitions are few");
        let mut connection = Connection::open(&target.bootstrap)?;
        connection.send(&fetch_frame(
            &target.topic,
            &[(partition, ends[at])],
            asked,
        )?)?;
        parked.push(connection);
    }
    let (_, cost) = run(target, 1, |_, phase| {
        while !phase.stopped() {
            sleep(Duration::from_millis(100));
        }
        Ok(Tally::default())
    })?;
    let mut report = Report::default();
    report.put("parked_polls", parked.len() as f64);
    report.put_cost(&cost);
    if let Some(broker) = cost.broker {
        report.put(
            "broker_cpu_percent_of_a_core",
            100.0 * broker.cpu_seconds / cost.elapsed.as_secs_f64(),
        );
    }
    Ok(report)
}
