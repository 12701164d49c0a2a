//! Kafka's requests and responses.

#![forbid(unsafe_code)]
