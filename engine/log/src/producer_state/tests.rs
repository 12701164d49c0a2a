use super::*;
use crate::recent_batches::PRODUCER_BATCHES_MAX;
use engine_record::{BatchBuilder, BatchOptions, Compression, TimestampType};
use proptest::prelude::*;

/// A batch of `count` records as it passed the door.
fn batch(producer_id: i64, epoch: i16, base_sequence: i32, count: i32) -> BatchInfo {
    BatchInfo {
        size_bytes: 100,
        record_count: count,
        last_offset_delta: count - 1,
        timestamp_type: TimestampType::CreateTime,
        max_timestamp: 1000,
        max_timestamp_offset_delta: Some(0),
        producer_id,
        producer_epoch: epoch,
        base_sequence,
        last_sequence: engine_record::header::increment_sequence(base_sequence, count - 1),
        is_transactional: false,
        is_control: false,
        compression: Compression::None,
    }
}

fn in_txn(batch: BatchInfo) -> BatchInfo {
    BatchInfo {
        is_transactional: true,
        ..batch
    }
}

fn marker(outcome: TxnOutcome, coordinator_epoch: i32) -> EndTxnMarker {
    EndTxnMarker {
        outcome,
        coordinator_epoch,
    }
}

const COMMIT: EndTxnMarker = EndTxnMarker {
    outcome: TxnOutcome::Commit,
    coordinator_epoch: 0,
};

fn offset_of(found: Result<Option<BatchMetadata>, ProducerError>) -> Option<i64> {
    found.unwrap().map(|batch| batch.base_offset)
}

#[test]
fn five_batches_are_recognised_and_the_sixth_is_out_of_order() {
    let mut state = ProducerState::default();
    for index in 0..7i32 {
        let info = batch(1, 0, index * 10, 10);
        assert_eq!(offset_of(state.check(&info)), None);
        state.update(&info, 1000 + i64::from(index) * 10);
    }
    for index in 2..7i32 {
        let found = offset_of(state.check(&batch(1, 0, index * 10, 10)));
        assert_eq!(found, Some(1000 + i64::from(index) * 10));
    }
    assert_eq!(
        state.check(&batch(1, 0, 10, 10)),
        Err(ProducerError::OutOfOrderSequence)
    );
    // The same first number with another last one is not the same batch.
    assert_eq!(
        state.check(&batch(1, 0, 60, 9)),
        Err(ProducerError::OutOfOrderSequence)
    );
}

#[test]
fn sequences_must_follow_and_wrap_to_zero() {
    let mut state = ProducerState::default();
    state.update(&batch(1, 0, i32::MAX - 4, 5), 0);
    assert_eq!(state.check(&batch(1, 0, 0, 1)), Ok(None));
    assert_eq!(
        state.check(&batch(1, 0, 1, 1)),
        Err(ProducerError::OutOfOrderSequence)
    );
    // A batch may straddle the wrap: its numbers are 2^31-2, 2^31-1, 0, 1.
    let mut state = ProducerState::default();
    let straddling = batch(1, 0, i32::MAX - 1, 4);
    assert_eq!(straddling.last_sequence, 1);
    state.update(&straddling, 50);
    assert_eq!(offset_of(state.check(&straddling)), Some(50));
    assert_eq!(state.check(&batch(1, 0, 2, 1)), Ok(None));
}

#[test]
fn epochs_fence_and_begin_at_zero() {
    let mut state = ProducerState::default();
    state.update(&batch(1, 5, 3, 1), 0);
    assert_eq!(
        state.check(&batch(1, 4, 4, 1)),
        Err(ProducerError::InvalidProducerEpoch)
    );
    assert_eq!(
        state.check(&batch(1, 6, 4, 1)),
        Err(ProducerError::OutOfOrderSequence)
    );
    assert_eq!(state.check(&batch(1, 6, 0, 1)), Ok(None));
    state.update(&batch(1, 6, 0, 1), 1);
    // The old epoch's batches are forgotten with it.
    assert_eq!(state.entry(1).unwrap().batches.as_slice().len(), 1);
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut state = ProducerState::default();
    assert_eq!(state.check(&batch(1, 0, 1234, 1)), Ok(None));
    state.update(&batch(1, 0, 1234, 1), 0);
    assert_eq!(state.expire(1000 + 499, 500), 0);
    assert_eq!(state.expire(1000 + 500, 500), 1);
    assert_eq!(state.check(&batch(1, 0, 77, 1)), Ok(None));
}

#[test]
fn open_transactions_do_not_expire_and_are_not_evicted() {
    let mut state = ProducerState::with_max(8);
    state.update(&in_txn(batch(1, 0, 0, 1)), 0);
    for id in 2..40 {
        state.update(&batch(id, 0, 0, 1), id);
        assert!(state.len() <= 8);
    }
    assert!(state.entry(1).is_some());
    assert!(state.entry(39).is_some());
    assert!(state.entry(2).is_none());
    assert_eq!(state.expire(i64::MAX, 1), 7);
    assert!(state.entry(1).is_some());
}

#[test]
fn the_least_recent_writer_is_evicted_first() {
    let mut state = ProducerState::with_max(4);
    for (offset, id) in (0..).zip([1, 2, 3, 4]) {
        state.update(&batch(id, 0, 0, 1), offset);
    }
    state.update(&batch(1, 0, 1, 1), 10); // 2 is the least recent now
    state.update(&batch(5, 0, 0, 1), 11);
    assert!(state.entry(2).is_none());
    assert!([1, 3, 4, 5].iter().all(|&id| state.entry(id).is_some()));
}

#[test]
fn the_last_stable_offset_waits_for_markers_below_the_high_watermark() {
    let mut state = ProducerState::default();
    state.update(&in_txn(batch(1, 0, 0, 10)), 100);
    state.update(&in_txn(batch(2, 0, 0, 10)), 110);
    assert_eq!(state.first_unstable_offset(), Some(100));
    let done = state
        .update_marker(1, 0, marker(TxnOutcome::Abort, 3), 120, 1000)
        .unwrap();
    assert_eq!(
        done,
        CompletedTxn {
            producer_id: 1,
            first_offset: 100,
            last_offset: 120,
            is_aborted: true,
            last_stable_offset: 110,
        }
    );
    state.on_high_watermark(120);
    assert_eq!(state.first_unstable_offset(), Some(100)); // the marker itself is not safe yet
    state.on_high_watermark(121);
    assert_eq!(state.first_unstable_offset(), Some(110));
    let done = state.update_marker(2, 0, COMMIT, 121, 1000).unwrap();
    assert_eq!((done.is_aborted, done.last_stable_offset), (false, 122));
    assert_eq!(state.first_undecided_offset(), None);
    assert_eq!(state.first_unstable_offset(), Some(110));
    state.on_high_watermark(122);
    assert_eq!(state.first_unstable_offset(), None);
}

#[test]
fn a_marker_without_records_completes_nothing() {
    let mut state = ProducerState::default();
    assert_eq!(state.update_marker(9, 3, COMMIT, 5, 1000), None);
    assert_eq!(state.entry(9).unwrap().epoch, 3);
    assert_eq!(state.first_unstable_offset(), None);
}

#[test]
fn markers_are_judged_by_epoch_and_coordinator() {
    let mut state = ProducerState::default();
    state.update(&in_txn(batch(1, 5, 0, 1)), 0);
    let check = |state: &ProducerState, epoch, coordinator, version| {
        state.check_marker(1, epoch, marker(TxnOutcome::Commit, coordinator), version)
    };
    assert_eq!(
        check(&state, 4, 0, 1),
        Err(ProducerError::InvalidProducerEpoch)
    );
    assert_eq!(check(&state, 5, 0, 1), Ok(()));
    assert_eq!(
        check(&state, 5, 0, 2),
        Err(ProducerError::InvalidProducerEpoch)
    );
    assert_eq!(check(&state, 6, 0, 2), Ok(()));
    state.update_marker(1, 6, marker(TxnOutcome::Commit, 7), 1, 1000);
    assert_eq!(check(&state, 6, 7, 2), Ok(())); // sent again
    assert_eq!(
        check(&state, 7, 6, 2),
        Err(ProducerError::TransactionCoordinatorFenced)
    );
}

#[test]
fn plain_batches_do_not_mix_with_an_open_transaction() {
    let mut state = ProducerState::default();
    state.update(&in_txn(batch(1, 0, 0, 1)), 0);
    assert_eq!(
        state.check(&batch(1, 0, 1, 1)),
        Err(ProducerError::InvalidTxnState)
    );
    assert_eq!(state.check(&in_txn(batch(1, 0, 1, 1))), Ok(None));
}

#[test]
fn offset_commits_of_a_coordinator_have_no_sequence() {
    let mut state = ProducerState::default();
    let commit = in_txn(BatchInfo {
        last_sequence: -1,
        ..batch(1, 0, -1, 2)
    });
    for offset in [0, 2] {
        assert_eq!(
            state.check_from(&commit, Origin::Coordinator, None),
            Ok(None)
        );
        state.update(&commit, offset);
    }
    let old = BatchInfo {
        producer_epoch: -1,
        ..commit
    };
    let refused = state.check_from(&old, Origin::Coordinator, None);
    assert_eq!(refused, Err(ProducerError::InvalidProducerEpoch));
}

#[test]
fn a_transaction_begins_only_with_the_guard_of_its_own_verification() {
    let mut state = ProducerState::default();
    state.set_verifies_transactions(true);
    let first = in_txn(batch(1, 0, 0, 1));
    let check = |state: &ProducerState, guard| state.check_from(&first, Origin::Client, guard);
    assert_eq!(check(&state, None), Err(ProducerError::InvalidTxnState));
    let stale = state.begin_verification(&first, false, 0);
    // An abort marker comes before the coordinator's word: the attempt is void.
    state.update_marker(1, 0, marker(TxnOutcome::Abort, 0), 0, 1000);
    assert_eq!(check(&state, stale), Err(ProducerError::InvalidTxnState));
    let guard = state.begin_verification(&first, false, 0);
    assert_ne!(guard, stale);
    assert_eq!(check(&state, guard), Ok(None));
    state.update(&first, 1);
    // From here on the open transaction itself is the proof.
    assert_eq!(
        state.begin_verification(&in_txn(batch(1, 0, 1, 1)), false, 0),
        None
    );
    assert_eq!(state.check(&in_txn(batch(1, 0, 1, 1))), Ok(None));
}

#[test]
fn a_batch_that_overtakes_an_earlier_one_under_verification_is_out_of_order() {
    let mut state = ProducerState::default();
    let (early, late) = (in_txn(batch(1, 0, 5, 1)), in_txn(batch(1, 0, 6, 1)));
    let guard = state.begin_verification(&late, false, 0);
    assert_eq!(state.begin_verification(&early, false, 0), guard);
    let check = |info| state.check_from(info, Origin::Client, guard);
    assert_eq!(check(&late), Err(ProducerError::OutOfOrderSequence));
    assert_eq!(check(&early), Ok(None));
    // With the epoch bump, a producer that is not known here must begin at zero.
    let mut state = ProducerState::default();
    state.begin_verification(&early, true, 0);
    assert_eq!(state.check(&early), Err(ProducerError::OutOfOrderSequence));
}

#[test]
fn a_cut_that_takes_nothing_of_a_producer_needs_no_rebuild() {
    let mut state = ProducerState::default();
    state.update(&batch(1, 0, 0, 5), 10);
    assert!(!state.must_be_rebuilt_at(15));
    assert!(state.must_be_rebuilt_at(14));
}

/// The naive model keeps every batch for ever and looks at the last five.
#[derive(Default)]
struct Model {
    batches: Vec<(i64, BatchInfo)>,
}

impl Model {
    fn check(&self, info: &BatchInfo) -> Result<Option<i64>, ProducerError> {
        let mine: Vec<_> = self
            .batches
            .iter()
            .filter(|(_, old)| old.producer_id == info.producer_id)
            .collect();
        let Some((_, last)) = mine.last() else {
            return Ok(None);
        };
        if info.producer_epoch < last.producer_epoch {
            return Err(ProducerError::InvalidProducerEpoch);
        }
        if info.producer_epoch > last.producer_epoch {
            let zero = info.base_sequence == 0;
            return if zero {
                Ok(None)
            } else {
                Err(ProducerError::OutOfOrderSequence)
            };
        }
        let same_epoch = mine
            .iter()
            .rev()
            .take_while(|(_, old)| old.producer_epoch == info.producer_epoch);
        let duplicate = same_epoch
            .take(PRODUCER_BATCHES_MAX)
            .filter(|(_, old)| {
                (old.base_sequence, old.last_sequence) == (info.base_sequence, info.last_sequence)
            })
            .last();
        if let Some((offset, _)) = duplicate {
            return Ok(Some(*offset));
        }
        let next = (i64::from(last.last_sequence) + 1) % (1 << 31);
        if i64::from(info.base_sequence) == next {
            Ok(None)
        } else {
            Err(ProducerError::OutOfOrderSequence)
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_model_that_remembers_everything(
        steps in proptest::collection::vec((0..3i64, 0..3i16, 0..12i32, 1..4i32, any::<bool>()), 1..60),
        start in prop::sample::select(vec![0, i32::MAX - 8]),
    ) {
        let (mut state, mut model, mut end) = (ProducerState::default(), Model::default(), 0);
        for (id, epoch, at, count, zero) in steps {
            let sequence = if zero { 0 } else {
                engine_record::header::increment_sequence(start, at)
            };
            let info = batch(id, epoch, sequence, count);
            let ours = state.check(&info).map(|found| found.map(|batch| batch.base_offset));
            prop_assert_eq!(ours, model.check(&info), "{:?}", info);
            if ours == Ok(None) {
                state.update(&info, end);
                model.batches.push((end, info));
                end += i64::from(count);
            }
        }
    }

    /// What a leader does step by step and what a follower replays must be the same state.
    #[test]
    fn replay_gives_the_state_of_the_leader(
        steps in proptest::collection::vec((0..3i64, 1..4i32, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let (mut leader, mut follower) = (ProducerState::default(), ProducerState::default());
        let mut sequences = [0i32; 3];
        let mut offset = 0;
        for (id, count, transactional, ends) in steps {
            let slot = usize::try_from(id).unwrap();
            let open = leader.has_ongoing_transaction(id, 0);
            let options = BatchOptions {
                base_offset: offset,
                producer_id: id,
                producer_epoch: 0,
                ..BatchOptions::default()
            };
            let (bytes, completed) = if ends {
                let completed = leader.update_marker(id, 0, COMMIT, offset, 1000);
                (COMMIT.batch(id, 0, options, 1000), completed)
            } else {
                let options = BatchOptions {
                    base_sequence: sequences[slot],
                    transactional: transactional || open,
                    ..options
                };
                let mut builder = BatchBuilder::new(options);
                for _ in 0..count {
                    builder.append(1000, None, Some(b"v"), &[]);
                }
                let info = BatchInfo {
                    is_transactional: options.transactional,
                    ..batch(id, 0, sequences[slot], count)
                };
                prop_assert_eq!(leader.check(&info), Ok(None));
                leader.update(&info, offset);
                sequences[slot] += count;
                (builder.finish(), None)
            };
            let batch = BatchView::read(&bytes).unwrap();
            prop_assert_eq!(follower.replay(&batch).unwrap(), completed);
            offset = batch.header().next_offset();
            prop_assert_eq!(leader.first_unstable_offset(), follower.first_unstable_offset());
            prop_assert_eq!(leader.entry(id), follower.entry(id));
        }
    }
}
