//! Feeds random bytes to [`ktap_fuzz::image_decode_verify`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ktap_fuzz::image_decode_verify(bytes));
