//! When offsets end (KIP-211), and empty groups with them.

use std::time::Duration;

use replication_coordinator::TransactionResult;
use replication_group::{Answer, GroupConfig, GroupError, Request};

use crate::asking::{subscription, topic};
use crate::support::{Bench, TOPIC};

const MINUTE_MS: u64 = 60_000;

/// An hour of retention, looked at every ten minutes.
fn bench() -> Bench {
    Bench::with_config(GroupConfig {
        offsets_retention: Duration::from_secs(3_600),
        max_session_timeout_ms: i32::MAX,
        ..GroupConfig::default()
    })
}

fn patient(bench: &mut Bench, topics: &[&str]) -> (String, i32) {
    let mut request = bench.join_request("");
    request.requires_known_member_id = false;
    request.session_timeout_ms = i32::MAX;
    request.protocols[0].metadata = subscription(topics).into();
    let token = bench.join(request);
    bench.advance(3_000);
    let answer = bench.join_answer(token);
    bench.sync(&answer.member_id, 1, &[(&answer.member_id, "a")]);
    (answer.member_id.to_string(), answer.generation_id)
}

#[test]
fn offsets_of_a_simple_group_end_with_their_commit_and_the_group_with_the_last() {
    let mut bench = bench();
    bench.commit_offset("", -1, 1);
    bench.advance(30 * MINUTE_MS);
    let mut request = Bench::commit_request("", -1, 2);
    request.topics = vec![topic("later", 0, 2)];
    bench.ask(Request::OffsetCommit(request));
    bench.advance(29 * MINUTE_MS);
    assert_eq!(bench.fetch(), 1);
    bench.advance(MINUTE_MS);
    assert_eq!(bench.fetch(), -1);
    assert_eq!(bench.state(), "Empty", "the later offset is still there");
    bench.advance(30 * MINUTE_MS);
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
    let mut successor = bench.fail_over();
    assert_eq!(
        successor.describe().error,
        Some(GroupError::GroupIdNotFound)
    );
}

#[test]
fn offsets_of_a_group_with_members_end_for_topics_that_nobody_reads() {
    let mut bench = bench();
    let (member, generation) = patient(&mut bench, &[TOPIC]);
    let mut request = Bench::commit_request(&member, generation, 5);
    request.topics.push(topic("left", 0, 6));
    let token = bench.ask(Request::OffsetCommit(request));
    assert_eq!(bench.commit_error(token), None);
    bench.advance(3 * 60 * MINUTE_MS);
    assert_eq!(bench.fetch(), 5);
    let tombstones = bench.notices.iter().filter(|notice| {
        matches!(
            notice,
            replication_group::Notice::Expired { tombstone_count: 1 }
        )
    });
    assert_eq!(tombstones.count(), 1);
}

#[test]
fn offsets_of_an_empty_group_end_an_hour_after_its_last_member_left() {
    let mut bench = bench();
    let (member, generation) = patient(&mut bench, &[TOPIC]);
    assert_eq!(bench.commit_offset(&member, generation, 5), None);
    bench.advance(120 * MINUTE_MS);
    bench.leave(&[(&member, None)]);
    bench.advance(59 * MINUTE_MS);
    assert_eq!(bench.fetch(), 5);
    bench.advance(11 * MINUTE_MS);
    assert_eq!(bench.fetch(), -1);
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
}

#[test]
fn an_own_retention_counts_from_the_commit_whatever_the_group_does() {
    let mut bench = bench();
    let mut request = Bench::commit_request("", -1, 5);
    request.retention_time_ms = Some(15 * i64::try_from(MINUTE_MS).unwrap());
    bench.ask(Request::OffsetCommit(request));
    let mut bench = bench.fail_over();
    bench.advance(11 * MINUTE_MS);
    assert_eq!(bench.fetch(), 5);
    bench.advance(10 * MINUTE_MS);
    assert_eq!(bench.fetch(), -1);
}

#[test]
fn an_offset_that_an_open_transaction_holds_does_not_end() {
    let mut bench = bench();
    bench.commit_offset("", -1, 1);
    assert_eq!(bench.commit_in_transaction(1, "", -1, 2), None);
    bench.advance(180 * MINUTE_MS);
    assert_eq!(bench.fetch(), 1);
    bench.end_transaction(1, TransactionResult::Abort);
    bench.advance(20 * MINUTE_MS);
    assert_eq!(bench.fetch(), -1);
}

#[test]
fn a_group_that_joined_and_has_no_offsets_ends_when_it_is_empty() {
    let mut bench = bench();
    let (member, _) = patient(&mut bench, &[TOPIC]);
    bench.advance(60 * MINUTE_MS);
    assert_eq!(bench.state(), "Stable");
    bench.leave(&[(&member, None)]);
    bench.advance(10 * MINUTE_MS);
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
}

#[test]
fn deleting_a_group_deletes_its_offsets() {
    let mut bench = bench();
    let (member, generation) = patient(&mut bench, &[TOPIC]);
    bench.commit_offset(&member, generation, 5);
    bench.commit_in_transaction(1, &member, generation, 6);
    let delete = |bench: &mut Bench| {
        let token = bench.ask(Request::DeleteGroups(vec![
            "g".to_owned(),
            "ghost".to_owned(),
        ]));
        match bench.answered(token) {
            Some(Answer::DeleteGroups(groups)) => (groups[0].error, groups[1].error),
            other => panic!("{other:?}"),
        }
    };
    let not_found = Some(GroupError::GroupIdNotFound);
    assert_eq!(
        delete(&mut bench),
        (Some(GroupError::NonEmptyGroup), not_found)
    );
    bench.leave(&[(&member, None)]);
    assert_eq!(delete(&mut bench), (None, not_found));
    assert_eq!(bench.describe().error, not_found);
    bench.end_transaction(1, TransactionResult::Commit);
    assert_eq!(bench.fetch(), -1, "the pending offset went with the group");
    let mut successor = bench.fail_over();
    assert_eq!(successor.fetch(), -1);
    assert_eq!(successor.describe().error, not_found);
}
