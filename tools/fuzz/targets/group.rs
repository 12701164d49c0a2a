//! See `tools_fuzz::group`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tools_fuzz::group::check(data));
