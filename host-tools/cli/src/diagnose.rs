//! Diagnostics as people read them: code, place, the line with its marks, help.
//!
//! In: [`Diagnostic`]s and their source. Out: text in the manner of rustc. Invariant: no source text and no span makes it panic.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ktap_lang::diagnostic::{Diagnostic, Severity};
use ktap_lang::source::{Source, Span};

/// Renders a diagnostic.
pub fn render(source: &Source, diagnostic: &Diagnostic) -> String {
    let (name, text) = (source.name.clone(), printable(&source.text));
    let level = match diagnostic.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut primary = AnnotationKind::Primary.span(range(&text, diagnostic.primary.span));
    if !diagnostic.primary.text.is_empty() {
        primary = primary.label(&diagnostic.primary.text);
    }
    let mut snippet = Snippet::source(&text).line_start(1).path(&name).annotation(primary);
    for other in &diagnostic.others {
        snippet = snippet.annotation(
            AnnotationKind::Context
                .span(range(&text, other.span))
                .label(&other.text),
        );
    }
    let mut group = level
        .primary_title(&diagnostic.message)
        .id(diagnostic.code.text())
        .element(snippet);
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().render(&[group]).to_string()
}

/// Renders an error at its place: `error: message`, the line under it, the function's name if it has one, and help.
pub fn render_error(source: &Source, span: Span, message: &str, function: &str, help: Option<&str>) -> String {
    let text = printable(&source.text);
    let mut primary = AnnotationKind::Primary.span(range(&text, span));
    let note = format!("in {function}");
    if !function.is_empty() {
        primary = primary.label(&note);
    }
    let snippet = Snippet::source(&text)
        .line_start(1)
        .path(&source.name)
        .annotation(primary);
    let mut group = Level::ERROR.primary_title(message).element(snippet);
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().render(&[group]).to_string()
}

/// Returns the text with every byte that is not UTF-8 replaced by one of the same length, so that spans keep their meaning.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    // Control characters would act on the terminal; tabs and newlines are layout.
    text.chars()
        .map(|c| {
            if c.is_ascii_control() && c != '\n' && c != '\t' {
                '?'
            } else {
                c
            }
        })
        .collect()
}

/// Returns the span as a range on character borders inside the text.
fn range(text: &str, span: Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start as usize);
    start..floor(span.end as usize).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktap_lang::diagnostic::Code;

    #[test]
    fn odd_bytes_and_spans_do_no_harm() {
        let source = Source::new("x.kp", b"print(\xff\xfe \x1b[31m)\n".to_vec());
        for (start, end) in [(0, 0), (6, 7), (5, 900), (900, 3), (17, 17)] {
            let diagnostic = Diagnostic::new(Code::UnexpectedSymbol, Span { start, end }, "m")
                .label("l")
                .help("h");
            let text = render(&source, &diagnostic);
            assert!(text.contains("x.kp"), "{text}");
        }
    }
}
