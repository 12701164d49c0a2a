//! The broker: every API, and one core's whole state.

#![forbid(unsafe_code)]

pub mod config;
