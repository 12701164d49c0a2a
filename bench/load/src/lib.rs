//! Open-loop load generator and the comparison with Apache Kafka.

#![forbid(unsafe_code)]
