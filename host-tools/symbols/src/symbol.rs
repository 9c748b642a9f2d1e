//! Names behind addresses.
//!
//! In: an address. Out: [`Symbol`], through whoever implements [`Symbolize`]. Invariant: the text is the kernel's `%pS` and `%ps`.

use std::fmt;

/// A place inside a function or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The symbol's name.
    pub name: &'a str,
    /// Bytes from its start.
    pub offset: u64,
    /// Its size in bytes, 0 if unknown.
    pub size: u64,
    /// The kernel module it is in, without brackets.
    pub module: Option<&'a str>,
}

impl Symbol<'_> {
    /// Writes `name [module]`, as the kernel's `%ps` does.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_name(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.name)?;
        self.write_module(out)
    }

    fn write_module(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self.module {
            Some(module) => write!(out, " [{module}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Symbol<'_> {
    /// Writes `name+0xoffset/0xsize [module]`, as the kernel's `%pS` does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}/{:#x}", self.name, self.offset, self.size)?;
        self.write_module(f)
    }
}

/// Tells what is at a kernel address.
pub trait Symbolize {
    /// Returns the symbol that covers `address`.
    fn symbol(&self, address: u64) -> Option<Symbol<'_>>;

    /// Returns the kernel's own constant string at `address`; event formats with `%s` of a pointer need it.
    fn string(&self, address: u64) -> Option<&[u8]> {
        let _ = address;
        None
    }

    /// Returns the number of one of the kernel's own enumeration constants, which some event formats name.
    fn constant(&self, name: &str) -> Option<u64> {
        let _ = name;
        None
    }
}

/// Knows no symbol at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSymbols;

impl Symbolize for NoSymbols {
    fn symbol(&self, _: u64) -> Option<Symbol<'_>> {
        None
    }
}
