//! `print(...)`.
//!
//! In: values. Out: their texts, a tab between them and a newline behind. Invariant: one call is one piece of output.

use ktap_bytecode::record::RecordValue;

use crate::resolver::Resolver;
use crate::value;

/// Returns the line.
pub fn line(values: &[RecordValue<'_>], resolver: &dyn Resolver) -> Vec<u8> {
    let texts: Vec<Vec<u8>> = values.iter().map(|value| value::text(value, resolver)).collect();
    let mut line = texts.join(&b'\t');
    line.push(b'\n');
    line
}
