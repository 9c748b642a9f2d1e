//! What came of comparing, by kind of event.
//!
//! In: [`Agreement`]s. Out: a report, and whether all is as it must be. Invariant: what may stay unknown is listed, with the reason.

use std::collections::BTreeMap;

use ktap_symbols::format::{Agreement, EventFormat};
use ktap_symbols::symbol::NoSymbols;

/// Differences that are shown of one kind of event.
const SHOWN: u64 = 2;

/// What print formats may name though only the running kernel has it, and why the host does without.
const UNKNOWABLE: &[(&str, &str)] = &[
    (
        "vmemmap_base",
        "where the struct of a page is depends on a variable of the kernel",
    ),
    ("(jiffies - ", "the kernel reads its clock while it prints"),
    ("jiffies_to_msecs(", "ticks a second are a choice of the kernel's build"),
    (
        "_val(native_make_",
        "a paravirtual kernel translates page table entries",
    ),
    ("xen_hypercall_name(", "a function of the kernel has the names"),
    (
        "XEN_MC_",
        "the kernel did not write the numbers of its constants into the format",
    ),
    (
        "PARAVIRT_LAZY_",
        "the kernel did not write the numbers of its constants into the format",
    ),
    ("decode_prq_descriptor(", "a function of the kernel makes the text"),
    ("nvme_trace_disk_name(", "a function of the kernel makes the text"),
    ("mc_event_error_type(", "a function of the kernel has the names"),
];

/// Formats by the kernel's id, each with `SYSTEM/EVENT`.
pub type Formats = BTreeMap<u16, (String, EventFormat)>;

/// How the records of one kind compare.
#[derive(Default)]
struct Kind {
    same: u64,
    unknowable: u64,
    different: u64,
}

/// The counts of a whole capture.
pub struct Tally<'a> {
    formats: &'a Formats,
    kinds: BTreeMap<&'a str, Kind>,
}

impl<'a> Tally<'a> {
    /// Begins with nothing counted.
    pub fn new(formats: &'a Formats) -> Tally<'a> {
        Tally {
            formats,
            kinds: BTreeMap::new(),
        }
    }

    /// Counts a record; a difference is shown.
    pub fn add(&mut self, name: &'a str, theirs: &str, agreement: Agreement) {
        let kind = self.kinds.entry(name).or_default();
        match agreement {
            Agreement::Same => kind.same += 1,
            Agreement::Unknowable => kind.unknowable += 1,
            Agreement::Different(ours) => {
                kind.different += 1;
                if kind.different <= SHOWN {
                    println!("{name}\n  ours   {ours}\n  kernel {theirs}");
                }
            }
        }
    }

    /// Prints the sums. Returns true if nothing differs, nothing is unknown without a reason, and at least `least` kinds of events other
    /// than system calls were there.
    pub fn report(&self, addresses: usize, least: usize) -> bool {
        let mut good = true;
        let mut understood = 0;
        for (name, format) in self.formats.values() {
            let kind = self.kinds.get(name.as_str());
            let made = kind.map_or(0, |kind| kind.same + kind.different);
            // Without a record, one of zeros tells whether the format can be followed to its end.
            let followed = made > 0 || follows(format);
            let reason = UNKNOWABLE.iter().find(|(needed, _)| format.print_fmt.contains(needed));
            understood += usize::from(followed);
            let unknown = kind.map_or(0, |kind| kind.unknowable);
            match reason {
                _ if followed && unknown == 0 => {}
                Some((_, reason)) => println!("{name}: {unknown} records without the kernel's text: {reason}"),
                None => {
                    good = false;
                    println!("{name}: {unknown} records could not be formatted: {}", format.print_fmt);
                }
            }
        }
        for (name, kind) in self.kinds.iter().filter(|(_, kind)| kind.different > 0) {
            println!(
                "{name}: {} of {} records differ",
                kind.different,
                kind.different + kind.same
            );
            good = false;
        }
        let sum = |count: fn(&Kind) -> u64| self.kinds.values().map(count).sum::<u64>();
        let others = self.kinds.keys().filter(|name| !name.starts_with("syscalls/")).count();
        println!(
            "{} kinds of events fired, {others} of them no system calls; {} records alike ({addresses} addresses by their hash), \
             {} unknowable, {} different; {understood} of {} formats understood",
            self.kinds.len(),
            sum(|kind| kind.same),
            sum(|kind| kind.unknowable),
            sum(|kind| kind.different),
            self.formats.len(),
        );
        if others < least {
            println!("fewer than {least} kinds of events beside system calls fired: the load does too little");
            good = false;
        }
        good
    }
}

fn follows(format: &EventFormat) -> bool {
    let end = format.fields.iter().map(|field| field.offset + field.size).max();
    format.formatted(&vec![0; end.unwrap_or(0)], &NoSymbols).is_some()
}
