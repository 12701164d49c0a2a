//! OffsetCommit, OffsetFetch, OffsetDelete, and what is committed when.

use std::sync::Arc;

use engine_base::TopicId;
use replication_coordinator::AppendError;
use replication_group::{
    Answer, DeletedTopic, GroupError, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchTopic,
    Request,
};

use crate::asking::topic;
use crate::support::{Bench, GROUP, TOPIC};

fn fetch_all(bench: &mut Bench) -> Vec<(Arc<str>, i32, i64)> {
    let token = bench.ask(Request::OffsetFetch(OffsetFetchRequest {
        group_id: GROUP.to_owned(),
        topics: None,
        require_stable: false,
    }));
    let Some(Answer::OffsetFetch(Ok(topics))) = bench.answered(token) else {
        panic!("{:?}", bench.answered(token));
    };
    let offsets = topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|line| (topic.name.clone(), line.partition, line.committed_offset))
    });
    offsets.collect()
}

fn delete(
    bench: &mut Bench,
    topic: &str,
    partitions: &[i32],
) -> Result<Option<GroupError>, GroupError> {
    let token = bench.ask(Request::OffsetDelete(OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        topics: vec![(topic.to_owned(), partitions.to_vec())],
    }));
    match bench.answered(token) {
        Some(Answer::OffsetDelete(Ok(topics))) => Ok(topics[0].partitions[0].1),
        Some(Answer::OffsetDelete(Err(error))) => Err(*error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_offset_is_neither_answered_nor_shown_before_it_is_committed() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    bench.commits = false;
    let token = bench.commit_offset_token("", -1, 2);
    assert_eq!(bench.answered(token), None);
    assert_eq!(bench.fetch(), 1);
    let stable = bench.fetch_token(true);
    assert_eq!(bench.answered(stable), None, "who requires stability waits");
    bench.commit_all();
    assert_eq!(bench.commit_error(token), None);
    assert_eq!(bench.fetched(stable), (2, None));
    assert_eq!(bench.fetch(), 2);
}

#[test]
fn a_lost_offset_leaves_the_one_before_it() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    bench.commits = false;
    let first = bench.commit_offset_token("", -1, 2);
    let second = bench.commit_offset_token("", -1, 3);
    let stable = bench.fetch_token(true);
    bench.fail_oldest(AppendError::NotEnoughReplicas);
    let error = Some(GroupError::CoordinatorNotAvailable);
    assert_eq!(
        (bench.commit_error(first), bench.commit_error(second)),
        (error, error)
    );
    assert_eq!(
        bench.answered(stable),
        Some(&Answer::OffsetFetch(Err(GroupError::NotCoordinator)))
    );
    bench.commits = true;
    assert_eq!(bench.fetch(), 1);
    assert_eq!(bench.commit_offset("", -1, 4), None);
    assert_eq!(bench.fetch(), 4);
    assert_eq!(bench.fail_over().fetch(), 4);
}

#[test]
fn a_group_whose_first_record_was_lost_never_was() {
    let mut bench = Bench::new();
    bench.commits = false;
    bench.commit_offset_token("", -1, 2);
    bench.fail_oldest(AppendError::KafkaStorageError);
    bench.commits = true;
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
}

#[test]
fn members_of_a_group_whose_first_record_was_lost_are_told() {
    let mut bench = Bench::new();
    bench.commits = false;
    let first = bench.join_static("i1", "");
    let second = bench.join_static("i2", "");
    bench.fail_oldest(AppendError::NotLeaderOrFollower);
    let error = Some(GroupError::NotCoordinator);
    assert_eq!(
        (bench.join_error(first), bench.join_error(second)),
        (error, error)
    );
    bench.commits = true;
    bench.advance(60_000);
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
}

#[test]
fn a_commit_that_does_not_commit_in_time_is_refused_and_may_count_later() {
    let mut bench = Bench::new();
    bench.commits = false;
    let token = bench.commit_offset_token("", -1, 2);
    bench.advance(5_000);
    assert_eq!(
        bench.commit_error(token),
        Some(GroupError::CoordinatorNotAvailable)
    );
    assert_eq!(bench.fetch(), -1);
    bench.commit_all();
    assert_eq!(bench.fetch(), 2);
}

#[test]
fn metadata_that_is_too_large_is_refused_alone() {
    let mut bench = Bench::new();
    let mut request = Bench::commit_request("", -1, 5);
    let mut large = request.topics[0].partitions[0].clone();
    large.partition = 1;
    large.metadata = Some("x".repeat(4_097));
    let mut wide = large.clone();
    wide.partition = 2;
    wide.metadata = Some("\u{20ac}".repeat(4_096)); // 12,288 bytes, 4,096 characters
    request.topics[0].partitions.extend([large, wide]);
    let token = bench.ask(Request::OffsetCommit(request));
    let Some(Answer::OffsetCommit(topics)) = bench.answered(token) else {
        panic!("no answer");
    };
    let too_large = Some(GroupError::OffsetMetadataTooLarge);
    assert_eq!(topics[0].partitions, [(0, None), (1, too_large), (2, None)]);
    let offsets = fetch_all(&mut bench);
    assert_eq!(offsets, [(TOPIC.into(), 0, 5), (TOPIC.into(), 2, 5)]);
}

#[test]
fn everything_of_a_commit_comes_back() {
    let mut bench = Bench::new();
    let mut request = Bench::commit_request("", -1, 5);
    request.topics[0].topic_id = TopicId::from_random([7; 16]);
    request.topics[0].partitions[0].committed_leader_epoch = Some(3);
    request.topics[0].partitions[0].metadata = Some("hello".to_owned());
    bench.ask(Request::OffsetCommit(request));
    let mut bench = bench.fail_over();
    let mut fetch = |topic_id| {
        let token = bench.ask(Request::OffsetFetch(OffsetFetchRequest {
            group_id: GROUP.to_owned(),
            topics: Some(vec![OffsetFetchTopic {
                topic_id,
                name: TOPIC.to_owned(),
                partitions: vec![0, 9],
            }]),
            require_stable: false,
        }));
        match bench.answered(token) {
            Some(Answer::OffsetFetch(Ok(topics))) => topics[0].partitions.clone(),
            other => panic!("{other:?}"),
        }
    };
    for topic_id in [TopicId::ZERO, TopicId::from_random([7; 16])] {
        let lines = fetch(topic_id);
        assert_eq!(
            (lines[0].committed_offset, lines[0].committed_leader_epoch),
            (5, 3)
        );
        assert_eq!(&*lines[0].metadata, "hello");
        assert_eq!(
            (lines[1].committed_offset, lines[1].committed_leader_epoch),
            (-1, -1)
        );
    }
    let other = fetch(TopicId::from_random([8; 16]));
    assert_eq!(
        other[0].committed_offset, -1,
        "the topic was created again since"
    );
}

#[test]
fn fetching_from_a_group_that_does_not_exist_finds_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.fetch(), -1);
    assert_eq!(fetch_all(&mut bench), []);
    let token = bench.fetch_token(true);
    assert_eq!(bench.fetched(token), (-1, None));
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    let mut request = Bench::commit_request(&member, generation, 5);
    request.topics.push(topic("left", 0, 6));
    bench.ask(Request::OffsetCommit(request));
    assert_eq!(
        delete(&mut bench, TOPIC, &[0]),
        Ok(Some(GroupError::GroupSubscribedToTopic))
    );
    assert_eq!(delete(&mut bench, "left", &[0, 1]), Ok(None));
    assert_eq!(fetch_all(&mut bench), [(TOPIC.into(), 0, 5)]);
    bench.leave(&[(&member, None)]);
    assert_eq!(delete(&mut bench, TOPIC, &[0]), Ok(None));
    assert_eq!(fetch_all(&mut bench), []);
    assert_eq!(
        delete(&mut bench, TOPIC, &[0]),
        Ok(None),
        "once more, for nothing"
    );
    assert_eq!(fetch_all(&mut bench.fail_over()), []);
}

#[test]
fn offsets_of_a_group_with_another_protocol_are_not_deleted_while_it_has_members() {
    let mut bench = Bench::new();
    assert_eq!(
        delete(&mut bench, TOPIC, &[0]),
        Err(GroupError::GroupIdNotFound)
    );
    let mut request = bench.join_request("");
    request.protocol_type = "connect".to_owned();
    request.requires_known_member_id = false;
    bench.join(request);
    assert_eq!(
        delete(&mut bench, TOPIC, &[0]),
        Err(GroupError::NonEmptyGroup)
    );
}

#[test]
fn when_subscriptions_cannot_be_read_all_topics_count_as_used() {
    let mut bench = Bench::new();
    let mut request = bench.join_request("");
    request.requires_known_member_id = false;
    request.protocols[0].metadata = Arc::from(*b"\0");
    let token = bench.join(request);
    bench.advance(3_000);
    assert_eq!(bench.join_error(token), None);
    assert_eq!(
        delete(&mut bench, "any", &[0]),
        Ok(Some(GroupError::GroupSubscribedToTopic))
    );
}

#[test]
fn a_deleted_topics_offsets_go_and_those_of_its_successor_stay() {
    let mut bench = Bench::new();
    let (old, new) = (TopicId::from_random([1; 16]), TopicId::from_random([2; 16]));
    for (partition, topic_id) in [(0, old), (1, new), (2, TopicId::ZERO)] {
        let mut request = Bench::commit_request("", -1, 5);
        request.topics[0].topic_id = topic_id;
        request.topics[0].partitions[0].partition = partition;
        bench.ask(Request::OffsetCommit(request));
    }
    bench.commits = false;
    let token = bench.ask(Request::TopicsDeleted(vec![DeletedTopic {
        id: old,
        name: TOPIC.to_owned(),
    }]));
    assert_eq!(bench.answered(token), None);
    bench.commit_all();
    assert_eq!(bench.answered(token), Some(&Answer::TopicsDeleted(Ok(()))));
    assert_eq!(fetch_all(&mut bench), [(TOPIC.into(), 1, 5)]);
}

#[test]
fn many_tombstones_are_cut_into_batches() {
    let mut bench = Bench::new();
    let mut request = Bench::commit_request("", -1, 5);
    let line = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = (0..5_000)
        .map(|partition| {
            let mut line = line.clone();
            line.partition = partition;
            line
        })
        .collect();
    bench.ask(Request::OffsetCommit(request));
    assert_eq!(bench.log.len(), 1, "a commit is one batch");
    bench.commits = false;
    let token = bench.ask(Request::TopicsDeleted(vec![DeletedTopic {
        id: TopicId::ZERO,
        name: TOPIC.to_owned(),
    }]));
    assert_eq!(bench.in_flight.len(), 2);
    bench.commit_one();
    assert_eq!(bench.answered(token), None);
    assert_eq!(fetch_all(&mut bench).len(), 5_000 - 4_096);
    bench.commit_one();
    assert_eq!(bench.answered(token), Some(&Answer::TopicsDeleted(Ok(()))));
    assert_eq!(fetch_all(&mut bench), []);
}
