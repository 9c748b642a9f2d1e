//! `doc [TOPIC]`: pages by diagnostic code, `exit`, or builtin.

use std::io::Write;

use ktap_bytecode::builtin::{Builtin, Spelling};
use ktap_lang::diagnostic::{Code, Severity};

use crate::exit_code;
use crate::failure::Failure;

/// Prints a page.
///
/// # Errors
/// No such topic, or stdout is gone.
pub fn run(topic: Option<&str>) -> Result<u8, Failure> {
    let text = match topic {
        None => overview(),
        Some("exit") => exit_codes(),
        Some(topic) => page(topic)?,
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Output(format!("cannot write to stdout: {e}")))?;
    Ok(0)
}

fn overview() -> String {
    let mut text = String::from("Topics: exit, every builtin's name (`ktap-host list builtins`), and the codes\n\n");
    for code in Code::ALL {
        text.push_str(&format!("  {}  {}\n", code.text(), code.title()));
    }
    text
}

/// Returns the table of exit codes.
fn exit_codes() -> String {
    exit_code::TABLE
        .iter()
        .map(|(code, meaning)| format!("{code}  {meaning}\n"))
        .collect()
}

fn page(topic: &str) -> Result<String, Failure> {
    if let Some(code) = Code::ALL.iter().find(|c| c.text().eq_ignore_ascii_case(topic)) {
        let kind = match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        return Ok(format!(
            "{} ({kind}): {}\n\n{}\n",
            code.text(),
            code.title(),
            code.page()
        ));
    }
    if let Some(builtin) = Builtin::from_name(topic).filter(|b| b.spelling() != Spelling::Hidden) {
        return Ok(format!("{}\n\n{}\n", builtin.signature(), builtin.doc()));
    }
    let names = Code::ALL
        .iter()
        .map(|c| c.text())
        .chain(Builtin::ALL.iter().map(|b| b.name()));
    let help = match ktap_lang::suggest::suggest(topic, names) {
        Some(close) => format!("did you mean `{close}`?"),
        None => "`ktap-host doc` lists the topics".into(),
    };
    Err(Failure::Usage(format!("there is no page on `{topic}`"), Some(help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_says_something() {
        for code in Code::ALL {
            assert!(code.page().len() > 40, "{}", code.text());
            assert!(page(code.text()).is_ok());
        }
        assert!(page("K9999").is_err());
    }

    #[test]
    fn the_document_of_exit_codes_is_the_table() {
        let document = include_str!("../../../../docs/exit-codes.md");
        for (code, meaning) in exit_code::TABLE {
            assert!(
                document.contains(&format!("| {code} | {meaning} |")),
                "{code}: {meaning}"
            );
        }
    }
}
