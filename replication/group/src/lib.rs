//! Consumer groups: the classic protocol and committed offsets.

#![forbid(unsafe_code)]
