#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| image_builder_fuzz::bodies::ipxe_script(data));
