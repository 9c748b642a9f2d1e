//! Small regular expressions for test cases.
//!
//! In: literals, `.`, `\d \s \w`, `[a-z]`, `[^a]`, each with `* + ?`, and `^ $` at the ends. Out: whether a line contains a match.
//! Invariant: everything else is an error when the case is read, so no case means something other than it says.

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    items: Vec<Item>,
    at_start: bool,
    at_end: bool,
}

#[derive(Debug)]
struct Item {
    set: Set,
    least: usize,
    most: usize,
}

#[derive(Debug)]
enum Set {
    Any,
    Ranges { ranges: Vec<(char, char)>, negated: bool },
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn compile(text: &str) -> Result<Self, String> {
        let mut text = text;
        let at_start = text.starts_with('^');
        text = text.strip_prefix('^').unwrap_or(text);
        let at_end = text.ends_with('$') && !text.ends_with("\\$");
        if at_end {
            text = &text[..text.len() - 1];
        }
        let mut items: Vec<Item> = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let set = match letter {
                '*' | '+' | '?' => {
                    let item = items
                        .last_mut()
                        .ok_or_else(|| format!("`{letter}` has nothing to repeat"))?;
                    (item.least, item.most) = match letter {
                        '*' => (0, usize::MAX),
                        '+' => (1, usize::MAX),
                        _ => (0, 1),
                    };
                    continue;
                }
                '.' => Set::Any,
                '[' => bracket(&mut rest)?,
                '\\' => escape(rest.next().ok_or("a `\\` at the end")?)?,
                '(' | ')' | '|' | '{' | '}' | '^' | '$' => {
                    return Err(format!("`{letter}` means nothing here; write `\\{letter}` for itself"));
                }
                _ => one(letter),
            };
            items.push(Item { set, least: 1, most: 1 });
        }
        Ok(Self {
            items,
            at_start,
            at_end,
        })
    }

    /// Tells whether `line` contains a match.
    pub fn matches(&self, line: &str) -> bool {
        let letters: Vec<char> = line.chars().collect();
        let starts = if self.at_start { 0..=0 } else { 0..=letters.len() };
        starts
            .into_iter()
            .any(|start| self.matches_from(&self.items, &letters[start..]))
    }

    fn matches_from(&self, items: &[Item], letters: &[char]) -> bool {
        let Some((item, later)) = items.split_first() else {
            return !self.at_end || letters.is_empty();
        };
        let run = letters
            .iter()
            .take(item.most)
            .take_while(|letter| item.set.contains(**letter))
            .count();
        (item.least..=run)
            .rev()
            .any(|count| self.matches_from(later, &letters[count..]))
    }
}

impl Set {
    fn contains(&self, letter: char) -> bool {
        match self {
            Self::Any => true,
            Self::Ranges { ranges, negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }
}

fn one(letter: char) -> Set {
    Set::Ranges {
        ranges: vec![(letter, letter)],
        negated: false,
    }
}

fn escape(letter: char) -> Result<Set, String> {
    let ranges = match letter {
        'd' => vec![('0', '9')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        _ if letter.is_alphanumeric() => return Err(format!("`\\{letter}` is not known")),
        _ => return Ok(one(letter)),
    };
    Ok(Set::Ranges { ranges, negated: false })
}

fn bracket(rest: &mut std::str::Chars<'_>) -> Result<Set, String> {
    let (inside, after) = rest.as_str().split_once(']').ok_or("a `[` without `]`")?;
    *rest = after.chars();
    let negated = inside.starts_with('^');
    let letters: Vec<char> = inside.trim_start_matches('^').chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let is_range = at + 2 < letters.len() && letters[at + 1] == '-';
        let last = if is_range { at + 2 } else { at };
        ranges.push((letters[at], letters[last]));
        at = last + 1;
    }
    Ok(Set::Ranges { ranges, negated })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, line: &str) -> bool {
        Pattern::compile(pattern).unwrap().matches(line)
    }

    #[test]
    fn each_form_matches_what_it_says() {
        for (pattern, line, expected) in [
            ("b+c", "abbbcd", true),
            ("b+c", "acd", false),
            ("^a.*d$", "abcd", true),
            ("^a.*d$", "abcde", false),
            ("^b", "ab", false),
            (r"x=\d+ y=\w?$", "x=17 y=_", true),
            (r"x=\d+", "x=", false),
            ("[^0-9]", "123", false),
            ("[a-c-]+$", "ab-", true),
            (r"\|@+ *\d", "     read |@@@@   12", true),
            (r"\.$", "x", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, line), expected, "{pattern:?} on {line:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for pattern in ["(a)", "a|b", "a{2}", "*a", "[a", r"\q", "a\\"] {
            assert!(Pattern::compile(pattern).is_err(), "{pattern:?}");
        }
    }
}
