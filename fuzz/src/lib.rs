//! What the fuzzer checks, as plain functions: `cargo fuzz run NAME` feeds them, and the contract's tests run them over
//! the corpora.
//!
//! In: any bytes. Out: nothing. Invariant: a function panics only if the contract is broken.

use ktap_bytecode::disasm::disasm;
use ktap_bytecode::image::Image;
use ktap_bytecode::verify::verify;
use ktap_link::deframer::{Deframed, Deframer};
use ktap_link::frame::{self, Header, Kind, MAX_PAYLOAD, flag};
use ktap_link::message::{Answer, BoardMessage, HostMessage, MAX_MESSAGE};
use ktap_link::session::{Received, Session};

/// An image is refused, or comes back from its own bytes, is judged, and has a text.
pub fn image_decode_verify(bytes: &[u8]) {
    let Ok(image) = Image::from_bytes(bytes) else { return };
    assert_eq!(Image::from_bytes(&image.to_bytes()).as_ref(), Ok(&image));
    let _ = verify(image.code_ref());
    disasm(&image);
}

/// A stream cut anywhere gives no more bytes than it had, and the next whole frame is found behind it.
pub fn deframer(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let mut deframer = Deframer::default();
    for piece in stream.chunks(*cut as usize + 1) {
        deframer.push(piece);
    }
    let mut told = 0;
    while let Some(found) = deframer.next_found() {
        told += match found {
            Deframed::Frame(frame) => frame.payload.len(),
            Deframed::Noise(text) => text.len(),
        };
    }
    assert!(told <= stream.len());
    let mut whole = Vec::new();
    let header = Header {
        kind: Kind::Ack,
        flags: 0,
        nonce: 1,
        seq: 2,
        ack: 3,
    };
    frame::encode(&header, &[], &mut whole);
    deframer.push(&whole);
    let mut last = None;
    while let Some(found) = deframer.next_found() {
        last = Some(found);
    }
    assert!(matches!(last, Some(Deframed::Frame(frame)) if frame.header == header));
}

/// Two ends take whole frames with any header: nothing they tell is longer than what came, and what they send is bounded.
pub fn session(bytes: &[u8]) {
    const FEW_NONCES: u8 = 3;
    for mut end in [Session::host(1), Session::board()] {
        end.send(&[7; 3 * MAX_PAYLOAD]).expect("short enough");
        let (mut now, mut came, mut told) = (0, 0, 0);
        for piece in bytes.chunks(12) {
            let &[kind, flags, nonce, s0, s1, a0, a1, wait, ref payload @ ..] = piece else {
                break;
            };
            let kind = [Kind::Data, Kind::Ack, Kind::Reset][kind as usize % 3];
            let mut framed = Vec::new();
            let header = Header {
                kind,
                flags: flags & flag::ALL,
                nonce: (nonce % FEW_NONCES) as u32,
                seq: u16::from_le_bytes([s0, s1]),
                ack: u16::from_le_bytes([a0, a1]),
            };
            frame::encode(&header, payload, &mut framed);
            end.receive(&framed, now);
            came += payload.len();
            now += wait as u64 * 20;
            let mut out = Vec::new();
            end.transmit(now, &mut out);
            assert!(out.len() < 8 * MAX_PAYLOAD);
            let _ = end.deadline();
        }
        while let Some(received) = end.next_received() {
            told += match received {
                Received::Message(message) => message.len(),
                Received::Noise(text) => text.len(),
            };
        }
        assert!(told <= came);
    }
}

/// A message is refused or comes back from its own bytes, and what is packed in it stays within bounds.
pub fn messages(bytes: &[u8]) {
    if let Ok(message) = HostMessage::from_bytes(bytes) {
        assert_eq!(HostMessage::from_bytes(&message.to_bytes()).as_ref(), Ok(&message));
        if let HostMessage::Load { image, .. } = message {
            let _ = image.unpack(MAX_MESSAGE).map(|bytes| image_decode_verify(&bytes));
        }
    }
    if let Ok(message) = BoardMessage::from_bytes(bytes) {
        assert_eq!(BoardMessage::from_bytes(&message.to_bytes()).as_ref(), Ok(&message));
        if let BoardMessage::Answer {
            answer: Answer::Text(text),
            ..
        } = message
        {
            assert!(text.unpack(MAX_MESSAGE).is_ok_and(|bytes| bytes.len() <= MAX_MESSAGE) || text.unpack(0).is_err());
        }
    }
}
