//! Points in programs and libraries: names, globs and marks to places of their files.
//!
//! In: uprobes and static marks by name. Out: the same, each with its place; a glob becomes several. Invariant: a site's points stay in
//! their order, and a site that matches nothing is an error at its place in the script.

use ktap_bytecode::fetch::{FetchArg, FetchBase, FetchType, MAX_FETCH_ARGS};
use ktap_bytecode::glob;
use ktap_bytecode::limits::MAX_POINTS;
use ktap_bytecode::probe::{FilePlace, ProbePoint};
use ktap_lang::program::Program;
use ktap_lang::source::Span;
use ktap_lang::suggest::suggest;
use ktap_symbols::elf::{Elf, ElfError, Mark, MarkArg};

use super::Binding;
use super::files::{FileError, Files};
use super::registers;
use crate::diagnose;
use crate::failure::Failure;
use crate::ui::Ui;

/// Resolves all points in place.
pub(super) fn bind(
    program: &mut Program,
    mut files: Files<'_>,
    arch: &str,
    binding: &Binding<'_>,
) -> Result<(), Failure> {
    let mut failed = false;
    for (site, probe) in program.image.probes.iter_mut().enumerate() {
        let mut points = Vec::new();
        for point in std::mem::take(&mut probe.points) {
            if let Err(wrong) = registers::check(point.args(), arch) {
                let text = format!("the board's processor has no register `{}`", wrong.arg);
                show(binding, program.debug.probes.get(site), &text, Some(&wrong.help));
                failed = true;
            }
            if let Err(error) = one(point, &mut files, &mut points, binding.ui) {
                show(
                    binding,
                    program.debug.probes.get(site),
                    &error.text,
                    error.help.as_deref(),
                );
                failed = true;
            }
        }
        if points.len() > MAX_POINTS {
            let text = format!("this names {} places, a probe has at most {MAX_POINTS}", points.len());
            show(binding, program.debug.probes.get(site), &text, Some("narrow the names"));
            failed = true;
        }
        probe.points = points;
    }
    if failed { Err(Failure::BindShown) } else { Ok(()) }
}

fn show(binding: &Binding<'_>, site: Option<&(String, Span)>, text: &str, help: Option<&str>) {
    let span = site.map(|(_, span)| *span).unwrap_or_default();
    binding
        .ui
        .rendered(&diagnose::render_error(binding.source, span, text, "", help));
}

fn one(point: ProbePoint, files: &mut Files<'_>, out: &mut Vec<ProbePoint>, ui: Ui) -> Result<(), FileError> {
    match point {
        ProbePoint::Uprobe {
            path,
            symbol,
            offset,
            ret,
            args,
            filter,
            bound: None,
        } => {
            let elf = files.open(&path)?;
            let mut add = |symbol: &str, place: u64| {
                out.push(ProbePoint::Uprobe {
                    path: path.clone(),
                    symbol: symbol.to_owned(),
                    offset,
                    ret,
                    args: args.clone(),
                    filter: filter.clone(),
                    bound: Some(FilePlace {
                        offset: place,
                        ref_ctr: 0,
                    }),
                });
            };
            if symbol.is_empty() {
                elf.check_offset(offset).map_err(|error| wrong(&path, &error, None))?;
                add("", offset);
                return Ok(());
            }
            let near = || suggest(&symbol, elf.function_names()).map(str::to_owned);
            let mut found = elf
                .functions(&symbol, offset)
                .map_err(|error| wrong(&path, &error, near()))?;
            if ret && glob::is_glob(symbol.as_bytes()) {
                // It never returns, and its frame is not one of a function.
                found.retain(|function| function.name != "_start");
            }
            too_many(&path, &symbol, found.len())?;
            found.iter().for_each(|function| add(&function.name, function.offset));
            Ok(())
        }
        ProbePoint::Sdt {
            path,
            mark,
            filter,
            bound: None,
            ..
        } => {
            let elf = files.open(&path)?;
            let marks = marks(&elf, &mark).map_err(|(error, near)| wrong(&path, &error, near))?;
            too_many(&path, &mark, marks.len())?;
            for found in marks {
                out.push(ProbePoint::Sdt {
                    path: path.clone(),
                    mark: found.name.clone(),
                    args: arguments(found, &path, ui),
                    filter: filter.clone(),
                    bound: Some(FilePlace {
                        offset: found.offset,
                        ref_ctr: found.ref_ctr,
                    }),
                });
            }
            Ok(())
        }
        other => {
            out.push(other);
            Ok(())
        }
    }
}

fn marks<'e>(elf: &'e Elf, name: &str) -> Result<Vec<&'e Mark>, (ElfError, Option<String>)> {
    elf.marks(name)
        .map_err(|error| (error, suggest(name, elf.mark_names()).map(str::to_owned)))
}

/// Returns a mark's arguments; what cannot be fetched reads as its own text, so that the others keep their numbers.
fn arguments(mark: &Mark, path: &str, ui: Ui) -> Vec<FetchArg> {
    let one = |(index, arg): (usize, &MarkArg)| match arg {
        MarkArg::Fetch(arg) => arg.clone(),
        MarkArg::Unreachable(text) => {
            ui.verbose(format!(
                "argument {} of mark `{}` in `{path}` is where it cannot be read: {text}",
                index + 1,
                mark.name
            ));
            FetchArg {
                name: format!("arg{}", index + 1),
                base: FetchBase::Text(text.replace('"', "'")),
                derefs: Vec::new(),
                kind: FetchType::String,
                count: 0,
            }
        }
    };
    mark.args.iter().take(MAX_FETCH_ARGS).enumerate().map(one).collect()
}

fn wrong(path: &str, error: &ElfError, near: Option<String>) -> FileError {
    let help = match error {
        ElfError::NoFunction(_) | ElfError::NoMark(_) => near.map(|near| format!("did you mean `{near}`?")),
        _ => None,
    };
    FileError {
        text: format!("`{path}` cannot be probed so: {error}"),
        help,
    }
}

fn too_many(path: &str, name: &str, count: usize) -> Result<(), FileError> {
    if count <= MAX_POINTS {
        return Ok(());
    }
    Err(FileError {
        text: format!("`{name}` means {count} places of `{path}`, a probe has at most {MAX_POINTS}"),
        help: Some("narrow the name".into()),
    })
}
