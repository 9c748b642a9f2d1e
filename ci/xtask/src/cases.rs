//! Every case that the boards are tested with.
//!
//! In: `ci/qemu/cases/*.ktest`, `scripts/`. Out: [`Case`]s, in the order of their files. Invariant: a script that is shipped is a case.

use std::path::{Path, PathBuf};

use crate::cache::{self, Cache};
use crate::case::{self, Case};
use crate::error::XtaskError;

/// Reads all cases.
pub fn load(cache: &Cache) -> Result<Vec<Case>, XtaskError> {
    let directory = cache.checkout("ci/qemu/cases");
    let listing = std::fs::read_dir(&directory).map_err(XtaskError::file("read", &directory))?;
    let mut files: Vec<_> = listing.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ktest"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&cache::read(&file)?).into_owned();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        cases.extend(case::parse(&format!("ci/qemu/cases/{name}"), &text)?);
    }
    cases.extend(shipped(cache)?);
    Ok(cases)
}

/// Returns a case for every script in `scripts/TOPIC/`.
fn shipped(cache: &Cache) -> Result<Vec<Case>, XtaskError> {
    let list = |directory: &Path| -> Result<Vec<PathBuf>, XtaskError> {
        let listing = std::fs::read_dir(directory).map_err(XtaskError::file("read", directory))?;
        let mut paths: Vec<_> = listing.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut cases = Vec::new();
    for topic in list(&cache.checkout("scripts"))? {
        for script in list(&topic)? {
            let text = String::from_utf8_lossy(&cache::read(&script)?).into_owned();
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let place = format!("scripts/{}/{}", name(&topic), name(&script));
            cases.push(Case::shipped(place, text));
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_project_can_be_read() {
        let cases = load(&Cache::open().unwrap()).unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            for link in &case.links {
                assert!(
                    ["ssh", "ssh-child", "serial", "local"].contains(&link.as_str()),
                    "{}: {link}",
                    case.place
                );
            }
        }
    }
}
