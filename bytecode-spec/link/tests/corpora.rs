//! What the fuzzer checks, over the corpora and over random bytes: a fuzzer is not needed to keep them.

#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

use proptest::prelude::*;

fn run(name: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(&corpus).expect("a corpus") {
        check(&std::fs::read(entry.expect("an entry").path()).expect("a file"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", corpus.display());
}

#[test]
fn corpora() {
    run("image_decode_verify", fuzz::image_decode_verify);
    run("deframer", fuzz::deframer);
    run("session", fuzz::session);
    run("messages", fuzz::messages);
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..500)) {
        fuzz::image_decode_verify(&bytes);
        fuzz::deframer(&bytes);
        fuzz::session(&bytes);
        fuzz::messages(&bytes);
    }
}
