//! The metadata log's records, and the image they build.

#![forbid(unsafe_code)]
