//! Each request in each state: the table of the classic protocol, row by row.

use crate::asking;
use crate::support::Bench;
use replication_group::GroupError;

// Join, new member.

#[test]
fn join_of_a_new_member_to_an_empty_group_waits_the_initial_delay() {
    let mut bench = Bench::new();
    let (_, token) = bench.join_new();
    assert_eq!(bench.state(), "PreparingRebalance");
    bench.advance(2_999);
    assert_eq!(bench.answered(token), None);
    bench.advance(1);
    let answer = bench.join_answer(token);
    assert_eq!((answer.error, answer.generation_id), (None, 1));
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn join_of_a_new_member_parks_while_others_join() {
    let mut bench = Bench::new();
    bench.stable();
    let (_, first) = bench.join_new();
    let (_, second) = bench.join_new();
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(
        (bench.answered(first), bench.answered(second)),
        (None, None)
    );
}

#[test]
fn join_of_a_new_member_to_a_completing_group_begins_anew() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    let follower_sync = {
        let (_, token) = bench.join_new();
        assert_eq!(bench.answered(token), None);
        bench.sync(&leader, generation, &[])
    };
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(
        bench.sync_answer(follower_sync).error,
        Some(GroupError::RebalanceInProgress)
    );
}

#[test]
fn join_of_a_new_member_to_a_stable_group_begins_a_rebalance() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.stable();
    let (_, token) = bench.join_new();
    assert_eq!(bench.answered(token), None);
    assert_eq!(
        bench.heartbeat(&leader, generation),
        Err(GroupError::RebalanceInProgress)
    );
    let request = bench.join_request(&leader);
    let rejoined = bench.join(request);
    assert_eq!(bench.join_answer(rejoined).generation_id, 2);
    assert_eq!(bench.join_answer(token).generation_id, 2);
}

// Join, known member.

#[test]
fn join_of_a_member_that_an_empty_group_does_not_know() {
    let mut bench = Bench::new();
    let (member, _) = bench.stable();
    bench.leave(&[(&member, None)]);
    assert_eq!(bench.state(), "Empty");
    let request = bench.join_request(&member);
    let token = bench.join(request);
    assert_eq!(bench.join_error(token), Some(GroupError::UnknownMemberId));
    assert_eq!(bench.join_answer(token).member_id, member);
}

#[test]
fn join_of_a_member_to_a_group_that_does_not_exist() {
    let mut bench = Bench::new();
    let request = bench.join_request("ghost");
    let token = bench.join(request);
    assert_eq!(bench.join_error(token), Some(GroupError::UnknownMemberId));
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
    assert!(bench.log.is_empty());
}

#[test]
fn join_of_a_known_member_parks_while_others_join() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    bench.join_new();
    let request = bench.join_request(&members[0]);
    let token = bench.join(request);
    assert_eq!(bench.answered(token), None);
    assert_eq!(
        bench.heartbeat(&members[1], generation),
        Err(GroupError::RebalanceInProgress)
    );
}

#[test]
fn join_again_while_completing_repeats_the_lost_answer() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    let request = bench.join_request(&leader);
    let token = bench.join(request);
    let answer = bench.join_answer(token);
    assert_eq!((answer.error, answer.generation_id), (None, generation));
    assert_eq!(answer.members.len(), 1, "the leader sees the members again");
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn join_with_other_metadata_while_completing_begins_anew() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    let mut request = bench.join_request(&leader);
    request.protocols[0].metadata = asking::subscription(&["t", "u"]).into();
    let token = bench.join(request);
    assert_eq!(bench.join_answer(token).generation_id, generation + 1);
}

#[test]
fn join_of_the_leader_of_a_stable_group_always_rebalances() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.stable();
    let request = bench.join_request(&leader);
    let token = bench.join(request);
    assert_eq!(bench.join_answer(token).generation_id, generation + 1);
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn join_of_an_unchanged_follower_of_a_stable_group_repeats_the_lost_answer() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    let request = bench.join_request(&members[1]);
    let token = bench.join(request);
    let answer = bench.join_answer(token);
    assert_eq!((answer.error, answer.generation_id), (None, generation));
    assert_eq!(answer.leader, members[0]);
    assert!(answer.members.is_empty());
    assert_eq!(bench.state(), "Stable");
}

#[test]
fn join_of_a_follower_with_other_metadata_rebalances() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(2);
    let mut request = bench.join_request(&members[1]);
    request.protocols[0].metadata = asking::subscription(&["u"]).into();
    let token = bench.join(request);
    assert_eq!(bench.answered(token), None);
    assert_eq!(bench.state(), "PreparingRebalance");
}

// Sync.

#[test]
fn sync_with_an_empty_group() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    bench.leave(&[(&member, None)]);
    let token = bench.sync(&member, generation, &[]);
    assert_eq!(
        bench.sync_answer(token).error,
        Some(GroupError::UnknownMemberId)
    );
}

#[test]
fn sync_while_members_join() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    bench.join_new();
    let token = bench.sync(&member, generation, &[]);
    assert_eq!(
        bench.sync_answer(token).error,
        Some(GroupError::RebalanceInProgress)
    );
}

#[test]
fn sync_of_a_follower_parks_until_the_leaders_assignment_is_committed() {
    let mut bench = Bench::new();
    let (first, first_join) = bench.join_new();
    let (second, _) = bench.join_new();
    bench.advance(9_000);
    let answer = bench.join_answer(first_join);
    let (leader, follower) = if answer.leader == first {
        (first, second)
    } else {
        (second, first)
    };
    let waiting = bench.sync(&follower, answer.generation_id, &[]);
    assert_eq!(bench.answered(waiting), None);

    bench.commits = false;
    let given = [(&*leader, "a"), (&*follower, "b")];
    let leading = bench.sync(&leader, answer.generation_id, &given);
    assert_eq!(
        (bench.answered(waiting), bench.answered(leading)),
        (None, None)
    );
    bench.commit_all();
    assert_eq!(
        (bench.assignment(leading), bench.assignment(waiting)),
        ("a".into(), "b".into())
    );
    assert_eq!(bench.state(), "Stable");
}

#[test]
fn sync_with_a_stable_group_answers_the_own_assignment() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    let token = bench.sync(&members[1], generation, &[]);
    assert_eq!(bench.assignment(token), &*members[1]);
}

// Heartbeat.

#[test]
fn heartbeat_to_an_empty_group() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    bench.leave(&[(&member, None)]);
    assert_eq!(
        bench.heartbeat(&member, generation),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn heartbeat_while_members_join_keeps_the_session_alive() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    let (_, parked) = bench.join_new();
    for _ in 0..5 {
        bench.advance(8_000);
        for member in &members {
            assert_eq!(
                bench.heartbeat(member, generation),
                Err(GroupError::RebalanceInProgress)
            );
        }
    }
    assert_eq!(
        bench.answered(parked),
        None,
        "both old members are still waited for"
    );
}

#[test]
fn heartbeat_while_completing_is_fine_and_keeps_the_session_alive() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.completing();
    for _ in 0..5 {
        bench.advance(8_000);
        assert_eq!(bench.heartbeat(&leader, generation), Ok(()));
    }
}

#[test]
fn heartbeat_to_a_stable_group() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.stable();
    assert_eq!(bench.heartbeat(&leader, generation), Ok(()));
    assert_eq!(
        bench.heartbeat("ghost", generation),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(
        bench.heartbeat(&leader, generation - 1),
        Err(GroupError::IllegalGeneration)
    );
    assert_eq!(
        bench.heartbeat(&leader, generation + 1),
        Err(GroupError::IllegalGeneration)
    );
}

// Leave.

#[test]
fn leave_of_an_empty_group() {
    let mut bench = Bench::new();
    let (member, _) = bench.stable();
    assert_eq!(bench.leave(&[(&member, None)]), [None]);
    assert_eq!(
        bench.leave(&[(&member, None)]),
        [Some(GroupError::UnknownMemberId)]
    );
}

#[test]
fn leave_while_members_join_lets_the_others_go_on() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(2);
    let request = bench.join_request(&members[0]);
    let parked = bench.join(request);
    assert_eq!(bench.answered(parked), None);
    assert_eq!(bench.leave(&[(&members[1], None)]), [None]);
    assert_eq!(bench.join_answer(parked).generation_id, 2);
}

#[test]
fn leave_while_completing_begins_anew() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(2);
    let tokens: Vec<_> = members
        .iter()
        .map(|member| {
            let request = bench.join_request(member);
            bench.join(request)
        })
        .collect();
    assert_eq!(bench.join_answer(tokens[0]).generation_id, 2);
    let parked = bench.sync(&members[1], 2, &[]);
    assert_eq!(bench.leave(&[(&members[0], None)]), [None]);
    assert_eq!(
        bench.sync_answer(parked).error,
        Some(GroupError::RebalanceInProgress)
    );
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn leave_of_a_stable_group_begins_a_rebalance_of_the_rest() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    assert_eq!(bench.leave(&[(&members[1], None)]), [None]);
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(
        bench.heartbeat(&members[0], generation),
        Err(GroupError::RebalanceInProgress)
    );
}

// OffsetCommit.

#[test]
fn commit_to_an_empty_group() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    bench.leave(&[(&member, None)]);
    assert_eq!(bench.commit_offset("", -1, 5), None);
    assert_eq!(
        bench.commit_offset(&member, generation, 6),
        Some(GroupError::UnknownMemberId)
    );
    assert_eq!(bench.fetch(), 5);
}

#[test]
fn commit_while_members_join_is_accepted() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    bench.join_new();
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(bench.commit_offset(&member, generation, 7), None);
    assert_eq!(bench.fetch(), 7);
}

#[test]
fn commit_while_completing_must_wait_for_the_assignment() {
    let mut bench = Bench::new();
    let (member, generation) = bench.completing();
    assert_eq!(
        bench.commit_offset(&member, generation, 7),
        Some(GroupError::RebalanceInProgress)
    );
    assert_eq!(bench.fetch(), -1);
}

#[test]
fn commit_to_a_stable_group() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    assert_eq!(bench.commit_offset(&member, generation, 7), None);
    assert_eq!(
        bench.commit_offset(&member, generation - 1, 8),
        Some(GroupError::IllegalGeneration)
    );
    assert_eq!(
        bench.commit_offset("ghost", generation, 8),
        Some(GroupError::UnknownMemberId)
    );
    assert_eq!(
        bench.commit_offset("", -1, 8),
        Some(GroupError::UnknownMemberId)
    );
    assert_eq!(bench.fetch(), 7);
}

#[test]
fn commit_to_a_group_that_does_not_exist() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.commit_offset("m", 3, 8),
        Some(GroupError::GroupIdNotFound)
    );
    let mut request = Bench::commit_request("m", 3, 8);
    request.supports_group_id_not_found = false;
    let token = bench.ask(replication_group::Request::OffsetCommit(request));
    assert_eq!(
        bench.commit_error(token),
        Some(GroupError::IllegalGeneration)
    );
    assert_eq!(bench.commit_offset("", -1, 9), None);
    assert_eq!(bench.fetch(), 9);
    assert_eq!(bench.state(), "Empty");
}

// TxnOffsetCommit.

#[test]
fn transactional_commit_is_bound_to_the_generation_but_not_to_the_state() {
    let mut bench = Bench::new();
    let (member, generation) = bench.completing();
    assert_eq!(bench.commit_in_transaction(1, &member, generation, 4), None);
    assert_eq!(
        bench.commit_in_transaction(1, &member, generation - 1, 4),
        Some(GroupError::IllegalGeneration)
    );
    assert_eq!(
        bench.commit_in_transaction(1, "ghost", generation, 4),
        Some(GroupError::UnknownMemberId)
    );
    assert_eq!(
        bench.commit_in_transaction(1, "", -1, 4),
        None,
        "old producers cannot name a member"
    );
}

// All requests, when the partition is led elsewhere.

#[test]
fn nothing_is_coordinated_after_unloading() {
    let mut bench = Bench::new();
    let (member, generation) = bench.stable();
    bench.unload();
    assert_eq!(
        bench.heartbeat(&member, generation),
        Err(GroupError::NotCoordinator)
    );
    assert_eq!(
        bench.commit_offset(&member, generation, 1),
        Some(GroupError::NotCoordinator)
    );
    let request = bench.join_request(&member);
    let token = bench.join(request);
    assert_eq!(bench.join_error(token), Some(GroupError::NotCoordinator));
    let token = bench.sync(&member, generation, &[]);
    assert_eq!(
        bench.sync_answer(token).error,
        Some(GroupError::NotCoordinator)
    );
}
