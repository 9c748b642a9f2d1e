//! The order of events across CPUs.
//!
//! In: queues that are each in order of time. Out: which queue holds the earliest. Invariant: of equal times the queue with the
//! lower number goes first.

/// A queue in order of time.
pub trait Queue {
    /// Returns the time of its first entry.
    fn front_time(&mut self) -> Option<u64>;
}

/// Returns the number of the queue with the earliest entry that is not later than `limit`.
pub fn earliest<Q: Queue>(queues: &mut [Q], limit: u64) -> Option<usize> {
    let fronts = queues
        .iter_mut()
        .enumerate()
        .filter_map(|(i, queue)| Some((queue.front_time()?, i)));
    fronts.min().filter(|(time, _)| *time <= limit).map(|(_, i)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    impl Queue for VecDeque<u64> {
        fn front_time(&mut self) -> Option<u64> {
            self.front().copied()
        }
    }

    #[test]
    fn in_order_up_to_the_limit() {
        let mut queues = [
            VecDeque::from([1, 4, 9]),
            VecDeque::from([]),
            VecDeque::from([2, 4, 5, 12]),
        ];
        let mut out = Vec::new();
        while let Some(i) = earliest(&mut queues, 9) {
            out.push((i, queues[i].pop_front().expect("an entry")));
        }
        assert_eq!(out, [(0, 1), (2, 2), (0, 4), (2, 4), (2, 5), (0, 9)]);
        assert_eq!(queues[2], [12]);
    }
}
