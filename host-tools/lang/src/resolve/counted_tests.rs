//! Which tables are only counted into, and each way in which a doubt makes an ordinary one.

use super::resolve;
use crate::ast::Block;
use crate::parse::parse;
use crate::source::Source;

/// Returns how many constructors of a script make counting tables.
fn counting(text: &str) -> usize {
    let (block, errors): (Block, _) = parse(&Source::new("t.kp", text));
    assert!(errors.is_empty(), "{text}: {errors:?}");
    resolve(&block).0.counting.len()
}

#[test]
fn tables_that_are_counted_into() {
    for text in [
        "var t = {} trace a:b { t[execname] += 1 } trace_end { print_hist(t) }",
        "t = {} trace a:b { t[execname] += 1 } trace_end { histogram(t) }",
        "var t = {} trace a:b { t.x += arg0 } tick-1s { print_hist(t) delete(t) }",
        "var t = {} trace a:b { t[pid] -= 1 } trace_end { for (k, v in pairs(t)) { print(k, v) } }",
        "var t = {} trace a:b { t[pid] <<< arg0 } trace_end { for (k, v in pairs(t)) { print(k, avg(v)) } }",
        "var t = {} trace a:b { count(t, pid) } trace_end { print(t[1], len(t)) }",
        "var t = {} trace a:b { table_count(t, pid, 2) } tick-1s { print(t.x) }",
        "var t = table.new() trace a:b { t[pid] <<< 1 } trace_end { print(max(t[1])) }",
        "var t = ptable() trace a:b { t[pid] <<< 1 } trace_end { print(count(t[1])) }",
        "var t = {} var log = function (n) { t[n] += 1 } trace a:b { log(pid) } trace_end { print_hist(t) }",
        "var t = {} var n = 0 trace a:b { if (pid == n) { return } t[arg0 >> 3] += 1 }",
        "var t = {} kdebug.probe(\"a:b\", function (e) { t[e.name] += 1 }) kdebug.probe_end(function () { print_hist(t) })",
        "var t = {} profile-10ms { t[stack()] += 1 } trace_end { print_hist(t) }",
        // What is done with the key or the value makes no doubt.
        "var t = {} var u = {} trace a:b { t[u[pid]] += u[tid] u[pid] = 1 }",
        "var t = {} trace a:b { t[pid == 1] += 1 }",
        "var t = {} trace a:b { var t = {} t[1] = 2 } trace c:d { t[1] += 1 }",
    ] {
        assert_eq!(counting(text), 1, "{text}");
    }
    let two = "var t, u = {}, {} trace a:b { t[pid] += 1 u[pid] <<< 1 } trace_end { print_hist(t) }";
    assert_eq!(counting(two), 2);
}

#[test]
fn a_doubt_makes_an_ordinary_table() {
    for text in [
        // Nothing counts into it.
        "var t = {} trace a:b { print(pid) } trace_end { print_hist(t) }",
        // Nobody but main sees it.
        "var t = {} t[1] += 1 print(t[1])",
        // It begins with entries.
        "var t = { x = 1 } trace a:b { t[pid] += 1 }",
        // Other writes.
        "var t = {} trace a:b { t[pid] += 1 t[pid] = nil }",
        "var t = {} t[0] = 5 trace a:b { t[pid] += 1 }",
        "var t = {} trace a:b { t[pid] *= 2 } trace c:d { t[pid] += 1 }",
        "var t = {} trace a:b { t.f = 1 t[pid] += 1 }",
        "var t = {} trace a:b { t[pid] += 1 } function t.f() { }",
        "var t = {} trace a:b { t[pid] += 1 delete(t, pid) }",
        // Sums and aggregations in one.
        "var t = {} trace a:b { t[pid] += 1 t[tid] <<< 1 }",
        // Another value, another table.
        "var t = {} trace a:b { t[pid] += 1 } tick-1s { t = {} }",
        "var t t = {} trace a:b { t[pid] += 1 }",
        "t = nil t = {} trace a:b { t[pid] += 1 }",
        "var t = nil trace a:b { t[pid] += 1 }",
        "if (num_cpus() > 1) { t = {} } trace a:b { t[pid] += 1 }",
        "for (i = 1, 2) { t = {} } trace a:b { t[pid] += 1 }",
        "var make = function () { t = {} } make() trace a:b { t[pid] += 1 }",
        "var t = {} trace a:b { t[pid] += 1 } function t() { }",
        // Another name.
        "var t = {} var u = t trace a:b { t[pid] += 1 }",
        "var t = {} var u = {} u.t = t trace a:b { t[pid] += 1 }",
        "var t = {} var u = { t } trace a:b { t[pid] += 1 }",
        "var t = {} var f = function (x) { } trace a:b { t[pid] += 1 f(t) }",
        "var t = {} var f = function () { return t } trace a:b { t[pid] += 1 }",
        "var t = {} trace a:b { t[pid] += 1 } trace_end { print((t)) }",
        "var t = {} trace a:b { t[pid] += 1 if (t == nil) { print(1) } }",
        "var t = {} trace a:b { t[pid] += 1 t:m() }",
        "var t = {} var u = 0 trace a:b { t[pid] += 1 } trace_end { u = t }",
        // Read where events come.
        "var t = {} trace a:b { t[pid] += 1 if (t[pid] > 5) { print(1) } }",
        "var t = {} trace a:b { t[pid] += 1 } trace c:d { print_hist(t) delete(t) }",
        "var t = {} trace a:b { t[pid] += 1 } profile-1ms { print(len(t)) }",
        // A parameter is whatever is given.
        "var f = function (t) { t[pid] += 1 } trace a:b { f({}) }",
    ] {
        assert_eq!(counting(text), 0, "{text}");
    }
}
