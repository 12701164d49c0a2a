//! Shards: placement of partitions and asking the core that owns one.

#![forbid(unsafe_code)]
