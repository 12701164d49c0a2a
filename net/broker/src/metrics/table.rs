//! Every metric beside those of requests: its name, what it is, a sentence about it. The page
//! shows them in this order.

/// What a metric's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process.
    Counter,
    /// The same, in nanoseconds.
    CounterNs,
    /// Of this moment.
    Gauge,
    /// The same, in nanoseconds.
    GaugeNs,
}

macro_rules! metrics {
    ($($metric:ident $name:literal $kind:ident $help:literal;)*) => {
        /// A metric. Names are without the `_total` of counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $metric,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$metric,)*];

            /// The name, with the unit at its end as Prometheus wants it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$metric => concat!("ottla_", $name),)* }
            }

            /// What its value is.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$metric => Kind::$kind,)* }
            }

            /// A sentence for people.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$metric => $help,)* }
            }
        }
    };
}

metrics! {
    ProducedBytes "produced_bytes" Counter "Bytes of batches appended for producers.";
    ProducedBatches "produced_batches" Counter "Batches appended for producers.";
    FetchedBytes "fetched_bytes" Counter "Bytes of batches read for consumers.";
    Connections "connections" Gauge "Connections open.";
    ConnectionsAccepted "connections_accepted" Counter "Connections accepted.";
    ConnectionsRefused "connections_refused" Counter "Connections refused: max.connections was reached.";
    RequestMemory "request_memory_bytes" Gauge "Memory of requests that arrive or wait for their answer.";
    RequestMemoryMax "request_memory_max_bytes" Gauge "What such requests may take before connections wait.";
    ParkedFetches "parked_fetches" Gauge "Fetches that wait for records.";
    FetchSessions "fetch_sessions" Gauge "Incremental fetch sessions kept.";
    Partitions "partitions" Gauge "Partitions led, that of the metadata among them.";
    Logs "logs" Gauge "Logs open.";
    Groups "groups" Gauge "Consumer groups, by state.";
    TailCache "tail_cache_bytes" Gauge "Memory that holds the newest records of the logs.";
    TailCacheMax "tail_cache_max_bytes" Gauge "What the newest records should take.";
    JournalFilesInUse "journal_files_in_use" Gauge "Journal files that a recovery would need; appends wait when there are seven and none is free.";
    JournalSize "journal_size_bytes" Gauge "Size of all journal files, those that are free included.";
    JournalDescribed "journal_described_bytes" Gauge "Data that a recovery would have to verify; bounded.";
    PoolFiles "pool_files" Gauge "Segment files given up and kept to be written again.";
    PoolSize "pool_size_bytes" Gauge "Size of those files.";
    DiskFree "disk_free_bytes" Gauge "Free space of the file system that holds the data directory.";
    DiskSize "disk_size_bytes" Gauge "Size of that file system.";
    DiskFull "disk_full" Gauge "1 while appends are refused for want of space (less than 64 MiB free); topics can be deleted and configured down to 8 MiB.";
    ReactorBusy "reactor_busy_seconds" CounterNs "Time in turns that did work.";
    ReactorSpun "reactor_spun_seconds" CounterNs "Time spent spinning for work before sleeping: not load.";
    ReactorTurns "reactor_turns" Counter "Turns of the reactor.";
    ReactorPolls "reactor_polls" Counter "Tasks polled.";
    ReactorOperations "reactor_operations" Counter "Operations given to the ring.";
    ReactorEnters "reactor_enters" Counter "Calls of io_uring_enter.";
    ReactorSleeps "reactor_sleeps" Counter "Waits in the kernel.";
    ReactorWakes "reactor_wakes_sent" Counter "Wakes sent to other shards.";
    ReactorStalls "reactor_stalls" Counter "Polls of a task that held the core for 10 ms or more.";
    ReactorStallLongest "reactor_stall_longest_seconds" GaugeNs "The longest such poll since the start.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_their_unit() {
        for metric in Metric::ALL {
            let is_time = matches!(metric.kind(), Kind::CounterNs | Kind::GaugeNs);
            assert_eq!(is_time, metric.name().ends_with("_seconds"), "{metric:?}");
            assert!(!metric.name().ends_with("_total"), "{metric:?}");
            assert!(metric.help().ends_with('.'), "{metric:?}");
        }
    }
}
