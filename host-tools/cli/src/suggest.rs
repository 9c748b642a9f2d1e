//! Did-you-mean for names only the board knows.
//!
//! In: a refusal that names an event. Out: the refusal as a failure, with the nearest event there is.

use ktap_link::message::{Question, Refusal};

use crate::client::Client;
use crate::failure::Failure;
use crate::refusal;

/// Adds the nearest event to a `NoSuchEvent` refusal.
pub fn event(refusal: Refusal, client: &mut Client) -> Failure {
    let Ok(names) = client.ask_text(Question::Events { glob: "*".into() }) else {
        return Failure::Refused(refusal);
    };
    let names = String::from_utf8_lossy(&names).into_owned();
    match ktap_lang::suggest::suggest(&refusal.name, names.lines()) {
        Some(close) => {
            let (text, _) = refusal::sentence(&refusal);
            Failure::RefusedWithHelp(refusal, text, format!("did you mean `{close}`?"))
        }
        None => Failure::Refused(refusal),
    }
}
