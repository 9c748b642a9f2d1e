//! Did you mean: the known word nearest to a misspelt one.
//!
//! In: a word, the words known. Out: the nearest. Invariant: a suggestion differs in at most a third of the letters.

/// Returns the candidate nearest to `word`, if one is near enough to be meant; the first of equals.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate == word {
            continue;
        }
        let distance = distance(word, candidate);
        if distance <= limit && distance < candidate.chars().count() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns how many letters must be inserted, deleted, replaced or swapped with their neighbour to make `b` of `a`.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["print", "printf", "print_hist", "execname", "pid", "tid"];
        for (word, expected) in [
            ("prnt", Some("print")),
            ("pritn", Some("print")),
            ("exename", Some("execname")),
            ("pdi", Some("pid")),
            ("x", None),
            ("banana", None),
            ("print", Some("printf")),
        ] {
            assert_eq!(suggest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, n) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("abc", "abc", 0),
        ] {
            assert_eq!(distance(a, b), n, "{a} {b}");
            assert_eq!(distance(b, a), n, "{b} {a}");
        }
    }
}
