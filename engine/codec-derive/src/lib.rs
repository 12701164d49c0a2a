//! The derive macro of `engine-codec`.

#![forbid(unsafe_code)]
