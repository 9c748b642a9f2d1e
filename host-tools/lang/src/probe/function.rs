//! The function tracer: `ftrace:function /ip==GLOB/`.
//!
//! In: a definition and its filter. Out: [`ProbePoint::Function`]s, one for each name. Invariant: the filter becomes globs;
//! nothing of it is left for the kernel.

use ktap_bytecode::probe::ProbePoint;

use super::EventDefError;
use super::is_glob;
use super::split::Definition;

/// Reads the filter of `ftrace:function`; without one, every function.
pub(super) fn parse(definition: &Definition<'_>) -> Result<Vec<ProbePoint>, EventDefError> {
    let Some(filter) = definition.filter else {
        return Ok(vec![ProbePoint::Function { glob: "*".into() }]);
    };
    filter
        .split("||")
        .map(|part| glob(part).map(|glob| ProbePoint::Function { glob }))
        .collect::<Option<_>>()
        .ok_or_else(|| {
            EventDefError::new(definition, format!("the filter '{filter}' is not of functions"))
                .help("write /ip == GLOB/, several joined by ||")
        })
}

fn glob(comparison: &str) -> Option<String> {
    let rest = comparison.trim().strip_prefix("ip")?.trim_start();
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('~'))?.trim();
    let value = value.trim_matches('"');
    is_glob(value).then(|| value.to_string())
}
