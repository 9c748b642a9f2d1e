//! Steps with a line of progress each: `[3/9] kernel image … cached`.
//!
//! In: a list of [`Step`]s. Out: all done, or the first error. Invariant: a step that has nothing to do says `cached` and takes no
//! noticeable time.

use std::time::Instant;

use crate::cache::Cache;
use crate::error::XtaskError;
use crate::terminal;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was there already.
    Cached,
    /// The step's work was done now.
    Done,
}

/// One step.
#[derive(Clone, Copy)]
pub struct Step {
    /// A few words on what it makes.
    pub name: &'static str,
    /// Makes it, if it is not there.
    pub run: fn(&Cache) -> Result<Outcome, XtaskError>,
}

/// Runs steps in order.
pub fn run(cache: &Cache, steps: &[Step]) -> Result<(), XtaskError> {
    for (index, step) in steps.iter().enumerate() {
        terminal::begin(&format!("[{}/{}] {} … ", index + 1, steps.len(), step.name));
        let started = Instant::now();
        match (step.run)(cache) {
            Ok(Outcome::Cached) => terminal::talk("cached"),
            Ok(Outcome::Done) => terminal::talk(&format!("done ({:.1} s)", started.elapsed().as_secs_f32())),
            Err(problem) => {
                terminal::talk("failed");
                return Err(problem);
            }
        }
    }
    Ok(())
}
