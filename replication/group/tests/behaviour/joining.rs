//! JoinGroup: what is checked, in which order, and how the join phase waits.

use std::sync::Arc;

use replication_group::{GroupConfig, GroupError, Notice, Request};

use crate::asking::{protocol, subscription};
use crate::support::Bench;

#[test]
fn a_member_id_is_the_client_id_and_a_random_uuid() {
    let mut bench = Bench::new();
    let request = bench.join_request("");
    let token = bench.join(request);
    let answer = bench.join_answer(token);
    assert_eq!(answer.error, Some(GroupError::MemberIdRequired));
    assert_eq!(
        &*answer.member_id,
        "client-00000000-0000-4000-8000-000000000001"
    );
    assert_eq!(answer.generation_id, -1);
}

#[test]
fn old_clients_join_without_coming_back_with_an_id() {
    let mut bench = Bench::new();
    let mut request = bench.join_request("");
    request.requires_known_member_id = false;
    let token = bench.join(request);
    bench.advance(3_000);
    let answer = bench.join_answer(token);
    assert_eq!(answer.error, None);
    assert_eq!(answer.members.len(), 1);
    assert_eq!(answer.members[0].member_id, answer.member_id);
}

#[test]
fn what_is_wrong_in_itself_is_refused_before_anything_is_looked_at() {
    let mut bench = Bench::new();
    bench.unload();
    let mut request = bench.join_request("");
    request.group_id.clear();
    request.session_timeout_ms = 1;
    let token = bench.join(request);
    assert_eq!(bench.join_error(token), Some(GroupError::InvalidGroupId));
    for session_timeout_ms in [5_999, 1_800_001, -1] {
        let mut request = bench.join_request("");
        request.session_timeout_ms = session_timeout_ms;
        let token = bench.join(request);
        assert_eq!(
            bench.join_error(token),
            Some(GroupError::InvalidSessionTimeout)
        );
    }
}

#[test]
fn a_group_takes_any_protocol_type_but_only_one() {
    let mut bench = Bench::new();
    let connect = |bench: &mut Bench, member_id: &str| {
        let mut request = bench.join_request(member_id);
        request.protocol_type = "connect".to_owned();
        request.protocols = vec![protocol("sessioned", b"anything")];
        bench.join(request)
    };
    let token = connect(&mut bench, "");
    let id = bench.join_answer(token).member_id;
    let parked = connect(&mut bench, &id);
    let request = bench.join_request("");
    let token = bench.join(request);
    assert_eq!(
        bench.join_error(token),
        Some(GroupError::InconsistentGroupProtocol)
    );
    bench.advance(3_000);
    let answer = bench.join_answer(parked);
    assert_eq!(answer.protocol_type.as_deref(), Some("connect"));
    assert_eq!(&*answer.members[0].metadata, b"anything");
}

#[test]
fn a_join_without_protocols_or_type_is_inconsistent_with_every_group() {
    let mut bench = Bench::new();
    let mut request = bench.join_request("");
    request.protocols.clear();
    let token = bench.join(request);
    assert_eq!(
        bench.join_error(token),
        Some(GroupError::InconsistentGroupProtocol)
    );
    let mut request = bench.join_request("");
    request.protocol_type.clear();
    let token = bench.join(request);
    assert_eq!(
        bench.join_error(token),
        Some(GroupError::InconsistentGroupProtocol)
    );
}

#[test]
fn members_vote_among_the_protocols_that_all_support() {
    let mut bench = Bench::new();
    let preferences = [["a", "b", "c"], ["b", "c", "a"], ["c", "b", "x"]];
    let mut parked = Vec::new();
    for names in preferences {
        let protocols: Vec<_> = names.iter().map(|name| protocol(name, b"")).collect();
        let mut request = bench.join_request("");
        request.requires_known_member_id = false;
        request.protocols = protocols;
        parked.push(bench.join(request));
    }
    bench.advance(9_000);
    for token in parked {
        // All support b and c; the votes are b, b, c.
        assert_eq!(bench.join_answer(token).protocol_name.as_deref(), Some("b"));
    }
}

#[test]
fn a_protocol_named_twice_counts_once() {
    let mut bench = Bench::new();
    let mut request = bench.join_request("");
    request.requires_known_member_id = false;
    request.protocols = vec![protocol("a", b"1"), protocol("a", b"2")];
    let token = bench.join(request);
    bench.advance(3_000);
    let answer = bench.join_answer(token);
    assert_eq!(
        (answer.error, &*answer.members[0].metadata),
        (None, &b"1"[..])
    );
}

#[test]
fn the_initial_delay_is_extended_while_members_arrive_but_not_beyond_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let mut first = None;
    // The first member waits at most 10 s in all; another one arrives every two seconds.
    for index in 0..10 {
        let mut request = bench.join_request("");
        request.requires_known_member_id = false;
        request.rebalance_timeout_ms = 10_000;
        let token = bench.join(request);
        let first = *first.get_or_insert(token);
        assert_eq!(
            bench.answered(first).is_some(),
            index >= 5,
            "after {} s",
            2 * index
        );
        bench.advance(2_000);
    }
}

#[test]
fn the_initial_delay_is_not_extended_when_nobody_arrives() {
    let mut bench = Bench::new();
    let (_, first) = bench.join_new();
    bench.advance(1_000);
    let (_, second) = bench.join_new();
    bench.advance(2_000);
    assert_eq!(
        bench.answered(first),
        None,
        "the second one has extended the delay once"
    );
    bench.advance(3_000);
    assert_eq!(bench.join_answer(first).generation_id, 1);
    assert_eq!(bench.join_answer(second).generation_id, 1);
}

#[test]
fn an_id_that_does_not_come_back_is_waited_for_until_its_session_ends() {
    let mut bench = Bench::new();
    let (leader, _) = bench.stable();
    let request = bench.join_request("");
    bench.join(request); // MEMBER_ID_REQUIRED, and silence
    let request = bench.join_request(&leader);
    let token = bench.join(request);
    assert_eq!(bench.answered(token), None);
    bench.advance(9_999);
    assert_eq!(bench.answered(token), None);
    bench.advance(1);
    assert_eq!(bench.join_answer(token).generation_id, 2);
}

#[test]
fn an_id_that_leaves_is_not_waited_for() {
    let mut bench = Bench::new();
    let (leader, _) = bench.stable();
    let request = bench.join_request("");
    let token = bench.join(request);
    let pending = bench.join_answer(token).member_id;
    assert_eq!(bench.leave(&[(&pending, None)]), [None]);
    let request = bench.join_request(&leader);
    let token = bench.join(request);
    assert_eq!(bench.join_answer(token).generation_id, 2);
}

#[test]
fn members_that_do_not_rejoin_within_the_rebalance_timeout_are_out() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(3);
    let mut request = bench.join_request(&members[1]);
    request.reason = Some("need to revoke".to_owned());
    request.protocols[0].metadata = subscription(&["u"]).into();
    let parked = bench.join(request);
    for _ in 0..12 {
        // Heartbeats keep a session, not a place in the generation.
        bench.advance(5_000);
        let _ = bench.heartbeat(&members[0], generation);
        let _ = bench.heartbeat(&members[2], generation);
    }
    let answer = bench.join_answer(parked);
    assert_eq!((answer.generation_id, &answer.leader), (2, &members[1]));
    assert_eq!(answer.members.len(), 1);
    assert_eq!(
        bench.heartbeat(&members[0], 2),
        Err(GroupError::UnknownMemberId)
    );
    let reason = bench.notices.iter().find_map(|notice| match notice {
        Notice::PreparingRebalance { reason, .. } if reason.contains("need to revoke") => {
            Some(reason)
        }
        _ => None,
    });
    assert!(reason.is_some(), "the operator reads the client's reason");
}

#[test]
fn a_leader_that_rejoins_keeps_leading() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(3);
    let parked: Vec<_> = [2, 0, 1]
        .into_iter()
        .map(|index: usize| {
            let mut request = bench.join_request(&members[index]);
            request.protocols[0].metadata = subscription(&["u"]).into();
            bench.join(request)
        })
        .collect();
    let leaders: Vec<Arc<str>> = parked
        .iter()
        .map(|token| bench.join_answer(*token).leader)
        .collect();
    assert_eq!(leaders, vec![members[0].clone(); 3]);
    let listed: Vec<usize> = parked
        .iter()
        .map(|token| bench.join_answer(*token).members.len())
        .collect();
    assert_eq!(listed, [0, 3, 0], "only the leader sees the members");
}

#[test]
fn a_full_group_refuses_new_members_and_keeps_its_own() {
    let mut bench = Bench::with_config(GroupConfig {
        max_size: 2,
        ..GroupConfig::default()
    });
    let (members, generation) = bench.stable_of(2);
    let mut request = bench.join_request("");
    request.requires_known_member_id = false;
    let token = bench.join(request);
    assert_eq!(
        bench.join_error(token),
        Some(GroupError::GroupMaxSizeReached)
    );
    assert_eq!(bench.heartbeat(&members[1], generation), Ok(()));
    let request = bench.join_request(&members[1]);
    let token = bench.join(request);
    assert_eq!(bench.join_error(token), None);
}

#[test]
fn a_group_that_is_too_large_after_loading_sheds_the_last_to_rejoin() {
    let mut bench = Bench::new();
    let (members, _) = bench.stable_of(3);
    bench.config.max_size = 2;
    let mut bench = bench.fail_over();
    assert_eq!(bench.state(), "PreparingRebalance");
    let tokens: Vec<_> = members
        .iter()
        .map(|member| {
            let request = bench.join_request(member);
            bench.join(request)
        })
        .collect();
    assert_eq!(
        bench.join_error(tokens[2]),
        Some(GroupError::GroupMaxSizeReached)
    );
    bench.advance(60_000);
    assert_eq!(bench.join_answer(tokens[0]).generation_id, 2);
    assert_eq!(bench.join_answer(tokens[1]).generation_id, 2);
}

#[test]
fn a_join_that_is_sent_twice_is_answered_twice() {
    let mut bench = Bench::new();
    let (member, first) = bench.join_new();
    let request = bench.join_request(&member);
    let second = bench.join(request);
    assert_eq!(
        bench.join_error(first),
        Some(GroupError::RebalanceInProgress)
    );
    bench.advance(3_000);
    assert_eq!(bench.join_answer(second).generation_id, 1);
    assert_eq!(bench.join_answer(second).members.len(), 1);
}

#[test]
fn a_new_member_whose_client_is_gone_times_out_after_five_minutes() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    let mut request = bench.join_request("");
    request.requires_known_member_id = false;
    request.rebalance_timeout_ms = 3_600_000;
    let gone = bench.join(request);
    // The others never rejoin, and heartbeat all the time.
    for _ in 0..59 {
        bench.advance(5_000);
        for member in &members {
            assert_eq!(
                bench.heartbeat(member, generation),
                Err(GroupError::RebalanceInProgress)
            );
        }
    }
    assert_eq!(bench.answered(gone), None);
    bench.advance(5_000);
    assert_eq!(bench.join_error(gone), Some(GroupError::UnknownMemberId));
}

#[test]
fn a_rebalance_timeout_of_zero_does_not_spin() {
    let mut bench = Bench::new();
    let mut request = bench.join_request("");
    request.rebalance_timeout_ms = 0;
    request.group_instance_id = Some("i".to_owned());
    let token = bench.join(request);
    bench.advance(3_000);
    let answer = bench.join_answer(token);
    assert_eq!(answer.generation_id, 1);
    // It never syncs: the sync phase is over at once, and it is out.
    bench.advance(10);
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn many_ids_can_be_handed_out_but_not_without_bound() {
    let mut bench = Bench::new();
    bench.stable();
    let mut refused = 0;
    for index in 0..20_010_u32 {
        let mut request = bench.join_request("");
        request.random[..4].copy_from_slice(&index.to_be_bytes());
        let token = bench.ask(Request::Join(request));
        match bench.join_error(token) {
            Some(GroupError::MemberIdRequired) => {}
            Some(GroupError::GroupMaxSizeReached) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 10);
    assert_eq!(bench.state(), "Stable");
}
