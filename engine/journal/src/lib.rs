//! The commit record of a shard: opaque entries made durable together.

#![forbid(unsafe_code)]
