//! The deframer: frames out of a stream that also carries console text.
//!
//! In: bytes as they come, in any pieces. Out: [`Deframed`], in order. Invariant: it holds at most one frame's length of bytes
//! that are not told yet, and finds the next whole frame after any garbage.
//!
//! A frame stands between zeros and its second byte is a control character, so a line of text is told from a frame as
//! soon as its newline is there. Of bytes that are neither (a frame that text or a flipped bit broke) only the printable runs
//! are passed on.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::frame::{self, Frame, MAX_STUFFED};

/// Shortest run of printable characters worth showing out of a broken frame; shorter ones are mostly chance.
const MIN_RUN: usize = 8;

/// What the bytes were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deframed {
    /// A whole frame.
    Frame(Frame),
    /// Text: a line with its newline, or what there was of it.
    Noise(Vec<u8>),
}

/// Finds frames.
#[derive(Debug, Default)]
pub struct Deframer {
    segment: Vec<u8>,
    found: VecDeque<Deframed>,
    damaged: u64,
}

impl Deframer {
    /// Takes bytes from the link.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(zero) = rest.iter().position(|b| *b == 0) {
            let (head, tail) = rest.split_at(zero);
            if self.segment.is_empty() && head.len() <= MAX_STUFFED {
                self.close(head);
            } else {
                self.gather(head);
                let segment = core::mem::take(&mut self.segment);
                self.close(&segment);
                self.segment = segment;
                self.segment.clear();
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.gather(rest);
        self.tell_lines();
    }

    /// Returns the next thing found, if any.
    pub fn next_found(&mut self) -> Option<Deframed> {
        self.found.pop_front()
    }

    /// Returns how many pieces were neither frame nor text: frames broken on the way.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Adds to the segment; what outgrows a frame is none.
    fn gather(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(MAX_STUFFED) {
            if self.segment.len() + piece.len() > MAX_STUFFED {
                self.tell_lines();
            }
            if self.segment.len() + piece.len() > MAX_STUFFED {
                let segment = core::mem::take(&mut self.segment);
                self.scrap(&segment);
            }
            self.segment.extend_from_slice(piece);
        }
    }

    /// Passes on the whole lines of text the segment begins with.
    fn tell_lines(&mut self) {
        let mut told = 0;
        // The first byte of a frame may well be a newline; only the second tells a frame from text.
        let is_text = |rest: &[u8]| rest.get(1).is_some_and(|second| *second != frame::VERSION);
        while let Some(len) = self
            .segment
            .get(told..)
            .filter(|rest| is_text(rest))
            .and_then(text_line)
        {
            self.found.push_back(Deframed::Noise(
                self.segment.iter().skip(told).take(len).copied().collect(),
            ));
            told += len;
        }
        self.segment.drain(..told);
    }

    /// Tells what stood before a zero.
    fn close(&mut self, segment: &[u8]) {
        let mut rest = segment;
        while !rest.is_empty() {
            if let Some(frame) = frame::decode(rest) {
                self.found.push_back(Deframed::Frame(frame));
                return;
            }
            let Some((line, tail)) = text_line(rest).and_then(|len| rest.split_at_checked(len)) else {
                return self.scrap(rest);
            };
            self.found.push_back(Deframed::Noise(line.into()));
            rest = tail;
        }
    }

    /// Passes on the text in bytes that are no frame.
    fn scrap(&mut self, bytes: &[u8]) {
        if bytes.iter().all(|b| is_text(*b)) {
            self.found.push_back(Deframed::Noise(bytes.into()));
            return;
        }
        self.damaged += 1;
        for run in bytes
            .split(|b| !(is_text(*b) && b.is_ascii()))
            .flat_map(|run| run.split_inclusive(|b| *b == b'\n'))
        {
            if run.len() >= MIN_RUN {
                self.found.push_back(Deframed::Noise(run.into()));
            }
        }
    }
}

/// Returns the length of the line of text, with its newline, that the bytes begin with.
fn text_line(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|b| *b == b'\n' || !is_text(*b))?;
    (bytes.get(end) == Some(&b'\n')).then_some(end + 1)
}

/// Whether a console prints such a byte: bell, backspace, tab, newline, return, escape, and all that are no controls.
fn is_text(byte: u8) -> bool {
    matches!(byte, 7..=10 | 13 | 27 | 32..=126 | 128..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Header, Kind, encode};
    use proptest::prelude::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(
            &Header {
                kind: Kind::Data,
                flags: 0,
                nonce: 7,
                seq: 1,
                ack: 2,
            },
            payload,
            &mut out,
        );
        out
    }

    fn all(deframer: &mut Deframer) -> (usize, Vec<u8>) {
        let (mut frames, mut noise) = (0, Vec::new());
        while let Some(found) = deframer.next_found() {
            match found {
                Deframed::Frame(_) => frames += 1,
                Deframed::Noise(text) => noise.extend(text),
            }
        }
        (frames, noise)
    }

    #[test]
    fn text_comes_out_line_by_line_at_once() {
        let mut d = Deframer::default();
        d.push(b"[    1.0] usb 1-1: new\r\n\x1b[0mlogin: ");
        assert_eq!(
            d.next_found(),
            Some(Deframed::Noise(b"[    1.0] usb 1-1: new\r\n".to_vec()))
        );
        assert_eq!(d.next_found(), None);
        d.push(&frame(b"payload\n"));
        assert_eq!(d.next_found(), Some(Deframed::Noise(b"\x1b[0mlogin: ".to_vec())));
        assert!(matches!(d.next_found(), Some(Deframed::Frame(f)) if f.payload == b"payload\n"));
        assert_eq!((d.next_found(), d.damaged()), (None, 0));
    }

    #[test]
    fn text_inside_a_frame_is_saved_and_the_next_frame_found() {
        let mut d = Deframer::default();
        let mut bytes = frame(&[0xf1; 100]);
        let text = b"[    2.0] Kernel text\n";
        bytes.splice(40..40, text.iter().copied());
        bytes.extend(frame(&[1]));
        d.push(&bytes);
        // High bytes next to it are not ASCII, so the text is alone.
        assert_eq!(all(&mut d), (1, text.to_vec()));
        assert_eq!(d.damaged(), 1);
    }

    #[test]
    fn a_frame_behind_text_without_its_first_zero_is_found() {
        let mut d = Deframer::default();
        let mut bytes = b"text\n".to_vec();
        bytes.extend(&frame(&[1, 2, 3])[1..]);
        d.push(&bytes);
        assert_eq!(all(&mut d), (1, b"text\n".to_vec()));
    }

    #[test]
    fn a_frame_that_begins_with_a_newline_may_come_in_pieces() {
        // A zero at every place of header and payload gives every first byte a frame can have, the newline among them.
        for nonce in [7, 0x0707_0707] {
            for zero in 0..300 {
                let mut payload = [0xee; 300];
                payload[zero] = 0;
                let mut bytes = Vec::new();
                let header = Header {
                    kind: Kind::Data,
                    flags: 1,
                    nonce,
                    seq: 0x0101,
                    ack: 0x0101,
                };
                encode(&header, &payload, &mut bytes);
                let mut d = Deframer::default();
                bytes.iter().for_each(|byte| d.push(&[*byte]));
                assert_eq!((all(&mut d), d.damaged()), ((1, Vec::new()), 0), "{nonce} {zero}");
            }
        }
    }

    #[test]
    fn a_line_that_never_ends_is_passed_on_in_pieces() {
        let mut d = Deframer::default();
        for _ in 0..50 {
            d.push(&[b'x'; 100]);
            assert!(d.segment.len() <= MAX_STUFFED);
        }
        d.push(&[0]);
        assert_eq!(all(&mut d), (0, alloc::vec![b'x'; 5000]));
    }

    proptest! {
        #[test]
        fn random_bytes_are_survived(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..6),
        ) {
            let mut d = Deframer::default();
            for piece in &pieces {
                d.push(piece);
                prop_assert!(d.segment.len() <= MAX_STUFFED);
            }
            all(&mut d);
            d.push(&frame(&[5]));
            prop_assert_eq!(all(&mut d).0, 1);
        }

        #[test]
        fn text_and_frames_come_apart_however_they_are_cut(
            items in proptest::collection::vec(
                prop_oneof![
                    "[ -~]{0,80}\r?\n".prop_map(|text| (true, text.into_bytes())),
                    proptest::collection::vec(any::<u8>(), 0..1024).prop_map(|payload| (false, payload)),
                ],
                0..12,
            ),
            cut in 1usize..700,
        ) {
            let (mut bytes, mut text, mut frames) = (Vec::new(), Vec::new(), 0);
            for (is_text, item) in &items {
                if *is_text {
                    bytes.extend(item);
                    text.extend(item);
                } else {
                    bytes.extend(frame(item));
                    frames += 1;
                }
            }
            let mut d = Deframer::default();
            for piece in bytes.chunks(cut) {
                d.push(piece);
            }
            // A lone newline may be the first byte of a frame; what follows tells.
            d.push(&[0]);
            prop_assert_eq!(d.damaged(), 0);
            prop_assert_eq!(all(&mut d), (frames, text));
        }
    }
}
