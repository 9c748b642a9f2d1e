//! Refusals at their place in the script.
//!
//! In: a refusal that is about a probe or a call, the script and its map. Out: a diagnostic on stderr. Invariant: a refusal that is not
//! about the script is left as it is.

use ktap_lang::program::DebugMap;
use ktap_lang::source::{Source, Span};
use ktap_link::message::{Question, Refusal, RefusalCode};

use crate::client::Client;
use crate::diagnose;
use crate::failure::Failure;
use crate::refusal;
use crate::ui::Ui;

/// Shows a refusal at its place, if it has one.
pub fn show(refusal: Refusal, source: &Source, debug: &DebugMap, client: &mut Client, ui: Ui) -> Failure {
    let Some(span) = place(&refusal, debug) else {
        return Failure::Refused(refusal);
    };
    let (text, mut help) = refusal::sentence(&refusal);
    if refusal.code == RefusalCode::NoSuchEvent {
        help = nearest(&refusal.name, client)
            .map(|name| format!("did you mean `{name}`?"))
            .or(help);
    }
    ui.rendered(&diagnose::render_error(source, span, &text, "", help.as_deref()));
    Failure::RefusedShown(refusal)
}

fn place(refusal: &Refusal, debug: &DebugMap) -> Option<Span> {
    let at = usize::try_from(refusal.detail).ok()?;
    match refusal.code {
        RefusalCode::NoSuchEvent
        | RefusalCode::NoSuchField
        | RefusalCode::BadFilter
        | RefusalCode::WrongEngine
        | RefusalCode::Unsupported
        | RefusalCode::NoSuchTarget
        | RefusalCode::BadFetch
        | RefusalCode::TooMany => debug.probes.get(at).map(|(_, span)| *span),
        RefusalCode::NoBuiltin => debug.spans.get(at).copied(),
        _ => None,
    }
}

/// Returns the event of the board whose name is nearest.
fn nearest(name: &str, client: &mut Client) -> Option<String> {
    let names = client.ask_text(Question::Events { glob: "*".into() }).ok()?;
    let names = String::from_utf8_lossy(&names);
    ktap_lang::suggest::suggest(name, names.lines()).map(str::to_owned)
}
