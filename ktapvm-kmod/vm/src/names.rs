//! Command names a frame remembers: from the sixteen bytes of a name to its retained string.
//!
//! In: names. Out: strings. Invariant: a remembered string is counted, so that it lives at least as long as it is remembered; only the run of a frame
//! reads or changes what the frame remembers.

use core::sync::atomic::Ordering;

use crate::host::Host;
use crate::layout::{NAME_WORDS, NAMES};
use crate::run::{Ran, Run};
use crate::seat::Seat;
use crate::string;
use crate::value::{Kind, Tag, Value};

impl<H: Host> Seat<'_, '_, H> {
    /// The string of a name, if the frame remembers it.
    #[inline(always)]
    pub(crate) fn name(&self, name: [u64; 2]) -> Option<Value> {
        let [first, second, handle] = self.region().words::<3>(self.name_place(name))?;
        let handle = handle.load(Ordering::Relaxed);
        if first.load(Ordering::Relaxed) == name[0] && second.load(Ordering::Relaxed) == name[1] && handle != 0 {
            Some(text(handle))
        } else {
            None
        }
    }

    #[inline(always)]
    fn name_place(&self, name: [u64; 2]) -> usize {
        let spread = (name[0] ^ name[1].rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = (spread >> 32) as usize & (NAMES - 1);
        let names = self.frame.wrapping_add(self.vm.objects.layout.names);
        names.wrapping_add(index.wrapping_mul(NAME_WORDS))
    }
}

impl<H: Host> Run<'_, '_, H> {
    /// Makes a text a retained string and remembers it in place of another.
    pub(crate) fn remember_name(&mut self, name: [u64; 2], value: Value) -> Ran<Value> {
        let (at, body) = (self.seat().name_place(name), string::body(value));
        let region = self.region;
        let handle = self.on_heap(|objects| {
            let handle = string::intern(objects, body)?;
            objects.retain(text(handle as u64));
            let old = region.get(at.wrapping_add(2));
            if old != 0 {
                objects.release(text(old));
            }
            region.set_pair(at, (name[0], name[1]));
            region.set(at.wrapping_add(2), handle as u64);
            Ok(handle)
        })?;
        Ok(text(handle as u64))
    }
}

fn text(handle: u64) -> Value {
    Value::new(Tag::Str, Kind::Text as u32, handle)
}
