//! A module for tests: it answers every request as done and keeps what it was asked.

use core::cell::RefCell;

use ktap_device::attach::{Attach, Attached};
use ktap_device::load::Loaded;
use ktap_device::request::{Code, Kind, Reply};
use ktap_device::stats::Ran;

use super::device::{Module, bytes_of, value_of};
use crate::sys::Result;

/// What it was asked, and what it will say.
#[derive(Default)]
pub(super) struct Mock {
    /// Requests in order.
    pub(super) requests: RefCell<Vec<(Kind, Vec<u8>)>>,
    /// Names of probes that are not there.
    pub(super) missing: Vec<&'static str>,
    /// Sites that main attaches.
    pub(super) sites: Vec<u16>,
    /// What `read` gives, a piece at a time.
    pub(super) records: RefCell<Vec<Vec<u8>>>,
}

impl Mock {
    /// The heads and names of all probes.
    pub(super) fn probes(&self) -> Vec<(Attach, String)> {
        let requests = self.requests.borrow();
        let attaches = requests.iter().filter(|(kind, _)| *kind == Kind::Attach);
        attaches.map(|(_, bytes)| (value_of(bytes), text(bytes))).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    let head: Attach = value_of(bytes);
    let from = head.name.offset as usize;
    String::from_utf8_lossy(&bytes[from..from + head.name.count as usize]).into_owned()
}

impl Module for Mock {
    fn request(&self, kind: Kind, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.requests.borrow_mut().push((kind, input.to_vec()));
        let mut put = |bytes: &[u8]| {
            output[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        };
        match kind {
            Kind::Load => put(bytes_of(&Loaded {
                memory: 1000,
                ..Loaded::default()
            })),
            Kind::RunMain => {
                let ran = Ran {
                    attached: self.sites.len() as u32,
                    ..Ran::default()
                };
                let sites = self.sites.iter().flat_map(|site| site.to_ne_bytes());
                put(&bytes_of(&ran).iter().copied().chain(sites).collect::<Vec<u8>>())
            }
            Kind::Attach => {
                let code = if self.missing.contains(&text(input).as_str()) {
                    Code::NotFound
                } else {
                    Code::Done
                };
                put(bytes_of(&Attached {
                    reply: Reply {
                        code: code as u32,
                        ..Reply::default()
                    },
                    matched: 1,
                    reserved: 0,
                }))
            }
            _ => {
                let len = output.len();
                output.fill(0);
                Ok(len)
            }
        }
    }

    fn read(&self, buf: &mut [u8]) -> Result<usize> {
        let mut records = self.records.borrow_mut();
        if records.is_empty() {
            return Ok(0);
        }
        let next = records.remove(0);
        buf[..next.len()].copy_from_slice(&next);
        Ok(next.len())
    }

    fn raw(&self) -> i32 {
        -1
    }
}
