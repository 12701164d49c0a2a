//! State machines over a log: handle, append, replay, answer.

#![forbid(unsafe_code)]
