//! Loading: what a coordinator knows after replaying a log, and what it says meanwhile.

use replication_coordinator::{
    Append, AppendBody, AppendId, CoordinatorShard, KeyValue, LoadError, LoadedBatch, LoadedRecord,
    Moment, RuntimeConfig, Token,
};
use replication_group::{
    Answer, GroupConfig, GroupCoordinator, GroupError, HeartbeatRequest, Notice, Request,
};

use crate::support::Bench;

fn append(base_offset: i64, key: Vec<u8>, value: Option<Vec<u8>>) -> Append {
    Append {
        id: AppendId(0),
        base_offset,
        timestamp: 0,
        body: AppendBody::Records {
            producer: None,
            records: vec![KeyValue { key, value }],
        },
    }
}

/// Key of a record that stands for a group: type, then the group id.
fn group_key(record_type: i16, group_id: &str) -> Vec<u8> {
    let mut key = record_type.to_be_bytes().to_vec();
    key.extend(i16::try_from(group_id.len()).unwrap().to_be_bytes());
    key.extend(group_id.as_bytes());
    key
}

#[test]
fn a_coordinator_that_loads_says_so_and_keeps_members_alive() {
    let machine = GroupCoordinator::new(GroupConfig::default());
    let mut shard = CoordinatorShard::new(machine, RuntimeConfig::default());
    let moment = Moment::default();
    let heartbeat = Request::Heartbeat(HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: "m".to_owned(),
        group_instance_id: None,
    });
    let effects = shard.handle(moment, Token(1), heartbeat);
    assert_eq!(effects.answers, [(Token(1), Answer::Heartbeat(Ok(())))]);
    let effects = shard.handle(moment, Token(2), Request::ListGroups(Default::default()));
    let error = GroupError::CoordinatorLoadInProgress;
    assert_eq!(
        effects.answers,
        [(Token(2), Answer::ListGroups(Err(error)))]
    );
}

#[test]
fn a_stable_group_goes_on_under_the_next_coordinator() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(3);
    bench.commit_offset(&members[0], generation, 9);
    let described = bench.describe();
    let mut successor = bench.fail_over();
    assert_eq!(successor.describe(), described);
    for member in &members {
        assert_eq!(successor.heartbeat(member, generation), Ok(()));
        let token = successor.sync(member, generation, &[]);
        assert_eq!(successor.assignment(token), &**member);
    }
    assert_eq!(successor.fetch(), 9);
}

#[test]
fn sessions_begin_when_the_log_is_loaded() {
    let mut bench = Bench::new();
    let (members, generation) = bench.stable_of(2);
    bench.advance(9_000);
    let mut successor = bench.fail_over();
    successor.advance(9_000);
    assert_eq!(successor.heartbeat(&members[0], generation), Ok(()));
    successor.advance(1_000);
    assert_eq!(
        successor.heartbeat(&members[1], generation),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn a_generation_without_its_assignment_is_not_known_to_the_next_coordinator() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.stable();
    let request = bench.join_request(&leader);
    let token = bench.join(request);
    assert_eq!(bench.join_answer(token).generation_id, generation + 1);
    let mut successor = bench.fail_over();
    assert_eq!(
        successor.heartbeat(&leader, generation + 1),
        Err(GroupError::IllegalGeneration)
    );
    assert_eq!(successor.heartbeat(&leader, generation), Ok(()));
}

#[test]
fn what_stands_above_the_high_watermark_is_shown_when_it_is_committed() {
    let mut bench = Bench::new();
    bench.commit_offset("", -1, 1);
    bench.commit_offset("", -1, 2);
    let mut successor = Bench::load_uncommitted(bench.config.clone(), bench.log.clone(), 1, 0);
    assert_eq!(successor.fetch(), 1);
    let stable = successor.fetch_token(true);
    assert_eq!(successor.answered(stable), None);
    successor.commit_all();
    assert_eq!(successor.fetched(stable), (2, None));
    assert_eq!(successor.fetch(), 2);
}

#[test]
fn groups_of_other_protocols_are_left_alone_loudly() {
    let bench = Bench::new();
    let log = vec![
        append(0, group_key(3, "g"), Some(vec![0, 0, 0, 0, 0, 1, 0])),
        append(1, group_key(5, "g"), Some(vec![0, 0])),
        append(2, group_key(11, "shared"), Some(vec![0, 0, 0, 0, 0, 1, 0])),
        append(3, group_key(17, "streams"), Some(vec![0, 0, 0, 0, 0, 1, 0])),
        append(4, group_key(17, "streams"), None),
        append(5, group_key(99, "future"), Some(vec![0, 0])),
        append(6, group_key(3, "none"), None),
    ];
    let mut bench = Bench::load(bench.config, log, 7, 0);
    let foreign: Vec<_> = bench
        .notices
        .iter()
        .map(|notice| match notice {
            Notice::ForeignGroup {
                group_id,
                group_type,
            } => format!("{group_id} {group_type}"),
            Notice::UnknownRecordType { record_type } => record_type.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(foreign, ["99", "g consumer", "shared share"]);
    let request = bench.join_request("");
    let token = bench.join(request);
    assert_eq!(
        bench.join_error(token),
        Some(GroupError::InconsistentGroupProtocol)
    );
    assert_eq!(
        bench.commit_offset("", -1, 1),
        Some(GroupError::UnknownMemberId)
    );
    assert_eq!(bench.describe().error, Some(GroupError::GroupIdNotFound));
    assert_eq!(
        bench.describe_group("streams").error,
        Some(GroupError::GroupIdNotFound)
    );
}

#[test]
fn offsets_of_a_group_of_another_protocol_are_kept_and_can_be_read() {
    let mut before = Bench::new();
    before.commit_offset("", -1, 5);
    let mut log = before.log.clone();
    log.push(append(
        1,
        group_key(3, "g"),
        Some(vec![0, 0, 0, 0, 0, 1, 0]),
    ));
    let mut bench = Bench::load(before.config.clone(), log, 2, 0);
    assert_eq!(bench.fetch(), 5);
    bench.advance(30 * 24 * 3_600_000);
    assert_eq!(
        bench.fetch(),
        5,
        "nobody here knows whether they are in use"
    );
}

#[test]
fn a_record_that_cannot_be_read_stops_the_load() {
    let machine = GroupCoordinator::new(GroupConfig::default());
    let mut shard = CoordinatorShard::new(machine, RuntimeConfig::default());
    let mut key = group_key(1, "g");
    key.truncate(4);
    let records = [LoadedRecord {
        offset: 41,
        key: Some(&key),
        value: None,
    }];
    let batch = LoadedBatch::Records {
        next_offset: 42,
        producer_id: None,
        records: &records,
    };
    let error = shard.load(batch, 42, &mut Vec::new()).unwrap_err();
    let LoadError::Record { offset, reason } = error else {
        panic!("{error}");
    };
    assert_eq!((offset, reason.record_type), (41, Some(1)));
}

#[test]
fn an_append_at_another_offset_is_noticed() {
    let mut bench = Bench::new();
    bench.commits = false;
    bench.commit_offset_token("", -1, 1);
    let append = bench.in_flight[0].clone();
    let error = bench
        .shard
        .on_appended(append.id, append.base_offset + 1)
        .unwrap_err();
    assert_eq!((error.expected_offset, error.actual_offset), (0, 1));
    bench.commit_all();
}

#[test]
fn listing_filters_by_state_and_type_in_any_case() {
    let mut bench = Bench::new();
    bench.stable();
    let mut request = Bench::commit_request("", -1, 1);
    request.group_id = "simple".to_owned();
    bench.ask(Request::OffsetCommit(request));
    let mut list = |states: &[&str], types: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let token = bench.ask(Request::ListGroups(replication_group::ListGroupsRequest {
            states_filter: own(states),
            types_filter: own(types),
        }));
        let Some(Answer::ListGroups(Ok(groups))) = bench.answered(token) else {
            panic!("no list");
        };
        let mut lines: Vec<String> = groups
            .iter()
            .map(|group| {
                let (id, kind) = (&group.group_id, &group.protocol_type);
                format!("{id} {kind} {} {}", group.state, group.group_type)
            })
            .collect();
        lines.sort();
        lines
    };
    let (stable, simple) = ("g consumer Stable classic", "simple  Empty classic");
    assert_eq!(list(&[], &[]), [stable, simple]);
    assert_eq!(list(&["STABLE"], &["classic"]), [stable]);
    assert_eq!(list(&["empty", "Dead"], &[]), [simple]);
    assert_eq!(list(&[], &["consumer"]), [""; 0]);
    assert_eq!(list(&["nonsense"], &[]), [""; 0]);
}

#[test]
fn an_assignment_above_the_high_watermark_is_told_when_it_is_committed() {
    let mut bench = Bench::new();
    let (leader, generation) = bench.stable();
    let assignment = bench.log.last().unwrap().base_offset;
    let (config, log) = (bench.config.clone(), bench.log.clone());
    let mut successor = Bench::load_uncommitted(config, log, assignment, bench.now_ms);
    let token = successor.sync(&leader, generation, &[]);
    assert_eq!(successor.answered(token), None);
    successor.commit_all();
    assert_eq!(successor.assignment(token), "all");
}
