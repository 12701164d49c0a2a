//! Incremental fetch sessions (KIP-227): a consumer of many partitions sends and receives only
//! what changed.
//!
//! Sessions live on the shard of the connection that made them; a client that reconnects to
//! another shard is told that its session is unknown and sends a full request, as after any
//! broker restart. Pure bookkeeping: reading partitions is the fetch handler's work.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use engine_base::{HashMap, Instant, Uuid};
use net_wire::ErrorCode;

/// A session that was used within this time is only evicted for a larger one
/// (`min.incremental.fetch.session.eviction.ms`).
const EVICTION_AGE_MIN: Duration = Duration::from_secs(120);

/// The epoch of a request that wants no session, or closes its own.
const FINAL_EPOCH: i32 = -1;
/// The epoch of a request that wants a new session.
const INITIAL_EPOCH: i32 = 0;

/// A topic as the request named it: by id from version 13 on, by name before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef {
    Id(Uuid),
    Name(Rc<str>),
}

/// A partition as the request named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartitionRef {
    pub(crate) topic: TopicRef,
    pub(crate) partition: i32,
}

/// What a client wants from one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) fetch_offset: i64,
    pub(crate) size_bytes_max: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    pub(crate) log_start_offset: i64,
}

/// What a session remembers of one partition.
#[derive(Clone, Debug)]
struct Cached {
    wanted: Wanted,
    /// As last told to the client; -1 when nothing was.
    high_watermark: i64,
    log_start_offset: i64,
}

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: i32,
    epoch: i32,
    uses_topic_ids: bool,
    last_used: Instant,
    partitions: HashMap<PartitionRef, Cached>,
    /// Partitions in the order they are read: those that had data go to the end.
    order: Vec<PartitionRef>,
}

/// How a fetch request is to be answered.
pub(crate) enum Fetch {
    /// All partitions of the request, all of them in the answer; `session_id` is 0 without one.
    Full { session_id: i32 },
    /// The session's partitions; only those with news in the answer.
    Incremental(Rc<RefCell<Session>>),
}

/// The head of a fetch request, as sessions see it.
pub(crate) struct SessionRequest<'a> {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    pub(crate) uses_topic_ids: bool,
    pub(crate) wanted: &'a [(PartitionRef, Wanted)],
    pub(crate) forgotten: &'a [PartitionRef],
}

/// All sessions of one shard.
pub(crate) struct FetchSessions {
    sessions: RefCell<HashMap<i32, Rc<RefCell<Session>>>>,
    sessions_max: usize,
}

impl FetchSessions {
    /// Room for `sessions_max` sessions.
    pub(crate) fn new(sessions_max: usize) -> Self {
        Self {
            sessions: RefCell::default(),
            sessions_max,
        }
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Finds, makes or ends a session. `random` draws a candidate for a new id.
    pub(crate) fn start(
        &self,
        now: Instant,
        request: &SessionRequest<'_>,
        random: impl FnMut() -> u64,
    ) -> Result<Fetch, ErrorCode> {
        match request.session_epoch {
            FINAL_EPOCH => {
                self.sessions.borrow_mut().remove(&request.session_id);
                Ok(Fetch::Full { session_id: 0 })
            }
            INITIAL_EPOCH => {
                self.sessions.borrow_mut().remove(&request.session_id);
                Ok(Fetch::Full {
                    session_id: self.create(now, request, random),
                })
            }
            epoch => self.resume(now, epoch, request),
        }
    }

    /// Forgets everything a full answer told the client, except what it told: later answers hold
    /// only what changed since.
    pub(crate) fn note_full_answer(
        &self,
        session_id: i32,
        told: impl Iterator<Item = (PartitionRef, i64, i64)>,
    ) {
        let sessions = self.sessions.borrow();
        let Some(session) = sessions.get(&session_id) else {
            return;
        };
        let mut session = session.borrow_mut();
        for (partition, high_watermark, log_start_offset) in told {
            if let Some(cached) = session.partitions.get_mut(&partition) {
                cached.high_watermark = high_watermark;
                cached.log_start_offset = log_start_offset;
            }
        }
    }

    fn create(
        &self,
        now: Instant,
        request: &SessionRequest<'_>,
        mut random: impl FnMut() -> u64,
    ) -> i32 {
        let mut sessions = self.sessions.borrow_mut();
        if request.wanted.is_empty() || !make_room(&mut sessions, self.sessions_max, now, request) {
            return 0;
        }
        let id = loop {
            let candidate = i32::try_from(random() >> 33).unwrap_or(0);
            if candidate > 0 && !sessions.contains_key(&candidate) {
                break candidate;
            }
        };
        let mut session = Session {
            id,
            epoch: 1,
            uses_topic_ids: request.uses_topic_ids,
            last_used: now,
            partitions: HashMap::default(),
            order: Vec::new(),
        };
        session.update(request.wanted, &[]);
        sessions.insert(id, Rc::new(RefCell::new(session)));
        id
    }

    fn resume(
        &self,
        now: Instant,
        epoch: i32,
        request: &SessionRequest<'_>,
    ) -> Result<Fetch, ErrorCode> {
        let mut sessions = self.sessions.borrow_mut();
        let found = sessions.get(&request.session_id).cloned();
        let shared = found.ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        let mut session = shared.borrow_mut();
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_topic_ids != request.uses_topic_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.update(request.wanted, request.forgotten);
        session.last_used = now;
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        if session.order.is_empty() {
            sessions.remove(&request.session_id);
            return Ok(Fetch::Full { session_id: 0 });
        }
        drop(session);
        Ok(Fetch::Incremental(shared))
    }
}

/// Evicts a session when there is no room: the one unused for longest if it is old, else one
/// that is smaller than the new one would be.
fn make_room(
    sessions: &mut HashMap<i32, Rc<RefCell<Session>>>,
    sessions_max: usize,
    now: Instant,
    request: &SessionRequest<'_>,
) -> bool {
    if sessions.len() < sessions_max {
        return true;
    }
    let oldest = sessions
        .values()
        .min_by_key(|session| session.borrow().last_used);
    let smallest = sessions
        .values()
        .min_by_key(|session| session.borrow().order.len());
    let is_old =
        |session: &&Rc<RefCell<Session>>| now.since(session.borrow().last_used) > EVICTION_AGE_MIN;
    let is_smaller =
        |session: &&Rc<RefCell<Session>>| session.borrow().order.len() < request.wanted.len();
    let evicted = oldest
        .filter(is_old)
        .or_else(|| smallest.filter(is_smaller));
    let Some(evicted) = evicted.map(|session| session.borrow().id) else {
        return false;
    };
    sessions.remove(&evicted);
    true
}

impl Session {
    /// The partitions to read, in order.
    pub(crate) fn wanted(&self) -> Vec<(PartitionRef, Wanted)> {
        self.order
            .iter()
            .map(|partition| (partition.clone(), self.partitions[partition].wanted))
            .collect()
    }

    /// Whether the answer must hold this partition, given what it would say; notes that it was
    /// said. Partitions with data move to the end of the order, so that none starves.
    pub(crate) fn note_answer(
        &mut self,
        partition: &PartitionRef,
        high_watermark: i64,
        log_start_offset: i64,
        has_records: bool,
        is_error: bool,
    ) -> bool {
        let Some(cached) = self.partitions.get_mut(partition) else {
            return true;
        };
        let mut has_news = has_records || is_error;
        if is_error {
            // The next good answer tells the client where the partition stands.
            cached.high_watermark = -1;
            cached.log_start_offset = -1;
        } else {
            has_news |= cached.high_watermark != high_watermark;
            has_news |= cached.log_start_offset != log_start_offset;
            cached.high_watermark = high_watermark;
            cached.log_start_offset = log_start_offset;
        }
        if has_records {
            let place = self.order.iter().position(|other| other == partition);
            if let Some(place) = place.filter(|&place| place + 1 < self.order.len()) {
                self.order[place..].rotate_left(1);
            }
        }
        has_news
    }

    fn update(&mut self, wanted: &[(PartitionRef, Wanted)], forgotten: &[PartitionRef]) {
        for (partition, wanted) in wanted {
            if let Some(cached) = self.partitions.get_mut(partition) {
                cached.wanted = *wanted;
            } else {
                let cached = Cached {
                    wanted: *wanted,
                    high_watermark: -1,
                    log_start_offset: -1,
                };
                self.partitions.insert(partition.clone(), cached);
                self.order.push(partition.clone());
            }
        }
        for partition in forgotten {
            if self.partitions.remove(partition).is_some() {
                self.order.retain(|other| other != partition);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> PartitionRef {
        PartitionRef {
            topic: TopicRef::Name("t".into()),
            partition: index,
        }
    }

    fn wanted(fetch_offset: i64) -> Wanted {
        Wanted {
            fetch_offset,
            size_bytes_max: 1 << 20,
            current_leader_epoch: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
        }
    }

    fn request<'a>(
        session_id: i32,
        session_epoch: i32,
        wanted: &'a [(PartitionRef, Wanted)],
        forgotten: &'a [PartitionRef],
    ) -> SessionRequest<'a> {
        SessionRequest {
            session_id,
            session_epoch,
            uses_topic_ids: false,
            wanted,
            forgotten,
        }
    }

    fn create(sessions: &FetchSessions, now: Instant, count: i32) -> i32 {
        let all: Vec<_> = (0..count)
            .map(|index| (partition(index), wanted(0)))
            .collect();
        let mut draw = sessions.count() as u64 + 1;
        let random = || {
            draw += 1;
            draw << 33
        };
        match sessions.start(now, &request(0, 0, &all, &[]), random) {
            Ok(Fetch::Full { session_id }) => session_id,
            _ => panic!("an initial epoch is a full fetch"),
        }
    }

    #[test]
    fn incremental_request_updates_forgets_and_advances_the_epoch() {
        let sessions = FetchSessions::new(10);
        let id = create(&sessions, Instant(0), 3);
        let update = [(partition(1), wanted(9))];
        let forgotten = [partition(0)];
        let next = request(id, 1, &update, &forgotten);
        let Ok(Fetch::Incremental(session)) = sessions.start(Instant(1), &next, || 0) else {
            panic!("the session exists")
        };
        let offsets: Vec<_> = session
            .borrow()
            .wanted()
            .iter()
            .map(|(p, w)| (p.partition, w.fetch_offset))
            .collect();
        assert_eq!(offsets, [(1, 9), (2, 0)]);
        let again = sessions.start(Instant(1), &next, || 0);
        assert_eq!(again.err(), Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
        let unknown = sessions.start(Instant(1), &request(id + 1, 1, &[], &[]), || 0);
        assert_eq!(unknown.err(), Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    }

    #[test]
    fn answer_holds_only_partitions_with_news() {
        let sessions = FetchSessions::new(10);
        let id = create(&sessions, Instant(0), 2);
        sessions.note_full_answer(id, [(partition(0), 5, 0), (partition(1), 5, 0)].into_iter());
        let Ok(Fetch::Incremental(session)) =
            sessions.start(Instant(1), &request(id, 1, &[], &[]), || 0)
        else {
            panic!("the session exists")
        };
        let mut session = session.borrow_mut();
        assert!(!session.note_answer(&partition(0), 5, 0, false, false));
        assert!(session.note_answer(&partition(0), 6, 0, true, false));
        assert!(session.note_answer(&partition(1), 5, 0, false, true));
        assert!(session.note_answer(&partition(1), 5, 0, false, false));
        let order: Vec<_> = session.wanted().iter().map(|(p, _)| p.partition).collect();
        assert_eq!(order, [1, 0]);
    }

    #[test]
    fn full_cache_evicts_the_old_or_the_smaller_only() {
        let sessions = FetchSessions::new(1);
        let first = create(&sessions, Instant(0), 2);
        assert_ne!(first, 0);
        assert_eq!(create(&sessions, Instant(1), 2), 0);
        let larger = create(&sessions, Instant(1), 3);
        assert_ne!(larger, 0);
        let late = Instant(0) + EVICTION_AGE_MIN + EVICTION_AGE_MIN;
        assert_ne!(create(&sessions, late, 1), 0);
        assert_eq!(sessions.count(), 1);
    }

    #[test]
    fn session_without_partitions_ends() {
        let sessions = FetchSessions::new(10);
        let id = create(&sessions, Instant(0), 1);
        let forgotten = [partition(0)];
        let emptied = sessions.start(Instant(1), &request(id, 1, &[], &forgotten), || 0);
        assert!(matches!(emptied, Ok(Fetch::Full { session_id: 0 })));
        assert_eq!(sessions.count(), 0);
    }
}
