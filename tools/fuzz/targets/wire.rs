//! See `tools_fuzz::wire`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tools_fuzz::wire::check(data));
