//! Sessions on their way: loaded, attached, enabled.
#![allow(dead_code)]

use ktap_device::attach::{Base, Deref, Fetch, Shape, Source, Test, TestKind};
use ktap_device::request::{Code, Kind};
use ktap_device::stats::{AttachedStats, Ran, Stats};

use crate::kernel::{Session, world};
use crate::requests::{Probe, image, load, read, reply, shown};

pub const DONE: (u32, i32, i64) = (Code::Done as u32, 0, 0);

/// A session that has loaded a script and run its main; the reply of main.
pub fn main_ran(script: &str, flags: u32) -> (Session, Ran) {
    let mut session = Session::open();
    let output = session.request(Kind::Load as u32, &load(&image(script), flags));
    assert_eq!(reply(&output), DONE, "load");
    let output = session.request(Kind::RunMain as u32, &[]);
    assert_eq!(reply(&output), DONE, "main");
    (session, read(&output, 0))
}

/// Attaches, which has to work.
pub fn attach(session: &mut Session, probe: &Probe) {
    let output = session.request(Kind::Attach as u32, &probe.encode());
    assert_eq!(reply(&output), DONE, "attach");
}

/// A script of one probe, whose handler runs with one probe attached.
pub fn armed(script: &str, flags: u32, probe: &Probe) -> Session {
    let (mut session, _) = main_ran(script, flags);
    attach(&mut session, probe);
    assert_eq!(reply(&session.request(Kind::Enable as u32, &[])), DONE);
    session
}

pub fn stats(session: &mut Session) -> (Stats, Vec<AttachedStats>) {
    let output = session.request(Kind::Stats as u32, &[]);
    let stats: Stats = read(&output, 0);
    let each = (0..stats.attached as usize).map(|i| read(&output, size_of::<Stats>() + i * size_of::<AttachedStats>()));
    (stats, each.collect())
}

pub fn printed() -> Vec<String> {
    world(|world| shown(&world.entries))
}

pub fn fetch(base: Base, shape: Shape, size: u16, value: u64, place: u32) -> Fetch {
    Fetch {
        base: base as u16,
        shape: shape as u16,
        size,
        value,
        place,
        ..Fetch::default()
    }
}

pub fn deref(offset: i64, user: u32) -> Deref {
    Deref {
        offset,
        user,
        reserved: 0,
    }
}

pub fn test(kind: TestKind, source: Source, value: u64) -> Test {
    Test {
        kind: kind as u16,
        source,
        value,
        ..Test::default()
    }
}
