//! See `tools_fuzz::checkpoints`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tools_fuzz::checkpoints::check(data));
