//! The end of a broker that stops clean.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use engine_base::ShardId;
use engine_log::{ClosedStore, StoreError};
use engine_runtime::timeout;
use replication_partition::Partition;

use crate::controller_host::ControllerHost;
use crate::core::Core;
use crate::directory::DataDirectory;
use crate::error::StartError;

/// How long connections may take to finish what they asked for when the broker stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Drains and stops: no new connections, requests under way are answered, everything appended is
/// committed, then every file gets its exact form.
pub(crate) async fn stop(
    core: &Rc<Core>,
    controller: &Rc<ControllerHost>,
    directory: &DataDirectory,
) -> Result<(), StartError> {
    let shards = || (0..core.shards.count()).map(ShardId);
    for shard in shards() {
        core.shards.tell(shard, |core| {
            core.begin_stop();
            core.connections.close_idle();
        });
    }
    for shard in shards() {
        let _ = core
            .shards
            .ask(
                shard,
                |core| async move { core.drain(DRAIN_TIME_MAX).await },
            )
            .await;
    }
    controller.stop().await;
    let mut stores = Vec::new();
    let mut high_watermarks = Vec::new();
    let broker_epoch = core
        .catalog()
        .image
        .cluster()
        .broker(core.config.node_id.0)
        .map(|b| b.epoch);
    for shard in shards() {
        let part = core
            .shards
            .ask(shard, |core| async move { core.close().await })
            .await;
        let part = part.map_err(|_| StartError::Damaged("a shard ended early".to_owned()))?;
        let (store, watermarks) = part?;
        stores.push(store);
        high_watermarks.extend(watermarks);
    }
    let path = &directory.path;
    let completed =
        engine_log::complete_clean_stop(path, stores, &high_watermarks, broker_epoch).await;
    completed.map_err(|error| not_stopped_clean(path, error))?;
    tracing::info!("stopped clean");
    Ok(())
}

/// A full disk is a state, also at the end: what was acknowledged is kept.
fn not_stopped_clean(path: &Path, error: StoreError) -> StartError {
    match error {
        StoreError::DiskFull => {
            let why = "the disk is full. What was acknowledged is kept: the next start recovers";
            let full = std::io::Error::new(std::io::ErrorKind::StorageFull, why);
            StartError::io("stopping clean in", path, full)
        }
        other => other.into(),
    }
}

/// Topic, partition, and up to where its records are kept.
type Watermark = (String, i32, i64);

impl Core {
    /// Commits what was appended and gives every file its exact form. The end of this shard's
    /// logs.
    async fn close(self: Rc<Self>) -> Result<(ClosedStore, Vec<Watermark>), StartError> {
        let closed = self.store().close().await;
        let store = closed.map_err(|error| not_stopped_clean(&self.config.log_dir, error))?;
        let partitions = self.partitions.borrow();
        let watermark = |partition: &Rc<Partition>| {
            let id = partition.id();
            (
                partition.topic().to_string(),
                id.partition,
                partition.high_watermark(),
            )
        };
        Ok((store, partitions.values().map(watermark).collect()))
    }

    /// Waits for connections to finish, a bounded time.
    async fn drain(self: Rc<Self>, patience: Duration) {
        if timeout(patience, self.connections.emptied()).await.is_err() {
            tracing::warn!(
                "{} connections did not finish and are cut off",
                self.connections.count()
            );
            self.connections.close_all();
        }
    }
}
