//! Feeds random bytes to [`ktap_fuzz::session`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ktap_fuzz::session(bytes));
