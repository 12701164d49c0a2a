//! Against Apache Kafka's own log, step by step: `testdata/producers.txt`, made by
//! `tools/compat/record/run producers` (Kafka 4.4.0). Each line is a step, Kafka's answer and the
//! first unstable offset afterwards.

use engine_base::HashMap;
use engine_record::{BatchInfo, Compression, EndTxnMarker, Origin, TimestampType, TxnOutcome};

use super::{ProducerError, ProducerState, VerificationGuard};

fn name(error: ProducerError) -> &'static str {
    match error {
        ProducerError::OutOfOrderSequence => "OUT_OF_ORDER_SEQUENCE_NUMBER",
        ProducerError::InvalidProducerEpoch => "INVALID_PRODUCER_EPOCH",
        ProducerError::InvalidTxnState => "INVALID_TXN_STATE",
        ProducerError::TransactionCoordinatorFenced => "TRANSACTION_COORDINATOR_FENCED",
    }
}

fn info(producer_id: i64, epoch: i64, sequence: i64, count: i64, transactional: bool) -> BatchInfo {
    let count = i32::try_from(count).unwrap();
    let base_sequence = i32::try_from(sequence).unwrap();
    BatchInfo {
        size_bytes: 100,
        record_count: count,
        last_offset_delta: count - 1,
        timestamp_type: TimestampType::CreateTime,
        max_timestamp: 1_700_000_000_000,
        max_timestamp_offset_delta: Some(0),
        producer_id,
        producer_epoch: i16::try_from(epoch).unwrap(),
        base_sequence,
        last_sequence: base_sequence + count - 1,
        is_transactional: transactional,
        is_control: false,
        compression: Compression::None,
    }
}

#[derive(Default)]
struct Log {
    state: ProducerState,
    end_offset: i64,
    guards: HashMap<i64, Option<VerificationGuard>>,
}

impl Log {
    /// The answer in Kafka's words.
    fn step(&mut self, kind: &str, numbers: &[i64]) -> String {
        match (kind, numbers) {
            ("batch", &[id, epoch, sequence, count, transactional]) => {
                let info = info(id, epoch, sequence, count, transactional == 1);
                let guard = self.guards.get(&id).copied().flatten();
                match self.state.check_from(&info, Origin::Client, guard) {
                    Ok(Some(found)) => format!("duplicate {}", found.base_offset),
                    Ok(None) => {
                        self.state.update(&info, self.end_offset);
                        self.advance(count)
                    }
                    Err(error) => name(error).to_owned(),
                }
            }
            ("marker", &[id, epoch, commit, coordinator, version]) => {
                let epoch = i16::try_from(epoch).unwrap();
                let marker = EndTxnMarker {
                    outcome: if commit == 1 {
                        TxnOutcome::Commit
                    } else {
                        TxnOutcome::Abort
                    },
                    coordinator_epoch: i32::try_from(coordinator).unwrap(),
                };
                let version = i16::try_from(version).unwrap();
                match self.state.check_marker(id, epoch, marker, version) {
                    Ok(()) => {
                        self.state
                            .update_marker(id, epoch, marker, self.end_offset, 0);
                        self.advance(1)
                    }
                    Err(error) => name(error).to_owned(),
                }
            }
            ("verify", &[id, epoch, sequence, bump]) => {
                let info = info(id, epoch, sequence, 1, true);
                let guard = self.state.begin_verification(&info, bump == 1, 0);
                self.guards.insert(id, guard);
                if guard.is_some() { "guard" } else { "none" }.to_owned()
            }
            ("watermark", &[high_watermark]) => {
                self.state.on_high_watermark(high_watermark);
                "ok".to_owned()
            }
            _ => panic!("unknown step {kind} {numbers:?}"),
        }
    }

    fn advance(&mut self, count: i64) -> String {
        let base_offset = self.end_offset;
        self.end_offset += count;
        format!("ok {base_offset}")
    }
}

#[test]
fn every_step_is_answered_as_kafka_answers_it() {
    let mut log = Log::default();
    let mut steps = 0;
    for line in include_str!("../../testdata/producers.txt").lines() {
        if let Some(verifies) = line.strip_prefix("run ") {
            log = Log::default();
            log.state.set_verifies_transactions(verifies == "1");
            continue;
        }
        let (step, unstable) = line.split_once(" unstable ").unwrap();
        let (kind, rest) = step.split_once(' ').unwrap();
        let count = match kind {
            "batch" | "marker" => 5,
            "verify" => 4,
            _ => 1,
        };
        let words: Vec<&str> = rest.split(' ').collect();
        let numbers: Vec<i64> = words[..count]
            .iter()
            .map(|word| word.parse().unwrap())
            .collect();
        let answer = log.step(kind, &numbers);
        assert_eq!(answer, words[count..].join(" "), "step {steps}: {line}");
        let ours = log.state.first_unstable_offset().unwrap_or(-1);
        assert_eq!(ours.to_string(), unstable, "step {steps}: {line}");
        steps += 1;
    }
    assert_eq!(steps, 1200);
}
