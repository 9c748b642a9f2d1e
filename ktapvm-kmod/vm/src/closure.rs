//! Closures and cells: a function with the variables it captured, and one such variable.
//!
//! In: handles. Out: handles, values. Invariant: a closure's function and cells never change.
//!
//! Closure: header, link, `function:32 upvalues:32`, then cell handles, two to a word. Cell: header, link, value.

use crate::heap::{Block, NoMemory};
use crate::object::Objects;
use crate::value::{Tag, Value};

/// Makes a closure of `function` with room for `upvalues` cells. Under the heap lock.
pub(crate) fn create(objects: &Objects<'_>, function: u32, upvalues: usize) -> Result<u32, NoMemory> {
    let handle = objects
        .heap
        .alloc(Block::Closure, upvalues.div_ceil(2).saturating_add(3))?;
    let at = handle as usize;
    objects
        .heap
        .region
        .set(at.wrapping_add(2), function as u64 | (upvalues as u64) << 32);
    for i in 0..upvalues.div_ceil(2) {
        objects.heap.region.set(at.wrapping_add(3).wrapping_add(i), 0);
    }
    objects.created(handle);
    Ok(handle)
}

/// The function of a closure.
pub(crate) fn function(objects: &Objects<'_>, handle: u32) -> u32 {
    objects.heap.region.low((handle as usize).wrapping_add(2))
}

/// How many cells a closure has.
pub(crate) fn upvalues(objects: &Objects<'_>, handle: u32) -> usize {
    objects.heap.region.high((handle as usize).wrapping_add(2)) as usize
}

/// The handle of a closure's cell, 0 if it has no such.
pub(crate) fn cell(objects: &Objects<'_>, handle: u32, upvalue: usize) -> u32 {
    if upvalue >= upvalues(objects, handle) {
        return 0;
    }
    let word = (handle as usize).wrapping_add(3).wrapping_add(upvalue / 2);
    if upvalue & 1 == 1 {
        objects.heap.region.high(word)
    } else {
        objects.heap.region.low(word)
    }
}

/// A closure's cell as a value.
pub(crate) fn cell_value(objects: &Objects<'_>, handle: u32, upvalue: usize) -> Value {
    Value::new(Tag::Cell, 0, cell(objects, handle, upvalue) as u64)
}

/// Fills in a cell of a new closure. Under the heap lock.
pub(crate) fn set_cell(objects: &Objects<'_>, handle: u32, upvalue: usize, cell: Value) {
    let word = (handle as usize).wrapping_add(3).wrapping_add(upvalue / 2);
    objects.retain(cell);
    if upvalue & 1 == 1 {
        objects.heap.region.set_high(word, cell.handle());
    } else {
        objects.heap.region.set_low(word, cell.handle());
    }
}

/// Makes a cell that holds `value`. Under the heap lock.
pub(crate) fn create_cell(objects: &Objects<'_>, value: Value) -> Result<u32, NoMemory> {
    let handle = objects.heap.alloc(Block::Cell, 4)?;
    let at = handle as usize;
    objects.heap.region.set(at.wrapping_add(2), value.head());
    objects.heap.region.set(at.wrapping_add(3), value.payload);
    objects.retain(value);
    objects.created(handle);
    Ok(handle)
}

/// The word of a cell's value.
pub(crate) fn cell_slot(handle: u32) -> usize {
    (handle as usize).wrapping_add(2)
}
