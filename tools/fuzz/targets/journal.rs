//! See `tools_fuzz::journal`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tools_fuzz::journal::check(data));
