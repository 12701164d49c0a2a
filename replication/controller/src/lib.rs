//! The active controller: commands in, metadata records out.

#![forbid(unsafe_code)]
