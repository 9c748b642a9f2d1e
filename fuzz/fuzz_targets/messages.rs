//! Feeds random bytes to [`ktap_fuzz::messages`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ktap_fuzz::messages(bytes));
