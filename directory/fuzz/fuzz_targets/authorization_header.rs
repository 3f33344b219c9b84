#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| directory_fuzz::authorization_header(data));
