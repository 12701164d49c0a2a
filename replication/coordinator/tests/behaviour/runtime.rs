use engine_base::Instant;
use engine_record::{BatchView, Compression, Decompressor};
use replication_coordinator::limits::{APPENDS_IN_FLIGHT_MAX, BATCH_RECORDS_MAX};
use replication_coordinator::{
    Append, AppendError, AppendId, CoordinatorShard, Effects, Failure, Lifecycle, LoadError,
    LoadedBatch, LoadedRecord, Moment, RuntimeConfig, Token,
};

use crate::machine::{Ask, Numbers, Told};

type Shard = CoordinatorShard<Numbers>;

fn at(ms: u64) -> Moment {
    Moment {
        now: Instant(ms * 1_000_000),
        timestamp: i64::try_from(ms).unwrap(),
    }
}

fn loading() -> Shard {
    CoordinatorShard::new(Numbers::default(), RuntimeConfig::default())
}

fn active() -> Shard {
    let mut shard = loading();
    let effects = shard.finish_load(at(0), 100, 100);
    assert_eq!(effects.deadline, None);
    shard
}

fn ask(shard: &mut Shard, token: u64, request: Ask) -> Effects<Numbers> {
    shard.handle(at(0), Token(token), request)
}

fn told(effects: &Effects<Numbers>) -> Vec<(u64, Told)> {
    let answers = effects.answers.iter();
    answers
        .map(|(token, answer)| (token.0, answer.clone()))
        .collect()
}

#[test]
fn answers_wait_for_their_append_and_leave_in_order() {
    let mut shard = active();
    let first = ask(&mut shard, 1, Ask::Set(7, 1));
    let second = ask(&mut shard, 2, Ask::Set(7, 2));
    let reading = ask(&mut shard, 3, Ask::ReadLatest(7));
    assert_eq!(
        (told(&first), told(&second), told(&reading)),
        (vec![], vec![], vec![])
    );
    let offsets: Vec<i64> = [&first, &second]
        .map(|effects| effects.appends[0].base_offset)
        .to_vec();
    assert_eq!(offsets, [100, 101]);
    assert_eq!(
        told(&ask(&mut shard, 4, Ask::Read(7))),
        [(4, Told::Number(None))]
    );

    let effects = shard.on_committed(at(1), first.appends[0].id);
    assert_eq!(told(&effects), [(1, Told::Done)]);
    assert_eq!(
        told(&ask(&mut shard, 5, Ask::Read(7))),
        [(5, Told::Number(Some(1)))]
    );
    let effects = shard.on_high_watermark(at(1), 102);
    assert_eq!(
        told(&effects),
        [(2, Told::Done), (3, Told::Number(Some(2)))]
    );
    assert_eq!(effects.deadline, None);
}

#[test]
fn a_read_of_the_latest_answers_at_once_when_nothing_is_in_flight() {
    let mut shard = active();
    assert_eq!(
        told(&ask(&mut shard, 1, Ask::ReadLatest(7))),
        [(1, Told::Number(None))]
    );
}

#[test]
fn the_high_watermark_within_a_batch_commits_nothing() {
    let mut shard = active();
    let effects = ask(&mut shard, 1, Ask::SetAll(3));
    assert_eq!(effects.appends[0].body.record_count(), 3);
    assert_eq!(told(&shard.on_high_watermark(at(0), 102)), []);
    assert_eq!(
        told(&shard.on_high_watermark(at(0), 103)),
        [(1, Told::Done)]
    );
}

#[test]
fn a_failed_append_takes_the_later_ones_with_it_and_their_offsets_are_used_again() {
    let mut shard = active();
    let kept = ask(&mut shard, 1, Ask::Set(7, 1));
    let failed = ask(&mut shard, 2, Ask::SetAndComplete(7, 2));
    let _ = ask(&mut shard, 3, Ask::SetAndComplete(8, 3));
    let error = AppendError::MessageTooLarge;
    let effects = shard.on_append_failed(at(0), failed.appends[0].id, error);
    let failure = Failure::Append(error);
    assert_eq!(
        told(&effects),
        [(3, Told::Failed(failure)), (2, Told::Failed(failure))]
    );
    assert_eq!(
        shard.machine().completed,
        [(8, Err(failure)), (7, Err(failure))],
        "taken back in reverse order"
    );
    assert_eq!(shard.machine().numbers.latest(&7), Some(&1));
    let again = ask(&mut shard, 4, Ask::Set(7, 4));
    assert_eq!(again.appends[0].base_offset, 101);
    assert!(
        again.appends[0].id > failed.appends[0].id,
        "ids are not used again"
    );
    let effects = shard.on_committed(at(0), again.appends[0].id);
    assert_eq!(told(&effects), [(1, Told::Done), (4, Told::Done)]);
    assert!(kept.appends[0].id < again.appends[0].id);
}

#[test]
fn a_completion_is_called_once_with_what_became_of_the_records() {
    let mut shard = active();
    let _ = ask(&mut shard, 1, Ask::SetAndComplete(7, 1));
    assert_eq!(shard.machine().completed, []);
    let effects = shard.on_high_watermark(at(0), 101);
    assert_eq!(told(&effects), [(1, Told::Done)]);
    assert_eq!(shard.machine().completed, [(7, Ok(()))]);
}

#[test]
fn who_waits_too_long_is_told_and_the_records_may_still_commit() {
    let mut shard = active();
    let effects = shard.handle(at(10), Token(1), Ask::SetAndComplete(7, 1));
    assert_eq!(effects.deadline, Some(at(5_010).now));
    let effects = shard.handle(at(20), Token(2), Ask::ReadLatest(7));
    assert_eq!(effects.deadline, Some(at(5_010).now));
    assert_eq!(told(&shard.on_timer(at(5_009))), []);
    let failure = Failure::Append(AppendError::RequestTimedOut);
    let effects = shard.on_timer(at(5_010));
    assert_eq!(told(&effects), [(1, Told::Failed(failure))]);
    assert_eq!(effects.deadline, Some(at(5_020).now));
    assert_eq!(shard.machine().completed, [(7, Err(failure))]);
    assert_eq!(
        told(&shard.on_timer(at(5_020))),
        [(2, Told::Failed(failure))]
    );
    assert_eq!(shard.machine().numbers.committed(&7), None);
    let effects = shard.on_high_watermark(at(6_000), 101);
    assert_eq!((told(&effects), effects.deadline), (vec![], None));
    assert_eq!(shard.machine().numbers.committed(&7), Some(&1));
}

#[test]
fn parked_tokens_are_answered_by_timers_or_at_the_end() {
    let mut shard = active();
    let _ = ask(&mut shard, 1, Ask::Park);
    let effects = ask(&mut shard, 2, Ask::AnswerParkedIn(50));
    assert_eq!(effects.deadline, Some(at(50).now));
    assert_eq!(told(&shard.on_timer(at(49))), []);
    assert_eq!(told(&shard.on_timer(at(50))), [(1, Told::Done)]);
    let _ = ask(&mut shard, 3, Ask::Park);
    let _ = ask(&mut shard, 4, Ask::Set(7, 1));
    let effects = shard.unload(at(60));
    let failed = Told::Failed(Failure::NotCoordinator);
    assert_eq!(told(&effects), [(4, failed.clone()), (3, failed.clone())]);
    assert_eq!(shard.lifecycle(), Lifecycle::Closed);
    assert_eq!(told(&ask(&mut shard, 5, Ask::Read(7))), [(5, failed)]);
}

#[test]
fn a_timer_of_no_time_fires_after_this_instant() {
    let mut shard = active();
    let _ = ask(&mut shard, 1, Ask::Park);
    let effects = ask(&mut shard, 2, Ask::AnswerParkedIn(0));
    assert_eq!(effects.deadline, Some(at(1).now));
    assert_eq!(told(&shard.on_timer(at(0))), []);
    assert_eq!(told(&shard.on_timer(at(1))), [(1, Told::Done)]);
}

#[test]
fn while_loading_only_what_is_wrong_in_itself_is_answered() {
    let mut shard = loading();
    assert_eq!(told(&ask(&mut shard, 1, Ask::Wrong)), [(1, Told::Wrong)]);
    let failed = Told::Failed(Failure::LoadInProgress);
    assert_eq!(told(&ask(&mut shard, 2, Ask::Read(1))), [(2, failed)]);
}

#[test]
fn a_log_that_was_replayed_gives_the_same_numbers() {
    let mut shard = active();
    let mut log: Vec<Append> = Vec::new();
    for (name, number) in [(1, 1), (2, 2), (1, 3)] {
        log.extend(ask(&mut shard, u64::from(number), Ask::Set(name, number)).appends);
    }
    let mut successor = loading();
    let mut decompressor = Decompressor::default();
    for append in &log {
        let bytes = append.to_batch(Compression::Zstd);
        let batch = BatchView::read(&bytes).unwrap();
        successor
            .load_batch(&batch, &mut decompressor, 102, &mut Vec::new())
            .unwrap();
    }
    // The last one stands above the high watermark.
    let effects = successor.finish_load(at(0), 103, 102);
    assert_eq!(effects.appends, []);
    assert_eq!(
        told(&ask(&mut successor, 1, Ask::Read(1))),
        [(1, Told::Number(Some(1)))]
    );
    assert_eq!(told(&ask(&mut successor, 2, Ask::ReadLatest(1))), []);
    let effects = successor.on_high_watermark(at(0), 103);
    assert_eq!(told(&effects), [(2, Told::Number(Some(3)))]);
    assert_eq!(
        told(&ask(&mut successor, 3, Ask::Read(2))),
        [(3, Told::Number(Some(2)))]
    );
    let next = ask(&mut successor, 4, Ask::Set(1, 1));
    assert_eq!(next.appends[0].base_offset, 103);
}

#[test]
fn the_high_watermark_may_rise_while_loading() {
    let mut shard = loading();
    for (offset, high_watermark) in [(0, 0), (1, 2), (2, 2)] {
        let number = [u8::try_from(offset).unwrap()];
        let records = [LoadedRecord {
            offset,
            key: Some(&[5]),
            value: Some(&number),
        }];
        let batch = LoadedBatch::Records {
            next_offset: offset + 1,
            producer_id: None,
            records: &records,
        };
        shard.load(batch, high_watermark, &mut Vec::new()).unwrap();
    }
    assert_eq!(shard.appends_in_flight(), 1);
    assert_eq!(shard.machine().numbers.committed(&5), Some(&1));
    let effects = shard.finish_load(at(0), 3, 3);
    assert_eq!(effects.deadline, None);
    assert_eq!(shard.machine().numbers.committed(&5), Some(&2));
}

#[test]
fn bytes_that_are_no_record_stop_the_load() {
    let mut shard = loading();
    let records = [LoadedRecord {
        offset: 4,
        key: Some(&[]),
        value: None,
    }];
    let batch = LoadedBatch::Records {
        next_offset: 5,
        producer_id: None,
        records: &records,
    };
    let error = shard.load(batch, 5, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error,
        LoadError::Record {
            offset: 4,
            reason: ()
        }
    );
}

#[test]
fn an_append_at_another_offset_is_out_of_sync() {
    let mut shard = active();
    let effects = ask(&mut shard, 1, Ask::Set(7, 1));
    let id = effects.appends[0].id;
    assert_eq!(shard.on_appended(id, 100), Ok(()));
    let error = shard.on_appended(id, 105).unwrap_err();
    assert_eq!(
        (error.append, error.expected_offset, error.actual_offset),
        (id, 100, 105)
    );
    assert_eq!(
        shard.on_appended(AppendId(999), 0),
        Ok(()),
        "it is gone already"
    );
}

#[test]
fn records_that_need_not_be_atomic_are_cut_into_batches() {
    let mut shard = active();
    let effects = ask(&mut shard, 1, Ask::SetAll(BATCH_RECORDS_MAX * 2 + 1));
    let sizes: Vec<usize> = effects
        .appends
        .iter()
        .map(|append| append.body.record_count())
        .collect();
    assert_eq!(sizes, [BATCH_RECORDS_MAX, BATCH_RECORDS_MAX, 1]);
    let last = effects.appends[2].id;
    assert_eq!(told(&shard.on_committed(at(0), effects.appends[1].id)), []);
    assert_eq!(told(&shard.on_committed(at(0), last)), [(1, Told::Done)]);
}

#[test]
fn a_log_that_commits_nothing_is_not_given_ever_more() {
    let mut shard = active();
    for token in 0..APPENDS_IN_FLIGHT_MAX {
        let effects = ask(&mut shard, token as u64, Ask::Set(1, 1));
        assert_eq!(told(&effects), []);
    }
    let overloaded = Told::Failed(Failure::Overloaded);
    assert_eq!(
        told(&ask(&mut shard, 99_999, Ask::Set(1, 1))),
        [(99_999, overloaded)]
    );
    let effects = shard.on_high_watermark(at(0), 101);
    assert_eq!(told(&effects), [(0, Told::Done)]);
    assert_eq!(told(&ask(&mut shard, 99_998, Ask::Set(1, 1))), []);
}
