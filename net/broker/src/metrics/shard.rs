//! The numbers of one shard, taken on its core when somebody asks.

use engine_base::ShardId;
use engine_runtime::fs;
use replication_group::GroupCoordinator;

use super::table::Metric;
use super::{Of, Snapshot};
use crate::core::Core;

/// A copy of this shard's counters, and its gauges of this moment.
pub(crate) fn of_shard(core: &Core) -> Snapshot {
    let shard = Of::Shard(core.id());
    let mut snapshot = Snapshot {
        requests: core.metrics.by_api(),
        ..Snapshot::default()
    };
    let values = &mut snapshot.values;
    values.extend(counters(core).map(|(metric, value)| ((metric, Of::Broker), value)));
    values.extend(gauges(core).map(|(metric, value)| ((metric, shard), value as u64)));
    values.extend(reactor().map(|(metric, value)| ((metric, shard), value)));
    values.extend(store(core).map(|(metric, value)| ((metric, shard), value)));
    for state in GroupCoordinator::STATES {
        values.insert((Metric::Groups, Of::GroupState(state)), 0);
    }
    for host in core.groups.borrow().values() {
        host.each_state(|state| {
            *values
                .entry((Metric::Groups, Of::GroupState(state)))
                .or_default() += 1;
        });
    }
    if core.id() == ShardId(0) {
        values.extend(disk(core).map(|(metric, value)| ((metric, Of::Broker), value)));
    }
    snapshot
}

fn counters(core: &Core) -> impl Iterator<Item = (Metric, u64)> {
    let metrics = &core.metrics;
    [
        (Metric::ProducedBytes, &metrics.produced_bytes),
        (Metric::ProducedBatches, &metrics.produced_batches),
        (Metric::FetchedBytes, &metrics.fetched_bytes),
        (Metric::ConnectionsAccepted, &metrics.connections_accepted),
        (Metric::ConnectionsRefused, &metrics.connections_refused),
    ]
    .into_iter()
    .map(|(metric, cell)| (metric, cell.get()))
}

fn gauges(core: &Core) -> impl Iterator<Item = (Metric, usize)> {
    [
        (Metric::Connections, core.connections.count()),
        (Metric::RequestMemory, core.budget.used_bytes()),
        (Metric::RequestMemoryMax, core.budget.size_bytes_max()),
        (Metric::ParkedFetches, core.parking.count()),
        (Metric::FetchSessions, core.sessions.count()),
        (Metric::Partitions, core.partitions.borrow().len()),
    ]
    .into_iter()
}

/// What the reactor of the present core counts.
fn reactor() -> impl Iterator<Item = (Metric, u64)> {
    let metrics = engine_runtime::metrics();
    [
        (Metric::ReactorBusy, metrics.busy_ns.value()),
        (Metric::ReactorSpun, metrics.polled_ns.value()),
        (Metric::ReactorTurns, metrics.turns.value()),
        (Metric::ReactorPolls, metrics.polls.value()),
        (Metric::ReactorOperations, metrics.operations.value()),
        (Metric::ReactorEnters, metrics.enters.value()),
        (Metric::ReactorSleeps, metrics.sleeps.value()),
        (Metric::ReactorWakes, metrics.wakes_sent.value()),
        (Metric::ReactorStalls, metrics.stalls.value()),
        (
            Metric::ReactorStallLongest,
            metrics.stall_longest_ns.value(),
        ),
    ]
    .into_iter()
}

/// What the logs take. A store is there before anybody is served.
fn store(core: &Core) -> impl Iterator<Item = (Metric, u64)> {
    let store = core.store();
    let usage = store.usage();
    [
        (Metric::Logs, usage.logs as u64),
        (Metric::TailCache, usage.tails_bytes as u64),
        (Metric::TailCacheMax, usage.tails_bytes_max as u64),
        (Metric::JournalFilesInUse, usage.journal_files_in_use as u64),
        (Metric::JournalSize, usage.journal_size_bytes),
        (Metric::JournalDescribed, usage.described_bytes),
        (Metric::PoolFiles, usage.pool_files as u64),
        (Metric::PoolSize, usage.pool_size_bytes),
        (Metric::DiskFull, u64::from(store.is_disk_full())),
    ]
    .into_iter()
}

/// Nothing when the file system does not answer.
fn disk(core: &Core) -> impl Iterator<Item = (Metric, u64)> {
    let space = fs::disk_space(&core.config.log_dir).ok();
    space.into_iter().flat_map(|space| {
        [
            (Metric::DiskFree, space.available_bytes),
            (Metric::DiskSize, space.total_bytes),
        ]
    })
}
