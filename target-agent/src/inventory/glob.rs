//! Globs over event names: `*`, `?`, `[a-z]`, `[!x]`, `\` takes the next character as it is.
//!
//! In: pattern and name. Out: whether they match. Invariant: time is bounded by the product of the two lengths, whatever the pattern.

/// Returns true if the whole `name` matches `pattern`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, one character of the name further.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, n));
            continue;
        }
        if let Some(next) = match_one(pattern, p, name[n]) {
            p = next;
            n += 1;
            continue;
        }
        let Some((star, from)) = retry else { return false };
        p = star;
        n = from + 1;
        retry = Some((star, n));
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// Returns true if the text contains anything that is not taken literally.
pub fn is_glob(pattern: &str) -> bool {
    pattern.bytes().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'))
}

/// Matches one character and returns where the pattern goes on.
fn match_one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match class(pattern, p + 1, byte) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // A bracket that is never closed is a bracket.
            None => (byte == b'[').then_some(p + 1),
        },
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == byte).then_some(p + 2),
        literal => (literal == byte).then_some(p + 1),
    }
}

/// Matches a class whose first character is at `p`: whether it holds the byte, and where the pattern goes on.
fn class(pattern: &[u8], mut p: usize, byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(p), Some(b'!' | b'^'));
    p += negated as usize;
    let first = p;
    let mut found = false;
    loop {
        let low = *pattern.get(p)?;
        if low == b']' && p > first {
            return Some((found != negated, p + 1));
        }
        match (pattern.get(p + 1), pattern.get(p + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                found |= (low..=*high).contains(&byte);
                p += 3;
            }
            _ => {
                found |= low == byte;
                p += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn table() {
        let rows = [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("sys_enter_*", "sys_enter_open", true),
            ("sys_enter_*", "sys_exit_open", false),
            ("*:*", "sched:sched_switch", true),
            ("sched", "sched", true),
            ("sched", "sched2", false),
            ("s?hed", "sched", true),
            ("s?hed", "shed", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "ax", false),
            ("[]]x", "]x", true),
            ("[a-]x", "-x", true),
            ("[ab", "[ab", true),
            ("\\*x", "*x", true),
            ("\\*x", "ax", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxxd", false),
            ("a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(matches(pattern, name), expected, "{pattern:?} on {name:?}");
        }
    }
}
