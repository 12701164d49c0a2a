//! One core's whole state.
//!
//! A [`Core`] lives on one shard and is reached from there only: by the connections that live on
//! the shard, and by jobs that other shards send. Nothing in it is behind a lock.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use engine_base::{HashMap, ShardId, TopicPartition};
use engine_log::{Log, LogStore, StoreError};
use engine_runtime::{JoinHandle, Notify};
use engine_shard::{Placement, Shards};
use net_conn::{Budget, Registry};
use replication_partition::Partition;

use crate::acceptor::Load;
use crate::catalog::Catalog;
use crate::config::BrokerConfig;
use crate::controller_host::ControllerHost;
use crate::door::Door;
use crate::fetch_session::FetchSessions;
use crate::group_host::GroupHost;
use crate::metrics::Metrics;
use crate::parking::Parking;

/// The state of one shard.
pub(crate) struct Core {
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) shards: Rc<Shards<Self>>,
    pub(crate) placement: Placement,
    cluster_id: OnceCell<String>,
    /// Set when the shard has opened its logs, before anything is asked of it.
    pub(crate) store: OnceCell<LogStore>,
    /// Logs that were found on disk and that no image has claimed yet.
    pub(crate) opened: RefCell<HashMap<TopicPartition, Log>>,
    /// The partitions this shard owns.
    pub(crate) partitions: RefCell<HashMap<TopicPartition, Rc<Partition>>>,
    /// The coordinators of the `__consumer_offsets` partitions this shard owns.
    pub(crate) groups: RefCell<HashMap<i32, Rc<GroupHost>>>,
    /// The commit loop, to wait for at the end.
    pub(crate) commits: RefCell<Option<JoinHandle<Result<(), StoreError>>>>,
    pub(crate) catalog: RefCell<Arc<Catalog>>,
    /// On shard 0 only.
    pub(crate) controller: OnceCell<Rc<ControllerHost>>,
    pub(crate) sessions: FetchSessions,
    pub(crate) parking: Parking,
    pub(crate) connections: Rc<Registry>,
    /// On shard 0: how many connections every shard has.
    pub(crate) load: Load,
    pub(crate) budget: Rc<Budget>,
    pub(crate) door: Door,
    pub(crate) metrics: Metrics,
    /// The next producer id of the block this shard was given, and how many are left.
    pub(crate) producer_ids: Cell<(i64, u32)>,
    pub(crate) is_stopping: Cell<bool>,
    pub(crate) stopping: Notify,
    /// On shards other than 0: the boot is over and the shard may end.
    pub(crate) ended: Notify,
}

impl Core {
    /// The state of a shard that has opened nothing yet.
    pub(crate) fn new(config: Arc<BrokerConfig>, shards: Rc<Shards<Self>>) -> Rc<Self> {
        let shard_count = shards.count();
        let frames_bytes = config.memory_bytes / 4 / usize::from(shard_count);
        Rc::new(Self {
            placement: Placement::new(shard_count),
            shards,
            store: OnceCell::new(),
            opened: RefCell::default(),
            cluster_id: OnceCell::new(),
            load: Load::default(),
            partitions: RefCell::default(),
            groups: RefCell::default(),
            commits: RefCell::default(),
            catalog: RefCell::default(),
            controller: OnceCell::new(),
            sessions: FetchSessions::new(config.fetch_sessions_max / usize::from(shard_count) + 1),
            parking: Parking::default(),
            connections: Registry::new(config.connection_idle_max),
            budget: Budget::new(frames_bytes.max(config.request_size_bytes_max)),
            door: Door::new(frames_bytes / 2),
            metrics: Metrics::default(),
            producer_ids: Cell::new((0, 0)),
            is_stopping: Cell::new(false),
            stopping: Notify::new(),
            ended: Notify::new(),
            config,
        })
    }

    /// This shard.
    pub(crate) fn id(&self) -> ShardId {
        self.shards.id()
    }

    /// The newest catalog. Taken once for each request: what a request sees does not change
    /// under it.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.borrow().clone()
    }

    /// The shard that owns a partition.
    pub(crate) fn owner(&self, partition: TopicPartition) -> ShardId {
        self.placement.owner(partition)
    }

    /// A partition that this shard owns.
    pub(crate) fn partition(&self, id: TopicPartition) -> Option<Rc<Partition>> {
        self.partitions.borrow().get(&id).cloned()
    }

    /// The cluster's id.
    pub(crate) fn cluster_id(&self) -> &str {
        self.cluster_id
            .get()
            .expect("a shard learns its cluster before it serves")
    }

    /// Learns the cluster's id.
    pub(crate) fn set_cluster_id(&self, cluster_id: &str) {
        self.cluster_id.get_or_init(|| cluster_id.to_owned());
    }

    /// The logs of this shard.
    pub(crate) fn store(&self) -> &LogStore {
        self.store
            .get()
            .expect("a shard opens its logs before it is asked for them")
    }

    /// The commit loop finished a commit: watermarks move, and who waits for them wakes.
    pub(crate) fn on_committed(&self, moved: &[Log]) {
        for log in moved {
            let id = log.id();
            let Some(partition) = self.partition(id) else {
                continue;
            };
            if !partition.on_committed() {
                continue;
            }
            if partition.topic().as_ref() == crate::OFFSETS_TOPIC {
                let host = self.groups.borrow().get(&id.partition).cloned();
                if let Some(host) = host {
                    host.on_high_watermark();
                }
            }
        }
    }

    /// Tells everything that waits that the shard is going to stop.
    pub(crate) fn begin_stop(&self) {
        self.is_stopping.set(true);
        self.stopping.notify_all();
        self.parking.wake_all();
        for host in self.groups.borrow().values() {
            host.stop();
        }
    }
}
