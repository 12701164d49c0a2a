//! See `tools_fuzz::recovery`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tools_fuzz::recovery::check(data));
