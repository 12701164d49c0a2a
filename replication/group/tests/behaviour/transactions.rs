//! Offsets of transactions: nobody sees them before the marker, and none is lost after it.

use replication_coordinator::{AppendError, TransactionResult};
use replication_group::{Answer, CompleteTransactionRequest, GroupError, Request};

use crate::support::Bench;

const UNSTABLE: Option<GroupError> = Some(GroupError::UnstableOffsetCommit);

#[test]
fn offsets_count_from_the_commit_marker_on() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    assert_eq!(bench.commit_in_transaction(7, "", -1, 2), None);
    assert_eq!(bench.fetch(), 1);
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (-1, UNSTABLE));
    bench.end_transaction(7, TransactionResult::Commit);
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (2, None));
}

#[test]
fn aborted_offsets_never_were() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    bench.commit_in_transaction(7, "", -1, 2);
    bench.end_transaction(7, TransactionResult::Abort);
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (1, None));
    bench.end_transaction(7, TransactionResult::Commit);
    assert_eq!(
        bench.fetch(),
        1,
        "the next transaction has committed nothing"
    );
}

#[test]
fn of_a_plain_and_a_transactional_commit_the_later_record_counts() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(7, "", -1, 2);
    bench.commit_offset("", -1, 3);
    bench.end_transaction(7, TransactionResult::Commit);
    assert_eq!(bench.fetch(), 3);
    assert_eq!(bench.fail_over().fetch(), 3);
}

#[test]
fn two_producers_hold_one_partition_until_both_have_ended() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(7, "", -1, 2);
    bench.commit_in_transaction(8, "", -1, 3);
    bench.end_transaction(8, TransactionResult::Commit);
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (-1, UNSTABLE));
    bench.end_transaction(7, TransactionResult::Commit);
    let token = bench.fetch_token(true);
    assert_eq!(
        bench.fetched(token),
        (3, None),
        "its record stands later than that of 7"
    );
}

#[test]
fn pending_offsets_survive_the_coordinator() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(7, "", -1, 2);
    let mut successor = bench.fail_over();
    let token = successor.fetch_token(true);
    assert_eq!(successor.fetched(token).0, -1);
    successor.end_transaction(7, TransactionResult::Commit);
    assert_eq!(successor.fetch(), 2);
    assert_eq!(successor.fail_over().fetch(), 2);
}

#[test]
fn a_lost_marker_leaves_the_transaction_open() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    bench.commit_in_transaction(7, "", -1, 2);
    bench.commits = false;
    let token = bench.ask(Request::CompleteTransaction(CompleteTransactionRequest {
        producer: replication_coordinator::Producer { id: 7, epoch: 0 },
        coordinator_epoch: 0,
        result: TransactionResult::Commit,
    }));
    assert_eq!(bench.answered(token), None);
    bench.fail_oldest(AppendError::TransactionCoordinatorFenced);
    assert_eq!(
        bench.answered(token),
        Some(&Answer::CompleteTransaction(Err(
            GroupError::TransactionCoordinatorFenced
        )))
    );
    bench.commits = true;
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (-1, UNSTABLE));
    bench.end_transaction(7, TransactionResult::Commit);
    assert_eq!(bench.fetch(), 2);
}

#[test]
fn a_lost_transactional_commit_holds_nothing() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    bench.commits = false;
    let (producer, offset) = (7, 2);
    let token = bench.ask(Request::TxnOffsetCommit(
        replication_group::TxnOffsetCommitRequest {
            group_id: "g".to_owned(),
            producer: replication_coordinator::Producer {
                id: producer,
                epoch: 0,
            },
            generation_id: -1,
            member_id: String::new(),
            group_instance_id: None,
            supports_group_id_not_found: true,
            topics: vec![crate::asking::topic("t", 0, offset)],
        },
    ));
    bench.fail_oldest(AppendError::InvalidProducerEpoch);
    assert_eq!(
        bench.commit_error(token),
        Some(GroupError::InvalidProducerEpoch)
    );
    bench.commits = true;
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (1, None));
}

#[test]
fn deleting_an_offset_deletes_what_an_open_transaction_holds_of_it() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(7, "", -1, 2);
    let delete = replication_group::OffsetDeleteRequest {
        group_id: "g".to_owned(),
        topics: vec![("t".to_owned(), vec![0])],
    };
    bench.ask(Request::OffsetDelete(delete));
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (-1, None), "nothing is held any more");
    bench.end_transaction(7, TransactionResult::Commit);
    assert_eq!(bench.fetch(), -1);
    let mut successor = bench.fail_over();
    assert_eq!(successor.fetch(), -1);
    assert_eq!(successor.commit_offset("", -1, 3), None);
}
