#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hw_probe_fuzz::smbios_load(data));
