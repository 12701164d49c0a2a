//! The HTTP face of the broker: the metrics page.

#![forbid(unsafe_code)]
