//! Consistent overhead byte stuffing: bytes without a zero, so that a zero can mark where frames end.
//!
//! In: any bytes. Out: bytes none of which is zero, at most one longer per 254 begun. Invariant: decoding never panics and never
//! writes more bytes than it reads.

use alloc::vec::Vec;

/// Longest run of bytes behind one code byte.
const RUN: usize = 254;

/// Appends the stuffed form of `bytes`.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let run = rest.iter().take(RUN).position(|b| *b == 0);
        let len = run.unwrap_or(rest.len().min(RUN));
        let (head, tail) = rest.split_at(len);
        out.push(len as u8 + 1);
        out.extend_from_slice(head);
        match (run, tail) {
            // The code byte stands for the zero: what follows it begins another run, even if nothing does.
            (Some(_), [_, after @ ..]) => rest = after,
            (_, []) => return,
            _ => rest = tail,
        }
    }
}

/// Appends the bytes whose stuffed form this is, or nothing if it is the form of none.
pub(crate) fn decode(stuffed: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = stuffed;
    while let [code, tail @ ..] = rest {
        let len = (*code as usize).checked_sub(1)?;
        let head = tail.get(..len)?;
        out.extend_from_slice(head);
        rest = tail.get(len..)?;
        if len < RUN && !rest.is_empty() {
            out.push(0);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_an_independent_encoder(
            bytes in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>(), Just(7)], 0..1200),
        ) {
            let mut ours = Vec::new();
            encode(&bytes, &mut ours);
            prop_assert!(!ours.contains(&0));
            let mut back = Vec::new();
            prop_assert_eq!(decode(&ours, &mut back), Some(()));
            prop_assert_eq!(&back, &bytes);
            let mut theirs = [0; 1300];
            let len = ::cobs::decode(&ours, &mut theirs).map(|r| r.frame_size()).unwrap_or(0);
            prop_assert_eq!(&theirs[..len], &bytes[..]);
        }

        #[test]
        fn takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut out = Vec::new();
            let _ = decode(&bytes, &mut out);
            prop_assert!(out.len() <= bytes.len());
        }
    }

    #[test]
    fn long_runs() {
        for len in [253, 254, 255, 508, 509] {
            let bytes = alloc::vec![9; len];
            let (mut ours, mut back) = (Vec::new(), Vec::new());
            encode(&bytes, &mut ours);
            decode(&ours, &mut back);
            assert_eq!(back, bytes, "{len}");
        }
    }
}
