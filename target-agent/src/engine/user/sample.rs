//! Records of a perf ring, decoded.
//!
//! In: the bytes of one record, sampled as `sys::perf::Attr` asks. Out: [`RingRecord`]. Invariant: bytes of any shape decode to
//! something or to `Other`; nothing is read outside them.

/// What a ring says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingRecord<'a> {
    /// An event fired.
    Sample(Sample<'a>),
    /// A task has a new name; `exec` if a new program as well.
    Comm {
        /// Process.
        pid: u32,
        /// Thread.
        tid: u32,
        /// Name, without NUL.
        name: &'a [u8],
        /// True after an exec.
        exec: bool,
    },
    /// A task was born.
    Fork {
        /// Process.
        pid: u32,
        /// Thread.
        tid: u32,
        /// Process that made it.
        parent_pid: u32,
        /// Thread that made it.
        parent_tid: u32,
    },
    /// A task ended.
    Exit {
        /// Thread.
        tid: u32,
    },
    /// Records were lost before this one.
    Lost {
        /// Identifier of the event that noticed.
        id: u64,
        /// How many.
        count: u64,
    },
    /// Something of no interest here.
    Other,
}

/// One hit of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample<'a> {
    /// Identifier of the perf event.
    pub id: u64,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time: u64,
    /// CPU.
    pub cpu: u32,
    /// Stack addresses with context marks, eight bytes each, innermost first; empty if not asked for.
    pub chain: &'a [u8],
    /// The event's raw record.
    pub raw: &'a [u8],
}

/// Bytes of a record's header: kind, flags, size.
pub const HEADER: usize = 8;
/// Bytes of the trailer that carries task, time, CPU and identifier of records that are no samples.
const TRAILER: usize = 32;
/// Most frames the kernel puts in a chain (sysctl kernel.perf_event_max_stack is at most 640).
const MAX_CHAIN: u64 = 4096;

const KIND_LOST: u32 = 2;
const KIND_COMM: u32 = 3;
const KIND_EXIT: u32 = 4;
const KIND_FORK: u32 = 7;
const KIND_SAMPLE: u32 = 9;
const MISC_COMM_EXEC: u16 = 1 << 13;

/// Returns the time of a record, 0 for one too short to have any.
pub fn time_of(record: &[u8]) -> u64 {
    let at = match word32(record, 0) {
        Some(KIND_SAMPLE) => Some(HEADER + 16),
        _ => record.len().checked_sub(TRAILER - 8).filter(|at| *at >= HEADER),
    };
    at.and_then(|at| word64(record, at)).unwrap_or(0)
}

/// Decodes a record; `chains` says whether samples carry stacks.
pub fn decode(record: &[u8], chains: bool) -> RingRecord<'_> {
    decode_known(record, chains).unwrap_or(RingRecord::Other)
}

fn decode_known(record: &[u8], chains: bool) -> Option<RingRecord<'_>> {
    let at = |offset| word32(record, HEADER + offset);
    let known = match word32(record, 0)? {
        KIND_SAMPLE => RingRecord::Sample(sample(record, chains)?),
        KIND_COMM => {
            let name = record.get(HEADER + 8..record.len().checked_sub(TRAILER)?)?;
            let name = name.split(|b| *b == 0).next()?;
            let exec = word32(record, 4)? as u16 & MISC_COMM_EXEC != 0;
            RingRecord::Comm {
                pid: at(0)?,
                tid: at(4)?,
                name,
                exec,
            }
        }
        KIND_FORK => RingRecord::Fork {
            pid: at(0)?,
            parent_pid: at(4)?,
            tid: at(8)?,
            parent_tid: at(12)?,
        },
        KIND_EXIT => RingRecord::Exit { tid: at(8)? },
        KIND_LOST => RingRecord::Lost {
            id: word64(record, HEADER)?,
            count: word64(record, HEADER + 8)?,
        },
        _ => RingRecord::Other,
    };
    Some(known)
}

fn sample(record: &[u8], chains: bool) -> Option<Sample<'_>> {
    let mut sample = Sample {
        id: word64(record, HEADER)?,
        pid: word32(record, HEADER + 8)?,
        tid: word32(record, HEADER + 12)?,
        time: word64(record, HEADER + 16)?,
        cpu: word32(record, HEADER + 24)?,
        ..Sample::default()
    };
    // The period follows the CPU; it says nothing about the event.
    let mut next = HEADER + 40;
    if chains {
        let frames = word64(record, next)?;
        if frames > MAX_CHAIN {
            return None;
        }
        next += 8;
        let end = next + frames as usize * 8;
        sample.chain = record.get(next..end)?;
        next = end;
    }
    let size = word32(record, next)? as usize;
    sample.raw = record.get(next + 4..(next + 4).checked_add(size)?)?;
    Some(sample)
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record of the kind, its body and nothing else, sized up to eight bytes.
    pub(crate) fn record(kind: u32, misc: u16, body: &[u8]) -> Vec<u8> {
        let size = (HEADER + body.len()).next_multiple_of(8);
        let mut out = Vec::new();
        out.extend(kind.to_ne_bytes());
        out.extend(misc.to_ne_bytes());
        out.extend((size as u16).to_ne_bytes());
        out.extend(body);
        out.resize(size, 0);
        out
    }

    pub(crate) fn sample_record(id: u64, time: u64, chain: Option<&[u64]>, raw: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(id.to_ne_bytes());
        body.extend(100u32.to_ne_bytes());
        body.extend(101u32.to_ne_bytes());
        body.extend(time.to_ne_bytes());
        body.extend([3u32.to_ne_bytes(), [0; 4]].concat());
        body.extend(1u64.to_ne_bytes());
        if let Some(chain) = chain {
            body.extend((chain.len() as u64).to_ne_bytes());
            body.extend(chain.iter().flat_map(|a| a.to_ne_bytes()));
        }
        body.extend((raw.len() as u32).to_ne_bytes());
        body.extend(raw);
        record(9, 0, &body)
    }

    fn trailer(time: u64) -> Vec<u8> {
        [100u64, time, 3, 77].iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    #[test]
    fn samples() {
        let bytes = sample_record(7, 123, None, &[1, 2, 3, 4]);
        let expected = Sample {
            id: 7,
            pid: 100,
            tid: 101,
            time: 123,
            cpu: 3,
            chain: &[],
            raw: &[1, 2, 3, 4],
        };
        assert_eq!(decode(&bytes, false), RingRecord::Sample(expected));
        assert_eq!(time_of(&bytes), 123);
        let bytes = sample_record(7, 123, Some(&[1, 2]), &[9; 12]);
        let RingRecord::Sample(sample) = decode(&bytes, true) else {
            panic!("a sample")
        };
        assert_eq!((sample.chain.len(), sample.raw), (16, &[9; 12][..]));
        for cut in 0..48 {
            assert_eq!(decode(&bytes[..cut], true), RingRecord::Other, "{cut}");
        }
    }

    #[test]
    fn a_chain_longer_than_the_record() {
        let mut bytes = sample_record(7, 1, Some(&[1]), &[]);
        bytes[HEADER + 40..HEADER + 48].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert_eq!(decode(&bytes, true), RingRecord::Other);
    }

    #[test]
    fn side_records() {
        let mut body = [100u32, 101].iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<_>>();
        body.extend(b"cat\0\0\0\0\0");
        body.extend(trailer(55));
        let bytes = record(3, 1 << 13, &body);
        assert_eq!(
            decode(&bytes, false),
            RingRecord::Comm {
                pid: 100,
                tid: 101,
                name: b"cat",
                exec: true
            }
        );
        assert_eq!(time_of(&bytes), 55);

        let mut body = [5u32, 4, 6, 3].iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<_>>();
        body.extend(9u64.to_ne_bytes());
        body.extend(trailer(9));
        let fork = RingRecord::Fork {
            pid: 5,
            tid: 6,
            parent_pid: 4,
            parent_tid: 3,
        };
        assert_eq!(decode(&record(7, 0, &body), false), fork);
        assert_eq!(decode(&record(4, 0, &body), false), RingRecord::Exit { tid: 6 });

        let mut body = [7u64, 40].iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<_>>();
        body.extend(trailer(10));
        assert_eq!(
            decode(&record(2, 0, &body), false),
            RingRecord::Lost { id: 7, count: 40 }
        );
        assert_eq!(decode(&record(99, 0, &body), false), RingRecord::Other);
        assert_eq!(decode(&[], false), RingRecord::Other);
        assert_eq!(time_of(&[0; 12]), 0);
    }
}
