//! The tail cache: last appended bytes, served without a copy.

#![forbid(unsafe_code)]
