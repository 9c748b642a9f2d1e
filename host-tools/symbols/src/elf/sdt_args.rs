//! Arguments of static marks, as the compiler's assembler wrote them: `-4@%edi 8@-8(%rbp) 4@$5`, `8@[sp, 24]`.
//!
//! In: the note's text. Out: [`MarkArg`]s. Invariant: each argument has its place in the list, also one that cannot be fetched; registers have the
//! names the kernel gives them.

use ktap_bytecode::fetch::{FetchArg, FetchBase, FetchDeref, FetchType};

/// One argument of a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkArg {
    /// Where it is.
    Fetch(FetchArg),
    /// It is where no fetch-arg reaches, as written: in a vector register, indexed.
    Unreachable(String),
}

/// Whose registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registers {
    X86_64,
    Aarch64,
}

/// What an argument's text may refer to.
pub(super) struct Context<'a> {
    /// Nothing on processors whose forms are not known.
    pub(super) registers: Option<Registers>,
    /// The file offset of a variable of the program.
    pub(super) symbol: &'a dyn Fn(&str) -> Option<u64>,
}

impl Context<'_> {
    pub(super) fn read(&self, text: &str) -> Vec<MarkArg> {
        let one = |(index, word): (usize, &str)| match self.one(index, word) {
            Some(arg) => MarkArg::Fetch(arg),
            None => MarkArg::Unreachable(word.into()),
        };
        words(text).into_iter().enumerate().map(one).collect()
    }

    /// `SIZE@OPERAND`.
    fn one(&self, index: usize, word: &str) -> Option<FetchArg> {
        let (size, operand) = word.split_once('@')?;
        let (signed, bytes) = match size.strip_prefix('-') {
            Some(bytes) => (true, bytes),
            None => (false, size),
        };
        let bytes: u8 = bytes.parse().ok().filter(|bytes| matches!(bytes, 1 | 2 | 4 | 8))?;
        let (base, offset) = match self.registers? {
            Registers::X86_64 => self.x86_64(operand)?,
            Registers::Aarch64 => aarch64(operand)?,
        };
        Some(FetchArg {
            name: format!("arg{}", index + 1),
            base,
            derefs: offset
                .map(|offset| FetchDeref { offset, user: true })
                .into_iter()
                .collect(),
            kind: if signed {
                FetchType::Signed(bytes)
            } else {
                FetchType::Unsigned(bytes)
            },
            count: 0,
        })
    }

    /// `%rax`, `$5`, `8(%rbp)`, `variable+4(%rip)`.
    fn x86_64(&self, operand: &str) -> Option<(FetchBase, Option<i64>)> {
        if let Some(value) = operand.strip_prefix('$') {
            return Some((FetchBase::Immediate(integer(value)?), None));
        }
        if let Some(name) = operand.strip_prefix('%') {
            return Some((FetchBase::Register(x86_register(name)?), None));
        }
        let (displacement, inner) = operand.strip_suffix(')')?.split_once('(')?;
        let register = inner.strip_prefix('%')?;
        if register == "rip" {
            let at = displacement.find(['+', '-']).unwrap_or(displacement.len());
            let (name, offset) = displacement.split_at(at);
            let offset = if offset.is_empty() { 0 } else { integer(offset)? };
            let place = (self.symbol)(name)?.checked_add_signed(offset)?;
            return Some((FetchBase::FileOffset(place), None));
        }
        let offset = if displacement.is_empty() {
            0
        } else {
            integer(displacement)?
        };
        Some((FetchBase::Register(x86_register(register)?), Some(offset)))
    }
}

/// `x0`, `w3`, `[sp, 24]`, `[x19]`, `5`.
fn aarch64(operand: &str) -> Option<(FetchBase, Option<i64>)> {
    if let Some(inner) = operand.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        let (register, offset) = match inner.split_once(',') {
            Some((register, offset)) => (register, integer(offset.trim().trim_start_matches('#'))?),
            None => (inner, 0),
        };
        return match arm_register(register.trim())? {
            FetchBase::Register(name) => Some((FetchBase::Register(name), Some(offset))),
            _ => None,
        };
    }
    if let Some(base) = arm_register(operand) {
        return Some((base, None));
    }
    Some((FetchBase::Immediate(integer(operand.trim_start_matches('#'))?), None))
}

/// Cuts at blanks outside brackets: `8@[sp, 24]` is one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut depth) = (None, 0i32);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            _ => {}
        }
        if c.is_ascii_whitespace() && depth <= 0 {
            words.extend(start.take().map(|start| &text[start..at]));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

/// A number, decimal or 0x, perhaps with its sign.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    match negative {
        true => 0i64.checked_sub_unsigned(value),
        false => Some(value.cast_signed()),
    }
}

/// Returns the kernel's name of an x86 register or of a low part of one.
fn x86_register(name: &str) -> Option<String> {
    const NAMES: [(&str, [&str; 4]); 8] = [
        ("ax", ["rax", "eax", "ax", "al"]),
        ("bx", ["rbx", "ebx", "bx", "bl"]),
        ("cx", ["rcx", "ecx", "cx", "cl"]),
        ("dx", ["rdx", "edx", "dx", "dl"]),
        ("si", ["rsi", "esi", "si", "sil"]),
        ("di", ["rdi", "edi", "di", "dil"]),
        ("bp", ["rbp", "ebp", "bp", "bpl"]),
        ("sp", ["rsp", "esp", "sp", "spl"]),
    ];
    if let Some((kernel, _)) = NAMES.iter().find(|(_, parts)| parts.contains(&name)) {
        return Some((*kernel).into());
    }
    let digits = name.strip_prefix('r')?.trim_end_matches(['d', 'w', 'b']);
    let number: u8 = digits.parse().ok().filter(|number| (8..=15).contains(number))?;
    (name.len() <= digits.len() + 2).then(|| format!("r{number}"))
}

/// Returns what an arm64 register name means; `wzr` is the number 0.
fn arm_register(name: &str) -> Option<FetchBase> {
    match name {
        "sp" | "wsp" => return Some(FetchBase::Register("sp".into())),
        "xzr" | "wzr" => return Some(FetchBase::Immediate(0)),
        _ => {}
    }
    let digits = name.strip_prefix(['x', 'w'])?;
    let number: u8 = digits.parse().ok().filter(|&number| number <= 30)?;
    Some(FetchBase::Register(format!("x{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(registers: Registers, text: &str) -> Vec<String> {
        let context = Context {
            registers: Some(registers),
            symbol: &|name| (name == "counter").then_some(0x2000),
        };
        let one = |arg: &MarkArg| match arg {
            MarkArg::Fetch(arg) => arg.to_string(),
            MarkArg::Unreachable(text) => format!("? {text}"),
        };
        context.read(text).iter().map(one).collect()
    }

    #[test]
    fn forms_of_x86_64() {
        assert_eq!(
            show(
                Registers::X86_64,
                "-4@%edi 8@-8(%rbp) 4@$5 -8@$-3 1@%r10b 2@(%rax) -4@counter+4(%rip) 8@%sil"
            ),
            [
                "arg1=%di:s32",
                "arg2=-u8(%bp):u64",
                "arg3=\\5:u32",
                "arg4=\\-3:s64",
                "arg5=%r10:u8",
                "arg6=+u0(%ax):u16",
                "arg7=@+0x2004:s32",
                "arg8=%si:u64",
            ]
        );
        assert_eq!(
            show(
                Registers::X86_64,
                "8f@%xmm0 8@8(%rax,%rdx,8) 4@missing(%rip) 4@%fs:40 3@%eax 8@%r16 8@%r9dd nonsense"
            ),
            [
                "? 8f@%xmm0",
                "? 8@8(%rax,%rdx,8)",
                "? 4@missing(%rip)",
                "? 4@%fs:40",
                "? 3@%eax",
                "? 8@%r16",
                "? 8@%r9dd",
                "? nonsense",
            ]
        );
        assert!(show(Registers::X86_64, "").is_empty());
    }

    #[test]
    fn forms_of_aarch64() {
        assert_eq!(
            show(
                Registers::Aarch64,
                "-4@w0 8@x30 8@[sp, 24] -8@[x19] 4@[x29, #-16] 4@5 -4@-1 8@xzr 8@[x1, x2] 8@d0 8@x31"
            ),
            [
                "arg1=%x0:s32",
                "arg2=%x30:u64",
                "arg3=+u24(%sp):u64",
                "arg4=+u0(%x19):s64",
                "arg5=-u16(%x29):u32",
                "arg6=\\5:u32",
                "arg7=\\-1:s32",
                "arg8=\\0:u64",
                "? 8@[x1, x2]",
                "? 8@d0",
                "? 8@x31",
            ]
        );
    }
}
