//! The row of the table that no request reaches from outside: a group in the state Dead.

use std::sync::Arc;

use replication_coordinator::{AppendId, Moment, Reply, Timers, Token};

use super::*;
use crate::answer::Answer;
use crate::config::GroupConfig;
use crate::coordinator::{Ctx, Outcome};
use crate::error::GroupError;
use crate::request::{HeartbeatRequest, JoinRequest, LeaveRequest, Protocol, SyncRequest};

fn with_dead_group(test: impl FnOnce(&GroupConfig, &mut Ctx<'_>, &mut ClassicGroup)) {
    let (mut timers, mut answers, mut notices) = (Timers::new(), Vec::new(), Vec::new());
    let moment = Moment::default();
    let mut ctx = Ctx::new(moment, AppendId(1), &mut timers, &mut answers, &mut notices);
    let mut group = ClassicGroup::new(Arc::from("g"), 0);
    group.die(&mut ctx);
    test(&GroupConfig::default(), &mut ctx, &mut group);
    assert!(timers.is_empty());
}

fn answer(outcome: Outcome) -> Answer {
    assert!(!outcome.writes());
    match outcome.reply {
        Some(Reply::Now(answer) | Reply::AfterWrites(answer)) => answer,
        None => panic!("nothing is answered"),
    }
}

fn join(member_id: &str) -> JoinRequest {
    JoinRequest {
        group_id: "g".to_owned(),
        member_id: member_id.to_owned(),
        group_instance_id: None,
        client_id: "c".to_owned(),
        client_host: "/h".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol {
            name: "range".to_owned(),
            metadata: Arc::from([]),
        }],
        reason: None,
        requires_known_member_id: true,
        supports_skipping_assignment: true,
        random: [0; 16],
    }
}

#[test]
fn a_dead_group_sends_everybody_to_find_the_coordinator() {
    with_dead_group(|config, ctx, group| {
        let error = GroupError::CoordinatorNotAvailable;
        for member_id in ["", "m"] {
            let outcome = group.join(
                config,
                ctx,
                Token(1),
                join(member_id),
                GroupOrigin::Existing,
            );
            let Answer::Join(joined) = answer(outcome) else {
                panic!("an answer of another kind");
            };
            assert_eq!((joined.error, &*joined.member_id), (Some(error), member_id));
        }
        let sync = SyncRequest {
            group_id: "g".to_owned(),
            generation_id: 0,
            member_id: "m".to_owned(),
            group_instance_id: None,
            protocol_type: None,
            protocol_name: None,
            assignments: Vec::new(),
        };
        let Answer::Sync(synced) = answer(group.sync(ctx, Token(2), sync)) else {
            panic!("an answer of another kind");
        };
        assert_eq!(synced.error, Some(error));
        let heartbeat = HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id: 0,
            member_id: "m".to_owned(),
            group_instance_id: None,
        };
        assert_eq!(group.heartbeat(ctx, &heartbeat), Err(error));
        let leave = LeaveRequest {
            group_id: "g".to_owned(),
            members: Vec::new(),
        };
        assert_eq!(
            answer(group.leave(config, ctx, leave)),
            Answer::Leave(Err(error))
        );
    });
}
