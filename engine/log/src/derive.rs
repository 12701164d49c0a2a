//! The third loop of a shard: full segments are sealed, and what is derived from the logs is synced
//! now and then; beside the commits and beside the loop that sets journal files free
//! ([`crate::destage`]).
//!
//! Freeing must be quick, for commits wait when it is not, and needs none of this: indexes, epochs
//! and producer snapshots can be rebuilt from the segments. They are synced so that a start has
//! little to rebuild; it begins at the last sync that the oldest live journal file knows of. Half a
//! file before the next begins is the time: then its checkpoint states what was synced.
//!
//! Runs on the shard's core as a task whose panic stops the process; ends when the store closes
//! (which syncs everything itself) or fails. It waits for commits and for the disk, and nobody who
//! commits or sets files free waits for it.

use std::rc::Rc;

use crate::error::StoreError;
use crate::limits::{LOGS_IN_FLIGHT_MAX, SPACE_RETRY_AFTER};
use crate::shared::{Condition, Shared};
use crate::write::run_all;

/// Runs until the store closes or fails.
pub(crate) async fn run(shared: Rc<Shared>) {
    loop {
        match shared.condition.get() {
            Condition::Closing | Condition::Failed => return,
            Condition::Open | Condition::DiskFull => {}
        }
        let worked = match shared.wants_derived.take() {
            true => sync_logs(&shared).await.map(|()| true),
            false => seal_logs(&shared).await,
        };
        match worked {
            Ok(true) => {}
            Ok(false) => shared.derive_wake.wait().await,
            Err(error) if error.is_disk_full() => {
                shared.enter_disk_full();
                // All of it: whatever was begun is in there.
                shared.wants_derived.set(true);
                engine_runtime::sleep(SPACE_RETRY_AFTER).await;
            }
            Err(error) => return shared.fail(&error),
        }
    }
}

/// Seals what was asked for; `false` when nothing was.
async fn seal_logs(shared: &Rc<Shared>) -> Result<bool, StoreError> {
    let keys = shared.to_seal.take();
    let logs: Vec<_> = keys.iter().filter_map(|&key| shared.log(key)).collect();
    let seals = logs.iter().map(|log| log.sync_sealed());
    run_all(seals, LOGS_IN_FLIGHT_MAX).await?;
    Ok(!keys.is_empty())
}

/// Seals, and syncs what is derived of active segments.
async fn sync_logs(shared: &Rc<Shared>) -> Result<(), StoreError> {
    let begun = engine_runtime::now();
    let appended = shared.bytes_since_sync.replace(0);
    let logs = shared.logs();
    let syncs = logs.iter().map(|log| log.sync_derived());
    run_all(syncs, LOGS_IN_FLIGHT_MAX).await?;
    tracing::debug!(
        "what is derived of {appended} bytes was synced in {} ms; {} came meanwhile",
        engine_runtime::now().since(begun).as_millis(),
        shared.bytes_since_sync.get(),
    );
    Ok(())
}
