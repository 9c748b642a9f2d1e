//! The image: a program for one board, as it travels.
//!
//! In: a program whose relocations are resolved. Out: postcard bytes, and back. Invariant: decoding never trusts the
//! bytes: every list is bounded, and what runs is only what [`crate::verify::verify`] returns.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::code::{Capture, CodeRef, Const, ConstKind, Field, Format, Function};
use crate::limits::{MAX_ALL_FETCHES, MAX_ALL_POINTS, MAX_FUNCTIONS, MAX_IMAGE, MAX_LIST, MAX_PROBES};
use crate::op::Word;
use crate::probe::Probe;
use crate::version::{MAJOR, MINOR};

/// A program for one board. Strings of formats and the map from pc to source stay on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// [`MAJOR`] it was made for.
    pub major: u8,
    /// [`MINOR`] it was made for.
    pub minor: u8,
    /// Build id of the one kernel it fits, empty when it fits any.
    pub build_id: Vec<u8>,
    /// Global slots.
    pub globals: u16,
    /// All functions; the first is main.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_FUNCTIONS>")]
    pub functions: Vec<Function>,
    /// All code.
    #[serde(with = "code_bytes")]
    pub code: Vec<Word>,
    /// All constants.
    #[serde(with = "const_list")]
    pub consts: Vec<Const>,
    /// The byte pool.
    #[serde(with = "crate::byte_string")]
    pub bytes: Vec<u8>,
    /// All captures.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_LIST>")]
    pub captures: Vec<Capture>,
    /// All field references.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_LIST>")]
    pub fields: Vec<Field>,
    /// All formats, by id.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_LIST>")]
    pub formats: Vec<Format>,
    /// Probe sites, by id.
    #[serde(deserialize_with = "probe_list::deserialize")]
    pub probes: Vec<Probe>,
}

/// Why bytes are no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Longer than [`MAX_IMAGE`].
    TooLong(usize),
    /// Cut short, or a number or list out of its bounds.
    Malformed,
    /// Bytes follow the image.
    TrailingBytes(usize),
    /// Made for another major version.
    Version(u8, u8),
}

impl core::fmt::Display for ImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ImageError::TooLong(len) => write!(f, "image of {len} bytes is longer than the {MAX_IMAGE} allowed"),
            ImageError::Malformed => write!(f, "malformed image"),
            ImageError::TrailingBytes(n) => write!(f, "{n} bytes follow the image"),
            ImageError::Version(major, minor) => {
                write!(f, "image of version {major}.{minor}, this side speaks {MAJOR}.{MINOR}")
            }
        }
    }
}

impl core::error::Error for ImageError {}

impl Image {
    /// Encodes the image.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Encoding into a growing vector has no failure: every type here has a postcard form.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Decodes an image.
    ///
    /// # Errors
    /// Any byte string that is not exactly one image of this major version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Image, ImageError> {
        if bytes.len() > MAX_IMAGE {
            return Err(ImageError::TooLong(bytes.len()));
        }
        match bytes {
            [major, minor, ..] if *major != MAJOR || *minor > MINOR => return Err(ImageError::Version(*major, *minor)),
            _ => {}
        }
        let (image, rest) = postcard::take_from_bytes::<Image>(bytes).map_err(|_| ImageError::Malformed)?;
        if !rest.is_empty() {
            return Err(ImageError::TrailingBytes(rest.len()));
        }
        Ok(image)
    }

    /// Borrows the part that the verifier checks and a VM runs.
    pub fn code_ref(&self) -> CodeRef<'_> {
        CodeRef {
            functions: &self.functions,
            code: &self.code,
            consts: &self.consts,
            bytes: &self.bytes,
            captures: &self.captures,
            fields: &self.fields,
            formats: &self.formats,
            globals: self.globals,
            probes: self.probes.len().min(u16::MAX as usize) as u16,
        }
    }
}

/// Code as one byte string, four little-endian bytes a word: as varints most words would take five.
mod code_bytes {
    use super::{Vec, Word};
    use serde::{Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(code: &[Word], s: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = code.iter().flat_map(|w| w.0.to_le_bytes()).collect();
        s.serialize_bytes(&bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Word>, D::Error> {
        let bytes = crate::byte_string::deserialize(d)?;
        if bytes.len() % 4 != 0 {
            return Err(D::Error::custom("code is not whole words"));
        }
        Ok(bytes
            .chunks_exact(4)
            .map(|w| Word(u32::from_le_bytes([w[0], w[1], w[2], w[3]])))
            .collect())
    }
}

/// Constants as (kind, value) pairs; a string is (offset, length), so that small ones take three bytes.
mod const_list {
    use super::{Const, ConstKind, Vec, bounded};
    use crate::limits::MAX_CONSTS;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Wire {
        Int(i64),
        Str(u32, u32),
        Format(u16),
        Builtin(u8),
    }

    pub fn serialize<S: Serializer>(consts: &[Const], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(consts.iter().map(|c| match c.kind {
            k if k == ConstKind::Str as u32 => Wire::Str(c.value as u32, (c.value as u64 >> 32) as u32),
            k if k == ConstKind::Format as u32 => Wire::Format(c.value as u16),
            k if k == ConstKind::Builtin as u32 => Wire::Builtin(c.value as u8),
            _ => Wire::Int(c.value),
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Const>, D::Error> {
        Ok(bounded::list::<_, Wire, MAX_CONSTS>(d)?
            .into_iter()
            .map(|w| match w {
                Wire::Int(value) => Const::int(value),
                Wire::Str(offset, len) => Const::str(offset, len),
                Wire::Format(id) => Const::format(id),
                Wire::Builtin(number) => Const::builtin(number),
            })
            .collect())
    }
}

/// Probe sites. Their points and what those take along are the largest things of an image, so there is a bound for all together.
mod probe_list {
    use super::{MAX_ALL_FETCHES, MAX_ALL_POINTS, MAX_PROBES, Probe, Vec};
    use serde::de::{Deserializer, Error, SeqAccess, Visitor};

    struct Sites;

    impl<'de> Visitor<'de> for Sites {
        type Value = Vec<Probe>;

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("a list of probe sites")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Probe>, A::Error> {
            let mut sites = Vec::new();
            let (mut points, mut fetches) = (0, 0);
            while let Some(site) = seq.next_element::<Probe>()? {
                points += site.points.len();
                let args = site.points.iter().flat_map(|point| point.args());
                fetches += args.map(|arg| 1 + arg.derefs.len()).sum::<usize>();
                if points > MAX_ALL_POINTS || fetches > MAX_ALL_FETCHES || sites.len() == MAX_PROBES {
                    return Err(A::Error::custom("too many probes"));
                }
                sites.push(site);
            }
            Ok(sites)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Probe>, D::Error> {
        d.deserialize_seq(Sites)
    }
}
