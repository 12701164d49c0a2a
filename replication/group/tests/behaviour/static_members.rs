//! Static members (KIP-345) and skipping the assignment (KIP-814).

use std::sync::Arc;

use replication_coordinator::{AppendError, Token};
use replication_group::GroupError;

use crate::asking::{protocol, subscription};
use crate::support::Bench;

/// A stable group of static members `i1` (leading) and `i2`: their ids and the generation.
fn stable(bench: &mut Bench) -> (Arc<str>, Arc<str>, i32) {
    let first = bench.join_static("i1", "");
    bench.advance(3_000);
    let leader = bench.join_answer(first).member_id;
    bench.sync(&leader, 1, &[(&leader, "x")]);
    let second = bench.join_static("i2", "");
    bench.join_static("i1", &leader);
    let follower = bench.join_answer(second).member_id;
    assert_eq!(bench.join_answer(second).leader, leader);
    bench.sync(&leader, 2, &[(&leader, "a"), (&follower, "b")]);
    bench.sync(&follower, 2, &[]);
    assert_eq!(bench.state(), "Stable");
    (leader, follower, 2)
}

#[test]
fn a_static_member_joins_without_coming_back_with_an_id() {
    let mut bench = Bench::new();
    let token = bench.join_static("i1", "");
    bench.advance(3_000);
    let answer = bench.join_answer(token);
    assert_eq!(answer.error, None);
    assert_eq!(
        &*answer.member_id,
        "i1-00000000-0000-4000-8000-000000000001"
    );
    assert_eq!(answer.members[0].group_instance_id.as_deref(), Some("i1"));
}

#[test]
fn a_follower_that_restarts_gets_its_assignment_without_a_rebalance() {
    let mut bench = Bench::new();
    let (leader, old, generation) = stable(&mut bench);
    bench.commits = false;
    let token = bench.join_static("i2", "");
    assert_eq!(
        bench.answered(token),
        None,
        "the new id must survive this broker"
    );
    bench.commit_all();
    bench.commits = true;
    let answer = bench.join_answer(token);
    assert_eq!((answer.error, answer.generation_id), (None, generation));
    assert_ne!(answer.member_id, old);
    assert_eq!(
        (answer.leader, answer.skip_assignment),
        (leader.clone(), false)
    );
    assert!(answer.members.is_empty());
    assert_eq!(bench.state(), "Stable");
    let token = bench.sync_as(&answer.member_id, Some("i2"), generation, &[]);
    assert_eq!(bench.assignment(token), "b");
    assert_eq!(bench.heartbeat(&leader, generation), Ok(()));
}

#[test]
fn the_old_id_is_fenced_everywhere() {
    let mut bench = Bench::new();
    let (_, old, generation) = stable(&mut bench);
    bench.join_static("i2", "");
    let fenced = GroupError::FencedInstanceId;
    assert_eq!(
        bench.heartbeat_as(&old, Some("i2"), generation),
        Err(fenced)
    );
    let token = bench.sync_as(&old, Some("i2"), generation, &[]);
    assert_eq!(bench.sync_answer(token).error, Some(fenced));
    let token = bench.join_static("i2", &old);
    assert_eq!(bench.join_error(token), Some(fenced));
    assert_eq!(bench.leave(&[(&old, Some("i2"))]), [Some(fenced)]);
    let mut request = Bench::commit_request(&old, generation, 1);
    request.group_instance_id = Some("i2".to_owned());
    let token = bench.ask(replication_group::Request::OffsetCommit(request));
    assert_eq!(bench.commit_error(token), Some(fenced));
}

#[test]
fn a_leader_that_restarts_skips_the_assignment() {
    let mut bench = Bench::new();
    let (_, follower, generation) = stable(&mut bench);
    let token = bench.join_static("i1", "");
    let answer = bench.join_answer(token);
    assert_eq!((answer.error, answer.generation_id), (None, generation));
    assert_eq!(answer.leader, answer.member_id);
    assert!(answer.skip_assignment);
    assert_eq!(answer.members.len(), 2);
    let token = bench.sync_as(&answer.member_id, Some("i1"), generation, &[]);
    assert_eq!(bench.assignment(token), "a");
    assert_eq!(bench.heartbeat(&follower, generation), Ok(()));
}

#[test]
fn an_old_leader_that_restarts_takes_itself_for_a_follower() {
    let mut bench = Bench::new();
    let (old, _, _) = stable(&mut bench);
    let mut request = bench.join_request("");
    request.group_instance_id = Some("i1".to_owned());
    request.supports_skipping_assignment = false;
    let token = bench.join(request);
    let answer = bench.join_answer(token);
    assert_eq!((answer.error, &answer.leader), (None, &old));
    assert_ne!(answer.member_id, old);
    assert!(!answer.skip_assignment);
    assert!(answer.members.is_empty());
}

#[test]
fn a_restart_with_other_topics_under_the_same_protocol_does_not_rebalance() {
    let mut bench = Bench::new();
    stable(&mut bench);
    let mut request = bench.join_request("");
    request.group_instance_id = Some("i2".to_owned());
    request.protocols[0].metadata = subscription(&["elsewhere"]).into();
    let token = bench.join(request);
    assert_eq!(bench.join_error(token), None);
    assert_eq!(bench.state(), "Stable");
}

#[test]
fn a_restart_that_changes_the_vote_rebalances() {
    let mut bench = Bench::new();
    let both = |first: &str, second: &str| {
        vec![
            protocol(first, b"\0\0\0\0\0\0"),
            protocol(second, b"\0\0\0\0\0\0"),
        ]
    };
    let mut request = bench.join_request("");
    request.group_instance_id = Some("i1".to_owned());
    request.protocols = both("range", "roundrobin");
    let token = bench.join(request);
    bench.advance(3_000);
    let leader = bench.join_answer(token).member_id;
    bench.sync(&leader, 1, &[(&leader, "x")]);
    let mut request = bench.join_request("");
    request.group_instance_id = Some("i1".to_owned());
    request.protocols = both("roundrobin", "range");
    let token = bench.join(request);
    let answer = bench.join_answer(token);
    assert_eq!(
        (answer.generation_id, answer.protocol_name.as_deref()),
        (2, Some("roundrobin"))
    );
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn a_restart_while_the_assignment_is_awaited_begins_anew() {
    let mut bench = Bench::new();
    let token = bench.join_static("i1", "");
    bench.advance(3_000);
    let old = bench.join_answer(token).member_id;
    let token = bench.join_static("i1", "");
    let answer = bench.join_answer(token);
    assert_eq!(answer.generation_id, 2);
    let parked = bench.sync_as(&old, Some("i1"), 1, &[]);
    assert_eq!(
        bench.sync_answer(parked).error,
        Some(GroupError::FencedInstanceId)
    );
}

#[test]
fn a_restart_while_members_join_fences_the_parked_join() {
    let mut bench = Bench::new();
    let first = bench.join_static("i1", "");
    let second = bench.join_static("i1", "");
    assert_eq!(bench.join_error(first), Some(GroupError::FencedInstanceId));
    bench.advance(9_000);
    let answer = bench.join_answer(second);
    assert_eq!((answer.error, answer.members.len()), (None, 1));
}

#[test]
fn a_static_member_that_does_not_rejoin_stays_until_its_session_ends() {
    let mut bench = Bench::new();
    let (leader, follower, generation) = stable(&mut bench);
    let token = bench.join_static("i1", &leader);
    for _ in 0..11 {
        bench.advance(5_000);
        let _ = bench.heartbeat_as(&follower, Some("i2"), generation);
    }
    assert_eq!(bench.answered(token), None);
    bench.advance(5_000);
    let answer = bench.join_answer(token);
    assert_eq!(answer.generation_id, generation + 1);
    assert_eq!(answer.members.len(), 2, "the silent one is still a member");
}

#[test]
fn when_only_absent_static_members_are_left_their_sessions_decide() {
    let mut bench = Bench::new();
    let mut request = bench.join_request("");
    request.group_instance_id = Some("i1".to_owned());
    request.rebalance_timeout_ms = 5_000;
    let token = bench.join(request);
    bench.advance(3_000);
    let leader = bench.join_answer(token).member_id;
    bench.sync(&leader, 1, &[(&leader, "x")]);
    // A dynamic member comes and goes; the static one is silent, and not out of time yet.
    let (other, _) = bench.join_new();
    bench.leave(&[(&other, None)]);
    bench.advance(6_000);
    assert_eq!(bench.state(), "PreparingRebalance");
    bench.advance(10_000);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut bench = Bench::new();
    let (_, follower, generation) = stable(&mut bench);
    assert_eq!(bench.leave(&[("", Some("i2"))]), [None]);
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(
        bench.heartbeat_as(&follower, Some("i2"), generation),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn a_new_id_that_could_not_be_kept_is_taken_back() {
    let mut bench = Bench::new();
    let (_, old, generation) = stable(&mut bench);
    bench.commits = false;
    let token = bench.join_static("i2", "");
    bench.fail_oldest(AppendError::NotLeaderOrFollower);
    bench.commits = true;
    assert_eq!(bench.join_error(token), Some(GroupError::NotCoordinator));
    assert_eq!(bench.heartbeat_as(&old, Some("i2"), generation), Ok(()));
    let token = bench.sync_as(&old, Some("i2"), generation, &[]);
    assert_eq!(bench.assignment(token), "b");
}

#[test]
fn a_rebalance_that_overtakes_the_record_answers_the_join() {
    let mut bench = Bench::new();
    let (leader, _, generation) = stable(&mut bench);
    bench.commits = false;
    let token = bench.join_static("i2", "");
    let leading: Token = bench.join_static("i1", &leader);
    assert_eq!(bench.join_answer(token).generation_id, generation + 1);
    assert_eq!(bench.join_answer(leading).members.len(), 2);
    bench.commit_all();
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn static_members_survive_the_coordinator() {
    let mut bench = Bench::new();
    let (_, old, generation) = stable(&mut bench);
    let token = bench.join_static("i2", "");
    let new = bench.join_answer(token).member_id;
    let mut successor = bench.fail_over();
    assert_eq!(successor.heartbeat_as(&new, Some("i2"), generation), Ok(()));
    assert_eq!(
        successor.heartbeat_as(&old, Some("i2"), generation),
        Err(GroupError::FencedInstanceId)
    );
    let token = successor.sync_as(&new, Some("i2"), generation, &[]);
    assert_eq!(successor.assignment(token), "b");
}

#[test]
fn a_new_id_that_a_rebalance_has_told_is_not_taken_back() {
    let mut bench = Bench::new();
    let (leader, _, generation) = stable(&mut bench);
    bench.commits = false;
    let token = bench.join_static("i2", "");
    bench.join_static("i1", &leader);
    let new = bench.join_answer(token).member_id;
    bench.fail_oldest(AppendError::NotEnoughReplicas);
    bench.commits = true;
    assert_eq!(bench.heartbeat_as(&new, Some("i2"), generation + 1), Ok(()));
}

#[test]
fn two_new_ids_that_could_not_be_kept_are_both_taken_back() {
    let mut bench = Bench::new();
    let (_, old, generation) = stable(&mut bench);
    bench.commits = false;
    let first = bench.join_static("i2", "");
    let second = bench.join_static("i2", "");
    assert_eq!(bench.join_error(first), Some(GroupError::FencedInstanceId));
    bench.fail_oldest(AppendError::NotEnoughReplicas);
    bench.commits = true;
    assert_eq!(
        bench.join_error(second),
        Some(GroupError::CoordinatorNotAvailable)
    );
    assert_eq!(bench.heartbeat_as(&old, Some("i2"), generation), Ok(()));
}
