//! Connections: frames in, answers out in order.

#![forbid(unsafe_code)]
