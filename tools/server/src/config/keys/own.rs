//! Our own keys: one prefix, `ottla.`.

use super::{Class, I32_MAX, Key, Kind, integer};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "ottla.shards",
        integer(1, engine_base::limits::SHARDS_MAX as i64),
        None,
        Class::Honour,
        "pinned threads that hold partitions and connections; the cores the process may use",
    ),
    Key::new(
        "ottla.memory.bytes",
        integer(64 * 1024 * 1024, i64::MAX),
        Some("536870912"),
        Class::Honour,
        "memory for frames, caches and tables of the whole process",
    ),
    Key::new(
        "ottla.durability",
        Kind::OneOf(&["flush", "written"]),
        Some("flush"),
        Class::Honour,
        "flush: acknowledged records survive power loss; written: they survive kill -9",
    ),
    Key::new(
        "ottla.flush.files",
        Kind::OneOf(&["auto", "journal", "each"]),
        Some("auto"),
        Class::Honour,
        "which files a durable commit flushes beside the journal",
    ),
    Key::new(
        "ottla.pool.bytes",
        integer(0, i64::MAX),
        Some("8589934592"),
        Class::Honour,
        "segment files given up that each shard keeps to write again, in bytes; 0 keeps none",
    ),
    Key::new(
        "ottla.validate.records",
        Kind::OneOf(&["all", "header"]),
        Some("all"),
        Class::Honour,
        "all: every record of a batch is checked, as Kafka does; header: the batch header alone",
    ),
    Key::new(
        "ottla.metrics.listener",
        Kind::Text,
        Some("127.0.0.1:9644"),
        Class::Honour,
        "address of the Prometheus page; port 0 picks a free one, an empty value turns it off",
    ),
    Key::new(
        "ottla.metrics.required",
        Kind::Bool,
        Some("false"),
        Class::Honour,
        "true: a metrics address that is taken stops the start; false: a warning, and no page",
    ),
];

const _: () = assert!(I32_MAX > engine_base::limits::SHARDS_MAX as i64);
