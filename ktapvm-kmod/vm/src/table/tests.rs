//! Tables against a model: a list of entries in order of insertion.
extern crate std;

use std::vec::Vec;

use ktap_bytecode::code::CodeRef;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::op::{Op, Word};
use proptest::prelude::*;

use super::*;
use crate::heap::Heap;
use crate::layout::{Layout, control};
use crate::region::Region;

/// Runs a test on a heap of its own.
fn on_a_heap(test: impl FnOnce(&Objects<'_>)) {
    let limits = Limits {
        memory: 1 << 20,
        scratch: 64,
        stack_slots: 8,
        call_depth: 1,
        ..Limits::default()
    };
    let code = CodeRef {
        functions: &[],
        // What makes a table is given memory for it.
        code: &[Word::abc(Op::NewTable, 0, 0, 0)],
        consts: &[],
        bytes: &[],
        captures: &[],
        fields: &[],
        formats: &[],
        globals: 0,
        probes: 0,
    };
    let layout = Layout::new(&limits, &code, 1);
    let mut memory = std::vec![0u64; layout.words()];
    let objects = Objects {
        heap: Heap::new(Region::new(&mut memory).expect("a whole region"), &layout),
        layout,
    };
    objects.heap.format();
    test(&objects);
}

fn entries(objects: &Objects<'_>, t: u32) -> Vec<(i64, i64)> {
    let mut seen = Vec::new();
    let mut cursor = Value::NIL;
    while let Some((next, key, value)) = next(objects, t, cursor) {
        seen.push((key.payload as i64, value.payload as i64));
        cursor = next;
    }
    seen
}

proptest! {
    #[test]
    fn agrees_with_a_model(steps in proptest::collection::vec((-5i64..60, 0i64..4), 1..600)) {
        on_a_heap(|objects| {
            let t = create(objects, 0, 0).expect("memory");
            let mut model: Vec<(i64, i64)> = Vec::new();
            for (step, (key, value)) in steps.iter().enumerate() {
                model.retain(|(k, _)| k != key);
                // Every fourth value removes the key.
                let stored = if *value == 0 { Value::NIL } else { Value::int(step as i64) };
                if *value != 0 {
                    model.push((*key, step as i64));
                }
                store(objects, t, Value::int(*key), stored).expect("memory");
                assert_eq!(len(objects, t), model.len());
            }
            for key in -5..60 {
                let expected = model.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
                let found = find(objects, t, Value::int(key)).and_then(|slot| value_at(objects, slot).as_int());
                assert_eq!(found, expected, "key {key}");
            }
            let mut seen = entries(objects, t);
            seen.sort_unstable();
            model.sort_unstable();
            assert_eq!(seen, model);
        });
    }

    #[test]
    fn a_cursor_survives_removal_and_copying(keys in 10i64..200, removed in 1i64..7) {
        on_a_heap(|objects| {
            let t = create(objects, 0, 0).expect("memory");
            for key in 0..keys {
                store(objects, t, Value::int(-key), Value::int(key)).expect("memory");
            }
            let mut seen = Vec::new();
            let mut cursor = Value::NIL;
            while let Some((after, key, value)) = next(objects, t, cursor) {
                cursor = after;
                if key.payload as i64 > 1_000 {
                    break;
                }
                seen.push(value.payload as i64);
                if value.payload as i64 % removed == 0 {
                    store(objects, t, key, Value::NIL).expect("memory");
                }
                // Other CPUs add keys meanwhile, so that the part gets copied.
                store(objects, t, Value::int(5_000 + value.payload as i64), Value::int(0)).expect("memory");
            }
            assert_eq!(seen, (0..keys).collect::<Vec<_>>());
        });
    }
}

#[test]
fn everything_comes_back() {
    on_a_heap(|objects| {
        let used = || objects.heap.region.get(control::HEAP_USED);
        for _ in 0..50 {
            let t = create(objects, 3, 7).expect("memory");
            for key in 0..500 {
                let inner = Value::new(Tag::Table, 0, create(objects, 1, 0).expect("memory") as u64);
                store(objects, t, Value::int(key * 3), inner).expect("memory");
            }
            clear(objects, t);
            assert_eq!((len(objects, t), entries(objects, t).len()), (0, 0));
            while objects.collect() {}
        }
        assert_eq!(used(), 0);
        // All is one again: the largest block the heap ever had can be taken.
        let half = objects.layout.heap_words / 4;
        assert!(objects.heap.alloc(Block::Part, half).is_ok());
    });
}
