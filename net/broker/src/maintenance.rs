//! Work that no request waits for: retention, free space, idle connections. By shares, never in a handler.

use std::rc::Rc;

use engine_base::Instant;
use engine_log::{Maintenance, MaintenancePass};
use engine_runtime::{now, race, sleep, yield_now};
use net_conn::limits::SWEEP_INTERVAL;

use crate::core::Core;

/// Runs until the broker stops.
pub(crate) async fn run(core: Rc<Core>) {
    let mut retention_due: Instant = now() + core.config.maintenance_delay;
    let mut maintenance = Maintenance::default();
    while !core.is_stopping.get() {
        let wait = SWEEP_INTERVAL.min(retention_due.since(now()));
        race(sleep(wait), core.stopping.wait()).await;
        core.connections.sweep();
        if let Err(error) = core.store().check_space() {
            tracing::warn!("free space is unknown: {error}");
        }
        if now() >= retention_due {
            apply_retention(&core, maintenance.begin()).await;
            retention_due = now() + core.config.retention_check_interval;
        }
    }
}

async fn apply_retention(core: &Core, pass: MaintenancePass) {
    let logs: Vec<_> = core.partitions.borrow().values().cloned().collect();
    for partition in logs {
        if core.is_stopping.get() {
            return;
        }
        let high_watermark = partition.high_watermark();
        if let Err(error) = partition.log().maintain(pass, high_watermark).await {
            tracing::error!(%partition, "retention failed: {error}");
        }
        yield_now().await;
    }
}
