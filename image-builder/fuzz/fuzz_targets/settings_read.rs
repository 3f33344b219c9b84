#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| image_builder_fuzz::bodies::settings_read(data));
