//! Aggregations: count, sum, least, largest and the sum of squares of the numbers given.
//!
//! In: numbers. Out: [`Aggregate`]. Invariant: count and extremes are exact; the sum wraps at 64 bits, the squares at 128.
//!
//! On the heap and in scratch: six words, behind header and link on the heap.

use core::sync::atomic::{AtomicU64, Ordering};

use ktap_bytecode::record::Stat;

use crate::region::Region;

/// Words of an aggregation.
pub(crate) const WORDS: usize = 6;
/// Words before it on the heap.
pub(crate) const HEADER: usize = 2;

/// An aggregation: count, sum, min, max, low and high word of the sum of squares.
pub(crate) type Aggregate = [u64; WORDS];

/// Reads the one at word `at`.
pub(crate) fn load(region: &Region<'_>, at: usize) -> Aggregate {
    let word = |i: usize| region.get(at.wrapping_add(i));
    [word(0), word(1), word(2), word(3), word(4), word(5)]
}

/// Writes one to word `at`.
pub(crate) fn save(region: &Region<'_>, at: usize, aggregate: &Aggregate) {
    for (i, word) in aggregate.iter().enumerate() {
        region.set(at.wrapping_add(i), *word);
    }
}

/// Adds a number.
pub(crate) fn add(aggregate: &Aggregate, number: i64) -> Aggregate {
    let [count, sum, min, max, low, high] = *aggregate;
    let (least, largest) = if count == 0 {
        (number, number)
    } else {
        ((min as i64).min(number), (max as i64).max(number))
    };
    let (square_low, square_high) = square(number.unsigned_abs());
    let (low, carry) = low.overflowing_add(square_low);
    let high = high.wrapping_add(square_high).wrapping_add(carry as u64);
    [
        count.wrapping_add(1),
        sum.wrapping_add(number as u64),
        least as u64,
        largest as u64,
        low,
        high,
    ]
}

/// Adds a number to the one in these words.
#[inline(always)]
pub(crate) fn add_to(words: &[AtomicU64; WORDS], number: i64) {
    let word = |word: &AtomicU64| word.load(Ordering::Relaxed);
    let [count, sum, min, max, low, high] = words;
    let sums = add(
        &[word(count), word(sum), word(min), word(max), word(low), word(high)],
        number,
    );
    for (word, value) in words.iter().zip(sums) {
        word.store(value, Ordering::Relaxed);
    }
}

/// Adds all that another was given.
pub(crate) fn merge(a: &Aggregate, b: &Aggregate) -> Aggregate {
    let ([count, sum, min, max, low, high], [more, other_sum, other_min, other_max, other_low, other_high]) = (*a, *b);
    if count == 0 {
        return *b;
    }
    if more == 0 {
        return *a;
    }
    let (low, carry) = low.overflowing_add(other_low);
    [
        count.wrapping_add(more),
        sum.wrapping_add(other_sum),
        (min as i64).min(other_min as i64) as u64,
        (max as i64).max(other_max as i64) as u64,
        low,
        high.wrapping_add(other_high).wrapping_add(carry as u64),
    ]
}

/// The part of it that records show.
pub(crate) fn shown(aggregate: &Aggregate) -> Stat {
    let [count, sum, min, max, ..] = *aggregate;
    Stat {
        count,
        sum: sum as i64,
        min: min as i64,
        max: max as i64,
    }
}

/// The mean, towards zero; 0 of nothing.
pub(crate) fn mean(aggregate: &Aggregate) -> i64 {
    let [count, sum, ..] = *aggregate;
    (sum as i64).checked_div(count as i64).unwrap_or(0)
}

/// The standard deviation of all numbers given, towards zero; 0 of nothing.
pub(crate) fn deviation(aggregate: &Aggregate) -> i64 {
    let [count, sum, _, _, low, high] = *aggregate;
    if count == 0 {
        return 0;
    }
    // Variance = (squares - sum * sum / count) / count; rounding the inner quotient up makes the whole round down.
    let (sum_low, sum_high) = square((sum as i64).unsigned_abs());
    let (mut part_low, mut part_high, rest) = divide(sum_low, sum_high, count);
    if rest != 0 {
        let (bumped, carry) = part_low.overflowing_add(1);
        part_low = bumped;
        part_high = part_high.wrapping_add(carry as u64);
    }
    let (left_low, borrow) = low.overflowing_sub(part_low);
    let left_high = high.wrapping_sub(part_high).wrapping_sub(borrow as u64);
    let (variance_low, variance_high, _) = divide(left_low, left_high, count);
    root(variance_low, variance_high) as i64
}

/// The square, 128 bits as (low, high).
fn square(x: u64) -> (u64, u64) {
    multiply(x, x)
}

fn multiply(x: u64, y: u64) -> (u64, u64) {
    let (x0, x1, y0, y1) = (x & 0xffff_ffff, x >> 32, y & 0xffff_ffff, y >> 32);
    let low = x0.wrapping_mul(y0);
    let middle = x1.wrapping_mul(y0).wrapping_add(low >> 32);
    let other = x0.wrapping_mul(y1).wrapping_add(middle & 0xffff_ffff);
    let high = x1.wrapping_mul(y1).wrapping_add(middle >> 32).wrapping_add(other >> 32);
    (other << 32 | low & 0xffff_ffff, high)
}

/// Divides a 128-bit number: quotient (low, high) and remainder.
fn divide(low: u64, high: u64, by: u64) -> (u64, u64, u64) {
    let (mut quotient_low, mut quotient_high, mut rest) = (0u64, 0u64, 0u64);
    for bit in (0..128u32).rev() {
        let next = if bit >= 64 {
            high >> (bit & 63) & 1
        } else {
            low >> (bit & 63) & 1
        };
        let carry = rest >> 63;
        rest = rest << 1 | next;
        let fits = carry == 1 || rest >= by;
        if fits {
            rest = rest.wrapping_sub(by);
        }
        quotient_high = quotient_high << 1 | quotient_low >> 63;
        quotient_low = quotient_low << 1 | fits as u64;
    }
    (quotient_low, quotient_high, rest)
}

/// The integer square root of a 128-bit number.
fn root(low: u64, high: u64) -> u64 {
    let mut root = 0u64;
    for bit in (0..64u32).rev() {
        let trial = root | 1 << bit;
        let (square_low, square_high) = square(trial);
        if (square_high, square_low) <= (high, low) {
            root = trial;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[i64]) -> Aggregate {
        numbers.iter().fold([0; WORDS], |a, n| add(&a, *n))
    }

    #[test]
    fn shows_what_was_given() {
        let a = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(
            shown(&a),
            Stat {
                count: 8,
                sum: 40,
                min: 2,
                max: 9
            }
        );
        assert_eq!((mean(&a), deviation(&a)), (5, 2));
    }

    #[test]
    fn agrees_with_wide_arithmetic() {
        for numbers in [
            &[i64::MIN / 4, i64::MAX / 4][..],
            &[-3, -4, 10],
            &[7],
            &[1, 2],
            &[1_000_000_007, -5, 3],
        ] {
            let n = numbers.len() as u128;
            let sum: i128 = numbers.iter().map(|x| *x as i128).sum();
            let squares: u128 = numbers.iter().map(|x| (*x as i128 * *x as i128) as u128).sum();
            let variance = (squares - (sum * sum).unsigned_abs().div_ceil(n)) / n;
            assert_eq!(deviation(&of(numbers)) as u128, variance.isqrt(), "{numbers:?}");
        }
        assert_eq!(deviation(&[0; WORDS]), 0);
        assert_eq!(multiply(u64::MAX, u64::MAX), (1, u64::MAX - 1));
    }
}
