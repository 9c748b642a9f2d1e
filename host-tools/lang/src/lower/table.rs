//! Table constructors and the table of script arguments.
//!
//! In: items. Out: code. Invariant: positions count from 1.

use ktap_bytecode::op::{Op, Word};

use super::Lowering;
use super::fold::Value;
use crate::ast::{Expression, TableItem};
use crate::source::Span;

/// Positional entries stored by one op.
const BATCH: usize = 32;

impl Lowering<'_> {
    pub(super) fn table_to(&mut self, dest: u8, items: &[TableItem], span: Span) {
        let positional: Vec<&Expression> = items.iter().filter_map(positional).collect();
        let list = positional.len().min(255) as u8;
        let keyed = (items.len() - positional.len()).min(255) as u8;
        let op = if self.resolved.counting.contains(&span) {
            Op::NewCounts
        } else {
            Op::NewTable
        };
        self.abc(op, dest, list, keyed, span);
        for item in items {
            let top = self.top();
            match item {
                TableItem::Positional(_) => {}
                TableItem::Named(name, value) => {
                    let key = Value::Str(name.text.clone().into_bytes());
                    self.set_constant_key(dest, &key, name.span, value);
                }
                TableItem::Keyed(key, value) => match self.fold(key) {
                    Some(known) => self.set_constant_key(dest, &known, key.span, value),
                    None => {
                        let key = self.expression_any(key);
                        let register = self.expression_any(value);
                        self.abc(Op::TSet, dest, key, register, value.span);
                    }
                },
            }
            self.release(top);
        }
        self.list(dest, &positional, span);
    }

    fn list(&mut self, dest: u8, values: &[&Expression], span: Span) {
        match values {
            [] => {}
            [only] if !self.is_open(only) => {
                let top = self.top();
                self.set_constant_key(dest, &Value::Int(1), only.span, only);
                self.release(top);
            }
            _ => {
                for (index, batch) in values.chunks(BATCH).enumerate() {
                    let top = self.top();
                    let start = self.alloc(span);
                    self.load(start, &Value::Int((index * BATCH) as i64 + 1), span);
                    let last = (index + 1) * BATCH >= values.len();
                    let (count, open) = self.values_next(batch.iter().copied(), last);
                    self.abc(
                        Op::TList,
                        dest,
                        start,
                        if open { Word::MULTI } else { count as u8 },
                        span,
                    );
                    self.release(top);
                }
            }
        }
    }

    fn set_constant_key(&mut self, table: u8, key: &Value, key_span: Span, value: &Expression) {
        let span = key_span.to(value.span);
        match self.const8(key) {
            Some(constant) => {
                let value = self.expression_any(value);
                self.abc(Op::TSetK, table, constant, value, span);
            }
            None => {
                let register = self.alloc(span);
                self.load(register, key, span);
                let value = self.expression_any(value);
                self.abc(Op::TSet, table, register, value, span);
            }
        }
    }

    /// Makes `arg`, if the script uses it as a table.
    pub(super) fn make_arg_table(&mut self, span: Span) {
        let Some(id) = self.resolved.arg_table else { return };
        let count = self.options.args.len() + 1;
        let top = self.top();
        let table = self.alloc(span);
        self.abc(Op::NewTable, table, count.min(255) as u8, 0, span);
        for number in 0..count as i64 {
            let inner = self.top();
            let key = self.alloc(span);
            self.load(key, &Value::Int(number), span);
            let value = self.alloc(span);
            let known = self.script_arg(number);
            self.load(value, &known, span);
            self.abc(Op::TSet, table, key, value, span);
            self.release(inner);
        }
        self.store_variable(id, table, span);
        self.release(top);
    }
}

fn positional(item: &TableItem) -> Option<&Expression> {
    match item {
        TableItem::Positional(value) => Some(value),
        TableItem::Named(..) | TableItem::Keyed(..) => None,
    }
}
