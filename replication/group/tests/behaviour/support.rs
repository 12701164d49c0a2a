//! A coordinator over a log that commits when the test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine_base::Instant;
use engine_record::{BatchView, Compression, Decompressor};
use replication_coordinator::{
    Append, AppendError, CoordinatorShard, Effects, Lifecycle, Moment, RuntimeConfig, Token,
};
use replication_group::{Answer, GroupConfig, GroupCoordinator, Notice, Request};

pub(crate) const GROUP: &str = "g";
pub(crate) const TOPIC: &str = "t";
const WALL_CLOCK_START_MS: i64 = 1_700_000_000_000;

pub(crate) struct Bench {
    pub(crate) shard: CoordinatorShard<GroupCoordinator>,
    pub(crate) config: GroupConfig,
    pub(crate) now_ms: u64,
    /// Commit each append at once.
    pub(crate) commits: bool,
    /// What the log holds, committed or not.
    pub(crate) log: Vec<Append>,
    /// The part of it that is not committed.
    pub(crate) in_flight: VecDeque<Append>,
    loaded_end: i64,
    pub(crate) notices: Vec<Notice>,
    answers: BTreeMap<Token, Answer>,
    asked: BTreeSet<Token>,
    deadline: Option<Instant>,
    /// Random draws so far; successors go on from there.
    pub(crate) draws: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_config(GroupConfig::default())
    }

    pub(crate) fn with_config(config: GroupConfig) -> Self {
        Self::load(config, Vec::new(), 0, 0)
    }

    /// A coordinator that has replayed this log up to its end, and commits what was not.
    pub(crate) fn load(
        config: GroupConfig,
        log: Vec<Append>,
        high_watermark: i64,
        now_ms: u64,
    ) -> Self {
        let mut bench = Self::load_uncommitted(config, log, high_watermark, now_ms);
        bench.commits = true;
        bench.commit_all();
        bench
    }

    pub(crate) fn load_uncommitted(
        config: GroupConfig,
        log: Vec<Append>,
        high_watermark: i64,
        now_ms: u64,
    ) -> Self {
        let machine = GroupCoordinator::new(config.clone());
        let mut shard = CoordinatorShard::new(machine, RuntimeConfig::default());
        let mut notices = Vec::new();
        let mut end = 0;
        for append in &log {
            end = append.base_offset + i64::try_from(append.body.record_count()).unwrap();
            load_append(&mut shard, append, high_watermark, &mut notices);
        }
        let in_flight = log
            .iter()
            .filter(|append| append.base_offset >= high_watermark);
        let mut bench = Self {
            shard,
            config,
            now_ms,
            commits: false,
            in_flight: in_flight.cloned().collect(),
            log,
            loaded_end: end,
            notices,
            answers: BTreeMap::new(),
            asked: BTreeSet::new(),
            deadline: None,
            draws: 0,
        };
        let effects = bench.shard.finish_load(bench.moment(), end, high_watermark);
        bench.perform(effects);
        bench
    }

    /// Another broker takes over: everything in the log is replayed.
    pub(crate) fn fail_over(&self) -> Self {
        let end = self.log.last().map_or(0, |append| {
            append.base_offset + i64::try_from(append.body.record_count()).unwrap()
        });
        let mut successor = Self::load(self.config.clone(), self.log.clone(), end, self.now_ms);
        successor.draws = self.draws;
        successor
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            now: Instant(self.now_ms * 1_000_000),
            timestamp: WALL_CLOCK_START_MS + i64::try_from(self.now_ms).unwrap(),
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Token {
        let token = Token(u64::try_from(self.asked.len()).unwrap());
        self.asked.insert(token);
        let effects = self.shard.handle(self.moment(), token, request);
        self.perform(effects);
        token
    }

    pub(crate) fn perform(&mut self, effects: Effects<GroupCoordinator>) {
        self.deadline = effects.deadline;
        self.notices.extend(effects.notices);
        for (token, answer) in effects.answers {
            assert!(
                self.asked.contains(&token),
                "an answer to nobody: {answer:?}"
            );
            let previous = self.answers.insert(token, answer);
            assert!(previous.is_none(), "{token:?} was answered twice");
        }
        for append in effects.appends {
            self.shard
                .on_appended(append.id, append.base_offset)
                .unwrap();
            self.log.push(append.clone());
            self.in_flight.push_back(append);
        }
        if self.commits {
            self.commit_all();
        }
    }

    pub(crate) fn commit_one(&mut self) {
        if let Some(append) = self.in_flight.pop_front() {
            let end = append.base_offset + i64::try_from(append.body.record_count()).unwrap();
            let effects = self.shard.on_high_watermark(self.moment(), end);
            self.perform(effects);
        }
    }

    pub(crate) fn commit_all(&mut self) {
        while !self.in_flight.is_empty() {
            self.commit_one();
        }
    }

    /// The log loses the oldest append of this coordinator that is in flight, and with it all
    /// later ones. What was in the log when it was loaded stays there.
    pub(crate) fn fail_oldest(&mut self, error: AppendError) {
        let loaded_end = self.loaded_end;
        let mut in_flight = self.in_flight.iter();
        let Some(first) = in_flight.find(|append| append.base_offset >= loaded_end) else {
            return;
        };
        let (first, end) = (first.id, first.base_offset);
        self.log.retain(|append| append.base_offset < end);
        self.in_flight.retain(|append| append.base_offset < end);
        let effects = self.shard.on_append_failed(self.moment(), first, error);
        self.perform(effects);
    }

    /// Lets time pass, and timers fire when they are due.
    pub(crate) fn advance(&mut self, ms: u64) {
        let target = self.now_ms + ms;
        while let Some(deadline) = self.deadline.filter(|due| due.0 <= target * 1_000_000) {
            self.now_ms = self.now_ms.max(deadline.0.div_ceil(1_000_000));
            let effects = self.shard.on_timer(self.moment());
            self.perform(effects);
        }
        self.now_ms = target;
    }

    pub(crate) fn unload(&mut self) {
        self.in_flight.clear();
        let effects = self.shard.unload(self.moment());
        self.perform(effects);
        assert_eq!(self.shard.lifecycle(), Lifecycle::Closed);
    }

    pub(crate) fn answered(&self, token: Token) -> Option<&Answer> {
        self.answers.get(&token)
    }

    pub(crate) fn unanswered(&self) -> Vec<Token> {
        let tokens = self.asked.iter();
        tokens
            .filter(|token| !self.answers.contains_key(token))
            .copied()
            .collect()
    }

    pub(crate) fn random(&mut self) -> [u8; 16] {
        self.draws += 1;
        let mut bits = [0; 16];
        bits[8..].copy_from_slice(&self.draws.to_be_bytes());
        bits
    }

    // Groups in a state.

    /// A stable group of one dynamic member: its id and generation.
    pub(crate) fn stable(&mut self) -> (Arc<str>, i32) {
        let (leader, generation) = self.completing();
        let token = self.sync(&leader, generation, &[(&*leader, "all")]);
        self.commit_all();
        assert_eq!(self.assignment(token), "all");
        (leader, generation)
    }

    /// A group of one dynamic member that has joined and not synced.
    pub(crate) fn completing(&mut self) -> (Arc<str>, i32) {
        let (leader, token) = self.join_new();
        self.advance(3_000);
        let answer = self.join_answer(token);
        assert_eq!((answer.error, &answer.leader), (None, &leader));
        (leader, answer.generation_id)
    }

    /// A stable group of several dynamic members, the leader first.
    pub(crate) fn stable_of(&mut self, count: usize) -> (Vec<Arc<str>>, i32) {
        let joined: Vec<(Arc<str>, Token)> = (0..count).map(|_| self.join_new()).collect();
        self.advance(3_000 * 3);
        let leader = self.join_answer(joined[0].1).leader;
        let generation = self.join_answer(joined[0].1).generation_id;
        let mut ids: Vec<Arc<str>> = joined.into_iter().map(|(id, _)| id).collect();
        ids.sort_by_key(|id| *id != leader);
        let given: Vec<(&str, &str)> = ids.iter().map(|id| (&**id, &**id)).collect();
        for id in ids.iter().rev() {
            self.sync(id, generation, &given);
        }
        self.commit_all();
        assert_eq!(self.state(), "Stable");
        (ids, generation)
    }
}

/// Through the bytes of the log, some compressed.
fn load_append(
    shard: &mut CoordinatorShard<GroupCoordinator>,
    append: &Append,
    high_watermark: i64,
    notices: &mut Vec<Notice>,
) {
    let compression = match append.base_offset % 8 {
        7 => Compression::Lz4,
        _ => Compression::None,
    };
    let bytes = append.to_batch(compression);
    let batch = BatchView::read(&bytes).unwrap();
    batch.check_crc().unwrap();
    let mut decompressor = Decompressor::default();
    shard
        .load_batch(&batch, &mut decompressor, high_watermark, notices)
        .unwrap();
}
