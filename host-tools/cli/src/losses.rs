//! What was lost, and why.
//!
//! In: the board's counters. Out: [`Loss`]es, one per cause and probe, as sentences or JSON. Invariant: every counter of the board has its
//! line here.

use ktap_lang::program::DebugMap;
use ktap_link::message::LostCounters;

/// One cause of loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The cause, in a word.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
    /// The probe as the script writes it, where the cause is one probe's.
    pub probe: Option<String>,
    /// What was lost and how to mend it; the count stands before it.
    sentence: &'static str,
}

impl Loss {
    /// Returns the sentence for people.
    pub fn text(&self) -> String {
        match &self.probe {
            Some(probe) => format!("{} events of `{probe}` {}", self.count, self.sentence),
            None => format!("{} {}", self.count, self.sentence),
        }
    }
}

/// Returns every cause that lost anything.
pub fn list(lost: &LostCounters, debug: &DebugMap) -> Vec<Loss> {
    let name = |site: u16| {
        debug
            .probes
            .get(site as usize)
            .map_or("?", |(text, _)| text.as_str())
            .to_owned()
    };
    let rings = lost.ring.iter().map(|&(site, count)| Loss {
        cause: "ring",
        count,
        probe: Some(name(site)),
        sentence: "lost: the kernel's ring was full; try --ring-pages, a filter",
    });
    let others = [
        (
            "link",
            lost.link,
            "records lost: the link was too slow; print less, or count on the board",
        ),
        (
            "fuel",
            lost.fuel,
            "handler runs given up: no memory was left, or a table was busy; try --memory",
        ),
        (
            "table",
            lost.table,
            "table updates lost: the session's memory is full; try --memory",
        ),
        (
            "recursion",
            lost.recursion,
            "events skipped: they fired inside a handler",
        ),
        ("oversize", lost.oversize, "records lost: longer than a record may be"),
        ("missed", lost.missed, "returns missed by the kernel"),
    ];
    let others = others.into_iter().map(|(cause, count, sentence)| Loss {
        cause,
        count,
        probe: None,
        sentence,
    });
    rings.chain(others).filter(|loss| loss.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktap_lang::source::Span;

    #[test]
    fn only_what_lost_anything_is_told_and_by_name() {
        let debug = DebugMap {
            probes: vec![("sched:*".into(), Span::default())],
            ..DebugMap::default()
        };
        let lost = LostCounters {
            ring: vec![(0, 3), (7, 0)],
            table: 2,
            ..LostCounters::default()
        };
        let texts: Vec<String> = list(&lost, &debug).iter().map(Loss::text).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("3 events of `sched:*` lost:"), "{texts:?}");
        assert!(texts[1].starts_with("2 table updates lost:"), "{texts:?}");
        assert_eq!(list(&LostCounters::default(), &debug), []);
    }
}
