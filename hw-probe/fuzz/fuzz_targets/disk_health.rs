#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hw_probe_fuzz::disk_health(data));
