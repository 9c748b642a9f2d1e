//! `Stats`: how the program fares.
//!
//! In: counters of the VM, of C and of ours. Out: [`Stats`], [`AttachedStats`]. Invariant: counts never go down within a session.

use core::sync::atomic::Ordering;

use ktap_device::request::Reply;
use ktap_device::stats::{AttachedStats, Stats};

use crate::border;
use crate::request::{Input, Output, Refused};
use crate::session::{Session, nothing};

impl Session {
    /// `Stats`.
    pub(crate) fn stats(&self, input: Input<'_>, output: &mut Output<'_>) {
        match self.all_stats(input) {
            Ok(stats) => {
                output.put(&stats);
                let first = output.used();
                for attached in 0..stats.attached {
                    output.put(&AttachedStats {
                        lost: self.lost(attached as u16),
                        missed: 0,
                    });
                }
                // One walk for all of them: there may be many more probes than attachments.
                self.each_probe(|probe| {
                    let at = first.saturating_add((probe.attached as usize).saturating_mul(size_of::<AttachedStats>()));
                    // SAFETY: may be called anywhere; the probe is one that was attached.
                    let missed = unsafe { border::kph_missed(self.c, probe.number) };
                    output.change(at, |stats: &mut AttachedStats| {
                        stats.missed = stats.missed.saturating_add(missed);
                    });
                });
            }
            Err(refused) => {
                output.put(&Stats {
                    reply: refused.reply(),
                    ..Stats::default()
                });
            }
        }
    }

    fn all_stats(&self, input: Input<'_>) -> Result<Stats, Refused> {
        nothing(input)?;
        let program = self.program()?;
        let counters = program.vm.counters();
        // SAFETY: both may be called anywhere.
        let (events, waiting) = unsafe { (border::kph_events(self.c), border::kph_ring_waiting(self.c)) };
        let skipped = program.skipped.load(Ordering::Relaxed);
        Ok(Stats {
            reply: Reply::default(),
            end: program.over.end(),
            events,
            table_drops: counters.table_drops,
            out_of_memory: counters.out_of_memory,
            recursion: counters.recursion.saturating_add(skipped),
            busy: counters.busy,
            oversize: counters.oversize,
            lost: counters.lost,
            memory: self.memory(),
            waiting,
            attached: self.attached() as u32,
            reserved: 0,
            reserved2: 0,
        })
    }

    /// Records of an attachment that were lost.
    fn lost(&self, attached: u16) -> u64 {
        let program = self.program().ok();
        let lost = program.and_then(|program| program.lost.get(attached as usize));
        lost.map_or(0, |lost| lost.load(Ordering::Relaxed))
    }
}
