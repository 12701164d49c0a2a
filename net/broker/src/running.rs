//! A running broker, for the threads around it: its addresses, its counters, how to stop it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use engine_base::ShardId;
use engine_runtime::{Door, spawn};

use crate::core::Core;
use crate::metrics::{self, Snapshot};

/// A broker that serves.
pub struct Ready {
    /// `node.id`.
    pub node_id: i32,
    /// Name and address of each listener, as bound.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Name, host and port of each listener, as clients are told.
    pub advertised: Vec<(String, String, u16)>,
    /// How to ask for the counters, from any thread.
    pub metrics: MetricsHandle,
    /// Partitions with acknowledged records whose folders were gone: they began anew, empty.
    pub lost: Vec<String>,
    /// How to stop it without a signal.
    pub stop: StopHandle,
}

/// Stops a running broker as SIGTERM does, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    pub(crate) door: Door<Core>,
}

impl StopHandle {
    /// Asks for it; the broker drains and ends soon after.
    pub fn stop(&self) {
        self.door.post(|core| core.stopping.notify_all());
    }
}

/// Asks a running broker for its counters, from any thread.
#[derive(Clone)]
pub struct MetricsHandle {
    pub(crate) door: Door<Core>,
}

impl MetricsHandle {
    /// The counters of all shards, summed; `None` when the broker does not answer within
    /// `patience`. Blocks: not for a shard's thread.
    #[must_use]
    pub fn snapshot(&self, patience: Duration) -> Option<Snapshot> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.ask(move |snapshot| {
            // Nobody listens any more when the patience was over.
            let _ = sender.send(snapshot);
        });
        receiver.recv_timeout(patience).ok()
    }

    /// Calls `then`, on shard 0, with the counters of all shards, summed; never when the broker
    /// has ended.
    pub fn ask(&self, then: impl FnOnce(Snapshot) + Send + 'static) {
        self.door.post(move |core| {
            let core = core.clone();
            spawn(async move { then(sum_of_shards(&core).await) }).detach();
        });
    }
}

async fn sum_of_shards(core: &Rc<Core>) -> Snapshot {
    let mut sum = Snapshot::default();
    for shard in (0..core.shards.count()).map(ShardId) {
        let part = core
            .shards
            .ask(shard, |core| async move { metrics::of_shard(&core) })
            .await;
        sum.merge(part.unwrap_or_default());
    }
    sum
}
