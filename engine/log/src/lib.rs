//! Partition logs in Kafka's layout: append, read, recover, retain.

#![forbid(unsafe_code)]
