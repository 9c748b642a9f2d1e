//! Attaching handlers to probe points.
//!
//! In: attaching statements and calls. Out: probe sites and the code that attaches. Invariant: EVENTDEFs and intervals
//! are known when the script is compiled.

use ktap_bytecode::op::Op;
use ktap_bytecode::probe::{Probe, ProbePoint};

use super::Lowering;
use super::fold::Value;
use super::function::When;
use crate::ast::{Block, EventText, Expression, ExpressionKind, Statement};
use crate::diagnostic::Code;
use crate::interval::parse_interval;
use crate::probe::parse_eventdef;
use crate::resolve::AttachCall;
use crate::source::Span;

impl Lowering<'_> {
    /// `trace EVENTDEF {}`.
    pub(super) fn trace(&mut self, event: &EventText, body: &Block, span: Span) {
        let points = self.points(&event.text, event.span);
        self.attach_block(
            points,
            &event.text,
            event.span,
            &format!("trace {}", event.text),
            body,
            span,
        );
    }

    /// `trace EXPR function (e) {}`.
    pub(super) fn trace_call(&mut self, event: &Expression, handler: &Expression, span: Span) {
        let text = self.event_text(event);
        let points = text
            .as_ref()
            .map(|text| self.points(text, event.span))
            .unwrap_or_default();
        let text = text.unwrap_or_default();
        self.attach(points, &text, event.span, &format!("trace {text}"), handler, span);
    }

    /// `trace_end {}`.
    pub(super) fn trace_end(&mut self, handler: &Expression, span: Span) {
        self.attach(vec![ProbePoint::End], "trace_end", span, "trace_end", handler, span);
    }

    /// `tick-1s {}`, `profile-1ms {}`.
    pub(super) fn timer(&mut self, profile: bool, interval: &EventText, body: &Block, span: Span) {
        let name = if profile { "profile" } else { "tick" };
        let text = format!("{name}-{}", interval.text);
        let points = self.interval(profile, &interval.text, interval.span);
        self.attach_block(points, &text, interval.span, &text, body, span);
    }

    /// `kdebug.probe(EVENTDEF, fn)` and its kin.
    pub(super) fn attach_call(&mut self, call: AttachCall, arguments: &[Expression], span: Span) {
        let (points, text, place, handler) = match (call, arguments) {
            (AttachCall::End, [handler] | [handler, _]) => {
                (vec![ProbePoint::End], "trace_end".to_string(), handler.span, handler)
            }
            (AttachCall::Probe, [event, handler]) => {
                let text = self.event_text(event);
                let points = text
                    .as_ref()
                    .map(|text| self.points(text, event.span))
                    .unwrap_or_default();
                (points, text.unwrap_or_default(), event.span, handler)
            }
            (AttachCall::TickText | AttachCall::ProfileText, [interval, handler]) => {
                let Some(text) = self.event_text(interval) else { return };
                let profile = call == AttachCall::ProfileText;
                let name = if profile { "profile" } else { "tick" };
                (
                    self.interval(profile, &text, interval.span),
                    format!("{name}-{text}"),
                    interval.span,
                    handler,
                )
            }
            (AttachCall::Timer(unit), [count, handler]) => {
                let period_ns = self.period(count, unit);
                let points = period_ns
                    .map(|period_ns| ProbePoint::Tick { period_ns })
                    .into_iter()
                    .collect();
                (
                    points,
                    format!("tick-{}ns", period_ns.unwrap_or(0)),
                    count.span,
                    handler,
                )
            }
            (AttachCall::End, _) => {
                return self.error(
                    Code::WrongArity,
                    span,
                    "'probe_end' takes 1 or 2 arguments: kdebug.probe_end(fn)",
                );
            }
            _ => {
                return self.error(
                    Code::WrongArity,
                    span,
                    "a probe takes 2 arguments: what to probe and a function",
                );
            }
        };
        self.attach(points, &text, place, &text, handler, span);
    }

    /// Returns the nanoseconds of `count` units.
    fn period(&mut self, count: &Expression, unit: u64) -> Option<u64> {
        let Some(Value::Int(number)) = self.fold(count) else {
            let message = "the timer's interval must be known when the script is compiled";
            self.error(Code::DynamicEventDef, count.span, message);
            return None;
        };
        let period = u64::try_from(number)
            .ok()
            .and_then(|n| n.checked_mul(unit))
            .filter(|period| *period > 0);
        if period.is_none() {
            self.error(
                Code::BadInterval,
                count.span,
                format!("cannot parse timer interval: {number}"),
            );
        }
        period
    }

    /// The statements of main after `kdebug.probe_end`: they run at the end.
    pub(super) fn attach_end_part(&mut self, statements: &[Statement], span: Span) {
        let number = self.block_function(statements, span, "main after probe_end".to_string(), When::End);
        self.attach_function(number, vec![ProbePoint::End], "trace_end", span, span);
    }

    /// Returns an EVENTDEF given as an expression.
    fn event_text(&mut self, event: &Expression) -> Option<String> {
        match self.fold(event) {
            Some(Value::Str(text)) => Some(String::from_utf8_lossy(&text).into_owned()),
            Some(_) => {
                self.error(
                    Code::ArgumentType,
                    event.span,
                    "wrong type of argument 1: what to probe is a string",
                );
                None
            }
            None => {
                self.error(
                    Code::DynamicEventDef,
                    event.span,
                    "what to probe must be known when the script is compiled",
                );
                None
            }
        }
    }

    fn points(&mut self, text: &str, span: Span) -> Vec<ProbePoint> {
        match parse_eventdef(text, span) {
            Ok(points) => points,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                Vec::new()
            }
        }
    }

    fn interval(&mut self, profile: bool, text: &str, span: Span) -> Vec<ProbePoint> {
        match parse_interval(text, profile) {
            Ok(period_ns) if profile => vec![ProbePoint::Profile { period_ns }],
            Ok(period_ns) => vec![ProbePoint::Tick { period_ns }],
            Err(error) => {
                self.diagnostics.push(error.at(span));
                Vec::new()
            }
        }
    }

    fn attach_block(&mut self, points: Vec<ProbePoint>, text: &str, place: Span, name: &str, body: &Block, span: Span) {
        let number = self.block_function(&body.statements, span, name.to_string(), When::Event);
        self.attach_function(number, points, text, place, span);
    }

    fn attach(
        &mut self,
        points: Vec<ProbePoint>,
        text: &str,
        place: Span,
        name: &str,
        handler: &Expression,
        span: Span,
    ) {
        if let ExpressionKind::Function(function) = &handler.kind {
            let when = if points == [ProbePoint::End] {
                When::End
            } else {
                When::Event
            };
            let number = self.function(function, None, name.to_string(), when);
            return self.attach_function(number, points, text, place, span);
        }
        let register = self.expression_any(handler);
        self.attach_register(register, points, text, place, span);
    }

    fn attach_function(&mut self, number: u16, points: Vec<ProbePoint>, text: &str, place: Span, span: Span) {
        let register = self.alloc(span);
        self.ad(Op::Closure, register, u32::from(number), span);
        self.attach_register(register, points, text, place, span);
    }

    fn attach_register(&mut self, register: u8, points: Vec<ProbePoint>, text: &str, place: Span, span: Span) {
        if let Some(message) = self.why_not_here(&points) {
            return self.error(Code::AttachInHandler, place, message);
        }
        // No points: their text was refused.
        if points.is_empty() {
            return;
        }
        let probe = self.probes.len() as u32;
        self.probes.push(Probe { points });
        self.probe_texts.push((text.to_string(), place));
        self.ad(Op::Attach, register, probe, span);
    }

    /// Returns why nothing can be attached while this function runs, in ktap's words.
    fn why_not_here(&mut self, points: &[ProbePoint]) -> Option<&'static str> {
        match (self.f().when, points) {
            (When::Main, _) => None,
            (When::Event, _) => Some("only mainthread can create function"),
            (When::End, [ProbePoint::Tick { .. }]) => Some("timer.tick only can be called in RUNNING state"),
            (When::End, [ProbePoint::Profile { .. }]) => Some("timer.profile only can be called in RUNNING state"),
            (When::End, _) => Some("kdebug.trace_by_id only can be called in RUNNING state"),
        }
    }
}
