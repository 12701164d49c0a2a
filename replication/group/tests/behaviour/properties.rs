//! Random clients, a random log and random time against what must always hold.
//!
//! 1. Each request is answered exactly once.
//! 2. A generation has one leader, and generations only rise.
//! 3. Whoever is told its assignment of a generation is told of the same decision, whichever
//!    coordinator says it.
//! 4. A committed offset is never older than one that was acknowledged or shown before.
//! 5. What the log tells of a stable group is what its coordinator tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use replication_coordinator::{AppendError, Producer, Token, TransactionResult};
use replication_group::{
    Answer, CompleteTransactionRequest, GroupConfig, GroupError, JoinAnswer, Request, SyncAnswer,
    TxnOffsetCommitRequest,
};

use crate::asking::topic;
use crate::support::{Bench, GROUP, TOPIC};

#[derive(Clone, Debug)]
enum Op {
    /// The client does what is next for it.
    Act(usize),
    /// It sends its last request again, on another connection.
    Again(usize),
    Rejoin(usize),
    Leave(usize),
    /// It dies and comes back with nothing but its configuration.
    Restart(usize),
    Commit(usize),
    TransactionalCommit(usize),
    EndTransaction(usize, bool),
    Fetch,
    Advance(u64),
    CommitOne,
    CommitAll,
    Fail(AppendError),
    /// Another coordinator takes over; this many of the appends in flight have reached it.
    FailOver(usize),
}

const CLIENTS: usize = 4;

fn op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    let error = prop_oneof![
        Just(AppendError::NotEnoughReplicas),
        Just(AppendError::NotLeaderOrFollower),
        Just(AppendError::MessageTooLarge),
    ];
    prop_oneof![
        12 => client.clone().prop_map(Op::Act),
        1 => client.clone().prop_map(Op::Again),
        1 => client.clone().prop_map(Op::Rejoin),
        1 => client.clone().prop_map(Op::Leave),
        1 => client.clone().prop_map(Op::Restart),
        2 => client.clone().prop_map(Op::Commit),
        1 => client.clone().prop_map(Op::TransactionalCommit),
        1 => (client, any::<bool>()).prop_map(|(client, commits)| {
            Op::EndTransaction(client, commits)
        }),
        1 => Just(Op::Fetch),
        4 => (1_u64..4_000).prop_map(Op::Advance),
        4 => Just(Op::CommitOne),
        3 => Just(Op::CommitAll),
        1 => error.prop_map(Op::Fail),
        1 => (0_usize..4).prop_map(Op::FailOver),
    ]
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Joining,
    Syncing,
    Member,
}

#[derive(Debug)]
struct Client {
    instance_id: Option<String>,
    member_id: Arc<str>,
    generation_id: i32,
    phase: Phase,
    /// As the leader: whom to assign to.
    members: Vec<Arc<str>>,
    parked: Option<Token>,
}

impl Client {
    fn new(index: usize) -> Self {
        Self {
            instance_id: (index % 2 == 1).then(|| format!("i{index}")),
            member_id: Arc::from(""),
            generation_id: -1,
            phase: Phase::Joining,
            members: Vec::new(),
            parked: None,
        }
    }

    /// What a client makes of an error.
    fn on_error(&mut self, error: GroupError) {
        self.phase = Phase::Joining;
        let forgets = [
            GroupError::UnknownMemberId,
            GroupError::FencedInstanceId,
            GroupError::IllegalGeneration,
        ];
        if forgets.contains(&error) {
            self.member_id = Arc::from("");
            self.generation_id = -1;
        }
    }
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    /// Makes each decision of a leader and each offset unlike all others.
    counter: i64,
    /// Which decision was told for a generation, by any coordinator.
    told: BTreeMap<i32, String>,
    /// Who leads a generation of this coordinator.
    leaders: BTreeMap<i32, Arc<str>>,
    commits: Vec<(Token, i64)>,
    /// No committed offset may be older than this.
    floor: i64,
    /// A write has timed out. Its record may be committed later, and tell of an id of a static
    /// member that this coordinator has taken back; the member replaces that one as well.
    timed_out: bool,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::with_config(GroupConfig::default());
        bench.commits = false;
        Self {
            bench,
            clients: (0..CLIENTS).map(Client::new).collect(),
            counter: 0,
            told: BTreeMap::new(),
            leaders: BTreeMap::new(),
            commits: Vec::new(),
            floor: -1,
            timed_out: false,
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Act(index) => self.act(*index),
            Op::Again(index) if self.clients[*index].parked.is_some() => {
                // The first connection is forgotten; its answer goes nowhere.
                self.clients[*index].parked = None;
                self.act(*index);
            }
            Op::Again(_) => {}
            Op::Rejoin(index) => {
                self.clients[*index].phase = Phase::Joining;
                self.act(*index);
            }
            Op::Leave(index) => {
                let client = &self.clients[*index];
                let (member_id, instance_id) =
                    (client.member_id.clone(), client.instance_id.clone());
                if !member_id.is_empty() {
                    self.bench
                        .leave_token(&[(&member_id, instance_id.as_deref())]);
                    self.clients[*index] = Client::new(*index);
                }
            }
            Op::Restart(index) => self.clients[*index] = Client::new(*index),
            Op::Commit(index) => self.commit(*index),
            Op::TransactionalCommit(index) => self.commit_in_transaction(*index),
            Op::EndTransaction(index, commits) => {
                let result = if *commits {
                    TransactionResult::Commit
                } else {
                    TransactionResult::Abort
                };
                let request = CompleteTransactionRequest {
                    producer: producer(*index),
                    coordinator_epoch: 0,
                    result,
                };
                self.bench.ask(Request::CompleteTransaction(request));
            }
            Op::Fetch => self.fetch(),
            Op::Advance(ms) => {
                self.bench.advance(*ms);
                let now = self.bench.moment().timestamp;
                let mut in_flight = self.bench.in_flight.iter();
                self.timed_out |= in_flight.any(|append| now - append.timestamp >= 5_000);
            }
            Op::CommitOne => self.bench.commit_one(),
            Op::CommitAll => self.bench.commit_all(),
            Op::Fail(error) => self.fail(*error),
            Op::FailOver(kept) => self.fail_over(*kept),
        }
        self.listen();
    }

    fn act(&mut self, index: usize) {
        if self.clients[index].parked.is_some() {
            return;
        }
        let client = &self.clients[index];
        let (member_id, generation_id) = (client.member_id.clone(), client.generation_id);
        let instance_id = client.instance_id.clone();
        let token = match client.phase {
            Phase::Joining => {
                let mut request = self.bench.join_request(&member_id);
                request.group_instance_id = instance_id;
                request.rebalance_timeout_ms = 20_000;
                self.bench.join(request)
            }
            Phase::Syncing => {
                self.counter += 1;
                let decision = format!("{generation_id}/{}", self.counter);
                let members = client.members.clone();
                let given: Vec<(&str, &str)> = members
                    .iter()
                    .map(|member| (&**member, &*decision))
                    .collect();
                self.bench
                    .sync_as(&member_id, instance_id.as_deref(), generation_id, &given)
            }
            Phase::Member => {
                self.bench
                    .ask(Request::Heartbeat(replication_group::HeartbeatRequest {
                        group_id: GROUP.to_owned(),
                        generation_id,
                        member_id: member_id.to_string(),
                        group_instance_id: instance_id,
                    }))
            }
        };
        self.clients[index].parked = Some(token);
    }

    fn commit(&mut self, index: usize) {
        self.counter += 1;
        let client = &self.clients[index];
        let mut request =
            Bench::commit_request(&client.member_id, client.generation_id, self.counter);
        request.group_instance_id.clone_from(&client.instance_id);
        let token = self.bench.ask(Request::OffsetCommit(request));
        self.commits.push((token, self.counter));
    }

    fn commit_in_transaction(&mut self, index: usize) {
        self.counter += 1;
        let client = &self.clients[index];
        let request = TxnOffsetCommitRequest {
            group_id: GROUP.to_owned(),
            producer: producer(index),
            generation_id: client.generation_id,
            member_id: client.member_id.to_string(),
            group_instance_id: client.instance_id.clone(),
            supports_group_id_not_found: true,
            topics: vec![topic(TOPIC, 0, self.counter)],
        };
        self.bench.ask(Request::TxnOffsetCommit(request));
    }

    fn fetch(&mut self) {
        let offset = self.bench.fetch();
        assert!(offset >= self.floor, "{offset} after {}", self.floor);
        self.floor = offset;
    }

    fn fail(&mut self, error: AppendError) {
        self.bench.fail_oldest(error);
        if self.bench.describe().error.is_some() {
            // The group's first record may be lost: then the group never was, and another one
            // begins with the first generation.
            self.leaders.clear();
        }
    }

    fn fail_over(&mut self, kept: usize) {
        let keep = kept.min(self.bench.in_flight.len());
        let committed = self.bench.log.len() - self.bench.in_flight.len();
        let mut log = self.bench.log.clone();
        log.truncate(committed + keep);
        let high_watermark = self
            .bench
            .in_flight
            .front()
            .map(|append| append.base_offset);
        self.bench.unload();
        self.listen();
        assert!(
            self.bench.unanswered().is_empty(),
            "somebody waits for ever"
        );
        let high_watermark = high_watermark.unwrap_or_else(|| {
            log.last().map_or(0, |append| {
                append.base_offset + i64::try_from(append.body.record_count()).unwrap()
            })
        });
        let (config, now_ms) = (self.bench.config.clone(), self.bench.now_ms);
        let draws = self.bench.draws;
        self.bench = Bench::load_uncommitted(config, log, high_watermark, now_ms);
        self.bench.draws = draws;
        self.leaders.clear();
        self.commits.clear();
        self.timed_out = false;
        for client in &mut self.clients {
            client.parked = None;
        }
    }

    /// Clients hear their answers.
    fn listen(&mut self) {
        let bench = &self.bench;
        self.commits
            .retain(|(token, offset)| match bench.answered(*token) {
                None => true,
                Some(Answer::OffsetCommit(topics)) => {
                    if topics[0].partitions[0].1.is_none() {
                        self.floor = self.floor.max(*offset);
                    }
                    false
                }
                other => panic!("{other:?}"),
            });
        for index in 0..CLIENTS {
            let Some(token) = self.clients[index].parked else {
                continue;
            };
            let Some(answer) = self.bench.answered(token).cloned() else {
                continue;
            };
            self.clients[index].parked = None;
            match answer {
                Answer::Join(answer) => self.on_joined(index, answer),
                Answer::Sync(answer) => self.on_synced(index, answer),
                Answer::Heartbeat(Err(error)) => self.clients[index].on_error(error),
                Answer::Heartbeat(Ok(())) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn on_joined(&mut self, index: usize, answer: JoinAnswer) {
        let client = &mut self.clients[index];
        match answer.error {
            Some(GroupError::MemberIdRequired) => client.member_id = answer.member_id,
            Some(error) => client.on_error(error),
            None => {
                let newest = self
                    .leaders
                    .last_key_value()
                    .map_or(-1, |(newest, _)| *newest);
                assert!(
                    answer.generation_id >= newest,
                    "generation {newest} was there before"
                );
                client.member_id = answer.member_id.clone();
                client.generation_id = answer.generation_id;
                client.phase = Phase::Syncing;
                client.members.clear();
                if answer.leader == answer.member_id && !answer.skip_assignment {
                    client.members = answer
                        .members
                        .iter()
                        .map(|member| member.member_id.clone())
                        .collect();
                    let leader = self.leaders.entry(answer.generation_id);
                    let leader = leader.or_insert_with(|| answer.leader.clone());
                    assert_eq!(*leader, answer.leader, "two leaders of one generation");
                }
            }
        }
    }

    fn on_synced(&mut self, index: usize, answer: SyncAnswer) {
        let client = &mut self.clients[index];
        if let Some(error) = answer.error {
            client.on_error(error);
            return;
        }
        client.phase = Phase::Member;
        let decision = String::from_utf8(answer.assignment.to_vec()).unwrap();
        assert!(
            decision.starts_with(&format!("{}/", client.generation_id)),
            "{decision:?} in generation {}",
            client.generation_id
        );
        let told = self
            .told
            .entry(client.generation_id)
            .or_insert_with(|| decision.clone());
        assert_eq!(*told, decision);
    }

    /// The log stands still: the next coordinator must tell what this one tells.
    fn compare_with_successor(&mut self) {
        self.bench.commit_all();
        self.listen();
        let mut successor = self.bench.fail_over();
        assert_eq!(self.bench.fetch(), successor.fetch());
        let described = self.bench.describe();
        if described.state == "Stable" && !self.timed_out {
            assert_eq!(described, successor.describe());
        }
    }

    /// No failures any more, and nobody there: everything comes to rest.
    fn wind_down(&mut self) {
        self.bench.commits = true;
        self.bench.commit_all();
        self.listen();
        self.fetch();
        self.bench.advance(600_000);
        assert!(
            self.bench.unanswered().is_empty(),
            "somebody waits for ever"
        );
        let state = self.bench.state();
        assert!(
            ["Empty", "Dead"].contains(&state),
            "{state} without members"
        );
    }
}

fn producer(index: usize) -> Producer {
    Producer {
        id: i64::try_from(index).unwrap(),
        epoch: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_must_always_hold(ops in proptest::collection::vec(op(), 1..250)) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
        }
        world.compare_with_successor();
        world.wind_down();
    }

    #[test]
    fn groups_come_to_rest_when_the_log_is_sound(
        ops in proptest::collection::vec(0..CLIENTS, 1..40),
    ) {
        let mut world = World::new();
        world.bench.commits = true;
        for index in ops {
            world.step(&Op::Act(index));
        }
        for _ in 0..200 {
            for index in 0..CLIENTS {
                world.step(&Op::Act(index));
            }
            world.step(&Op::Advance(1_000));
        }
        prop_assert_eq!(world.bench.state(), "Stable");
        prop_assert_eq!(world.bench.describe().members.len(), CLIENTS);
        world.compare_with_successor();
    }
}
