//! SyncGroup, sessions, leaving.

use replication_coordinator::AppendError;
use replication_group::{GroupError, Request, SyncRequest};

use crate::support::Bench;

#[test]
fn members_without_an_assignment_get_an_empty_one() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(2);
    let tokens: Vec<_> = members
        .iter()
        .map(|member| {
            let request = bench.join_request(member);
            bench.join(request)
        })
        .collect();
    assert_eq!(bench.join_answer(tokens[1]).generation_id, 2);
    let follower = bench.sync(&members[1], 2, &[]);
    let leader = bench.sync(&members[0], 2, &[(&members[0], "all"), ("stranger", "x")]);
    assert_eq!(
        (bench.assignment(leader), bench.assignment(follower)),
        ("all".into(), "".into())
    );
}

#[test]
fn the_checks_of_sync_in_their_order() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    let cases = [
        ("ghost", None, 99, None, GroupError::UnknownMemberId),
        (&*member, Some("i"), 99, None, GroupError::UnknownMemberId),
        (
            &*member,
            None,
            99,
            Some("other"),
            GroupError::IllegalGeneration,
        ),
        (
            &*member,
            None,
            generation,
            Some("other"),
            GroupError::InconsistentGroupProtocol,
        ),
    ];
    for (member_id, instance_id, generation_id, protocol_name, expected) in cases {
        let token = bench.ask(Request::Sync(SyncRequest {
            group_id: "g".to_owned(),
            generation_id,
            member_id: member_id.to_owned(),
            group_instance_id: instance_id.map(str::to_owned),
            protocol_type: None,
            protocol_name: protocol_name.map(str::to_owned),
            assignments: Vec::new(),
        }));
        assert_eq!(bench.sync_answer(token).error, Some(expected));
    }
}

#[test]
fn a_leader_that_syncs_twice_writes_one_assignment() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    bench.commits = false;
    let first = bench.sync(&leader, generation, &[(&leader, "first")]);
    let second = bench.sync(&leader, generation, &[(&leader, "second")]);
    assert_eq!(
        bench.sync_answer(first).error,
        Some(GroupError::RebalanceInProgress)
    );
    assert_eq!(bench.in_flight.len(), 1);
    bench.commit_all();
    assert_eq!(bench.assignment(second), "first");
    let mut successor = bench.fail_over();
    let token = successor.sync(&leader, generation, &[]);
    assert_eq!(successor.assignment(token), "first");
}

#[test]
fn a_lost_assignment_is_nobodys_and_the_group_rebalances() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    bench.commits = false;
    let token = bench.sync(&leader, generation, &[(&leader, "a")]);
    bench.fail_oldest(AppendError::NotEnoughReplicas);
    assert_eq!(
        bench.sync_answer(token).error,
        Some(GroupError::CoordinatorNotAvailable)
    );
    bench.commits = true;
    assert_eq!(
        bench.heartbeat(&leader, generation),
        Err(GroupError::RebalanceInProgress)
    );
    let request = bench.join_request(&leader);
    let token = bench.join(request);
    assert_eq!(bench.join_answer(token).generation_id, generation + 1);
}

#[test]
fn an_assignment_that_does_not_commit_in_time_is_given_up() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    bench.commits = false;
    let token = bench.sync(&leader, generation, &[(&leader, "a")]);
    bench.advance(4_999);
    assert_eq!(bench.answered(token), None);
    bench.advance(1);
    assert_eq!(
        bench.sync_answer(token).error,
        Some(GroupError::CoordinatorNotAvailable)
    );
    // It commits after all: of a generation that has ended.
    bench.commits = true;
    bench.commit_all();
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn an_assignment_that_commits_after_a_rebalance_began_is_not_given_out() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    bench.commits = false;
    let token = bench.sync(&leader, generation, &[(&leader, "a")]);
    bench.join_new();
    assert_eq!(
        bench.sync_answer(token).error,
        Some(GroupError::RebalanceInProgress)
    );
    bench.commits = true;
    bench.commit_all();
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn who_does_not_sync_within_the_rebalance_timeout_is_out() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    for member in &members {
        let request = bench.join_request(member);
        bench.join(request);
    }
    let parked = bench.sync(&members[1], generation + 1, &[]);
    for _ in 0..12 {
        bench.advance(5_000);
        let _ = bench.heartbeat(&members[0], generation + 1);
    }
    // The leader has never brought an assignment.
    assert_eq!(
        bench.sync_answer(parked).error,
        Some(GroupError::RebalanceInProgress)
    );
    assert_eq!(
        bench.heartbeat(&members[0], generation + 1),
        Err(GroupError::UnknownMemberId)
    );
    let request = bench.join_request(&members[1]);
    let token = bench.join(request);
    assert_eq!(bench.join_answer(token).leader, members[1]);
}

#[test]
fn a_follower_of_a_stable_group_that_never_syncs_is_out_too() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    for member in &members {
        let request = bench.join_request(member);
        bench.join(request);
    }
    bench.sync(&members[0], generation + 1, &[(&members[0], "a")]);
    assert_eq!(bench.state(), "Stable");
    for _ in 0..12 {
        bench.advance(5_000);
        for member in &members {
            let _ = bench.heartbeat(member, generation + 1);
        }
    }
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(
        bench.heartbeat(&members[1], generation + 1),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn a_silent_members_session_ends_and_the_rest_rebalances() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    bench.advance(6_000);
    assert_eq!(bench.heartbeat(&members[0], generation), Ok(()));
    bench.advance(4_000);
    assert_eq!(
        bench.heartbeat(&members[0], generation),
        Err(GroupError::RebalanceInProgress)
    );
    assert_eq!(
        bench.heartbeat(&members[1], generation),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    for offset in 0..5 {
        bench.advance(8_000);
        assert_eq!(bench.commit_offset(&member, generation, offset), None);
    }
    assert_eq!(bench.heartbeat(&member, generation), Ok(()));
}

#[test]
fn a_parked_request_is_a_sign_of_life() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    let request = bench.join_request(&members[0]);
    let parked = bench.join(request);
    for _ in 0..6 {
        bench.advance(9_000);
        let _ = bench.heartbeat(&members[1], generation);
    }
    assert_eq!(bench.answered(parked), None);
    bench.advance(6_000);
    assert_eq!(
        bench.join_answer(parked).generation_id,
        2,
        "the other one never rejoined"
    );
}

#[test]
fn the_session_begins_anew_with_the_assignment() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    for member in &members {
        let request = bench.join_request(member);
        bench.join(request);
    }
    let parked = bench.sync(&members[1], generation + 1, &[]);
    // The leader thinks for longer than the follower's session.
    for _ in 0..3 {
        bench.advance(9_000);
        assert_eq!(bench.heartbeat(&members[0], generation + 1), Ok(()));
    }
    bench.sync(&members[0], generation + 1, &[(&members[1], "b")]);
    assert_eq!(bench.assignment(parked), "b");
    bench.advance(9_000);
    assert_eq!(bench.heartbeat(&members[1], generation + 1), Ok(()));
}

#[test]
fn leaving_tells_each_member_apart() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(2);
    let errors = bench.leave(&[
        (&members[0], None),
        ("ghost", None),
        ("", Some("unknown instance")),
        ("", None),
        (&members[1], Some("not its instance")),
    ]);
    let unknown = Some(GroupError::UnknownMemberId);
    assert_eq!(errors, [None, unknown, unknown, unknown, unknown]);
}

#[test]
fn the_last_member_leaves_an_empty_group_in_the_log() {
    let mut bench = Bench::new();
    let (member, _) = bench.stable();
    bench.commits = false;
    let token = bench.leave_token(&[(&member, None)]);
    assert_eq!(
        bench.answered(token),
        None,
        "the answer waits for the record"
    );
    bench.commit_all();
    assert!(bench.answered(token).is_some());
    bench.commits = true;
    let mut successor = bench.fail_over();
    assert_eq!(successor.state(), "Empty");
    let (_, token) = successor.join_new();
    successor.advance(3_000);
    assert_eq!(
        successor.join_answer(token).generation_id,
        3,
        "generations go on"
    );
}

#[test]
fn unloading_answers_whatever_is_parked() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    bench.commits = false;
    let sync = bench.sync(&leader, generation, &[(&leader, "a")]);
    let fetch = bench.fetch_token(true);
    bench.unload();
    assert_eq!(
        bench.sync_answer(sync).error,
        Some(GroupError::NotCoordinator)
    );
    assert!(bench.answered(fetch).is_some());

    let mut bench = Bench::new();
    let (_, join) = bench.join_new();
    bench.unload();
    assert_eq!(bench.join_error(join), Some(GroupError::NotCoordinator));
    assert!(bench.unanswered().is_empty());
}

#[test]
fn a_member_that_is_removed_while_it_waits_is_told() {
    let mut bench = Bench::new();
    let first = bench.join_static("i1", "");
    bench.join_static("i2", "");
    bench.advance(9_000);
    let answer = bench.join_answer(first);
    let follower = answer
        .members
        .iter()
        .find(|member| member.member_id != answer.leader);
    let follower = follower.cloned().unwrap();
    let instance_id = follower.group_instance_id.clone().unwrap();
    let parked = bench.sync(&follower.member_id, answer.generation_id, &[]);
    assert_eq!(bench.leave(&[("", Some(&instance_id))]), [None]);
    assert_eq!(
        bench.sync_answer(parked).error,
        Some(GroupError::UnknownMemberId)
    );
}
