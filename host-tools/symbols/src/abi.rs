//! What the host must know of a board's C types to read its records.
//!
//! In: the board's architecture. Out: [`Abi`], [`IntType`]. Invariant: sizes are those of the kernel's build, never the host's.

/// Sizes and byte order of a board's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    /// Bytes of a pointer and of a `long`: 4 or 8.
    pub long_bytes: u8,
    /// True where the most significant byte comes first.
    pub big_endian: bool,
}

impl Abi {
    /// A 64-bit little-endian kernel.
    pub const LP64: Abi = Abi {
        long_bytes: 8,
        big_endian: false,
    };
    /// A 32-bit little-endian kernel.
    pub const ILP32: Abi = Abi {
        long_bytes: 4,
        big_endian: false,
    };

    /// Reads an integer of at most eight bytes; shorter input counts as its low bytes.
    pub fn read(self, bytes: &[u8]) -> u64 {
        let bytes = bytes.get(..8).unwrap_or(bytes);
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        }
    }
}

/// An integer type of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntType {
    /// Bytes: 1, 2, 4 or 8.
    pub bytes: u8,
    /// True if it has a sign.
    pub signed: bool,
}

impl IntType {
    /// `int`.
    pub const INT: IntType = IntType { bytes: 4, signed: true };
    /// `unsigned int`.
    pub const UINT: IntType = IntType {
        bytes: 4,
        signed: false,
    };
    /// `long long`.
    pub const LLONG: IntType = IntType { bytes: 8, signed: true };
    /// `unsigned long long`.
    pub const ULLONG: IntType = IntType {
        bytes: 8,
        signed: false,
    };

    /// Returns `long` of this board.
    pub const fn long(abi: Abi) -> IntType {
        IntType {
            bytes: abi.long_bytes,
            signed: true,
        }
    }

    /// Returns the type that pointers convert to on this board.
    pub const fn pointer(abi: Abi) -> IntType {
        IntType {
            bytes: abi.long_bytes,
            signed: false,
        }
    }

    /// Cuts `value` to this type and extends it back to 64 bits by its sign.
    pub fn wrap(self, value: u64) -> u64 {
        let spare = 64 - 8 * u32::from(self.bytes.clamp(1, 8));
        if self.signed {
            ((value << spare) as i64 >> spare) as u64
        } else {
            value << spare >> spare
        }
    }

    /// Returns the type named by these words (`unsigned`, `long`, `u32`, `pid_t`, ..); qualifiers are skipped.
    pub fn named(words: &[&str], abi: Abi) -> Option<IntType> {
        let mut signed = None;
        let mut longs = 0;
        let mut base = None;
        for word in words {
            match *word {
                "const" | "volatile" => {}
                "int" => base = base.or(Some(4)),
                "unsigned" => signed = Some(false),
                "signed" | "__signed__" => signed = Some(true),
                "long" => longs += 1,
                "short" => base = Some(2),
                // Unsigned in every kernel since 6.2, whatever the architecture's habit.
                "char" => {
                    base = Some(1);
                    signed = signed.or(Some(false));
                }
                other => {
                    let known = typedef(other, abi)?;
                    base = Some(known.bytes);
                    signed = signed.or(Some(known.signed));
                }
            }
        }
        let bytes = match (longs, base) {
            (0, Some(bytes)) => bytes,
            (0, None) if signed.is_some() => 4,
            (0, None) => return None,
            (1, _) => abi.long_bytes,
            _ => 8,
        };
        Some(IntType {
            bytes,
            signed: signed.unwrap_or(true),
        })
    }
}

/// The kernel's typedefs that print formats and fields name. Source: include/linux/types.h and the uapi headers.
fn typedef(name: &str, abi: Abi) -> Option<IntType> {
    let (bytes, signed) = match name {
        "bool" | "_Bool" | "u8" | "__u8" | "uint8_t" | "u_char" => (1, false),
        "s8" | "__s8" | "int8_t" => (1, true),
        "u16" | "__u16" | "uint16_t" | "__be16" | "__le16" | "umode_t" | "__sum16" | "ushort" | "sa_family_t" => {
            (2, false)
        }
        "s16" | "__s16" | "int16_t" => (2, true),
        "u32" | "__u32" | "uint32_t" | "__be32" | "__le32" | "uint" | "u_int" | "dev_t" | "uid_t" | "gid_t"
        | "gfp_t" | "__wsum" | "projid_t" | "tid_t" | "qid_t" | "fmode_t" | "slab_flags_t" | "blk_opf_t"
        | "blk_mode_t" | "__poll_t" | "req_flags_t" | "isolate_mode_t" => (4, false),
        "s32" | "__s32" | "int32_t" | "pid_t" | "clockid_t" | "key_t" | "timer_t" | "mqd_t" | "rwf_t" | "errseq_t" => {
            (4, true)
        }
        "u64" | "__u64" | "uint64_t" | "__be64" | "__le64" | "sector_t" | "blkcnt_t" | "dma_addr_t" => (8, false),
        "s64" | "__s64" | "int64_t" | "loff_t" | "ktime_t" | "time64_t" => (8, true),
        "size_t" | "ulong" | "uintptr_t" | "ino_t" | "pgoff_t" | "__kernel_size_t" | "aio_context_t" => {
            (abi.long_bytes, false)
        }
        "ssize_t" | "off_t" | "ptrdiff_t" | "intptr_t" | "__kernel_long_t" => (abi.long_bytes, true),
        "phys_addr_t" | "resource_size_t" => (8, false),
        _ => return None,
    };
    Some(IntType { bytes, signed })
}
