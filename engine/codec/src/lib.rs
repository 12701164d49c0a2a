//! Bounds-checked reading and writing of Kafka's primitive types.

#![forbid(unsafe_code)]
