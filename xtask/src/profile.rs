//! Where the instructions of one request go: a profile of callgrind's, folded into a few lines.
//!
//! Most of what runs is code of libraries that is shared by several steps, so steps are told apart by what is called on
//! the way: the cost of a function with all that it calls, without that of the steps inside it.

use std::fmt::Write;

use crate::run::{Call, Runner};

const DIRECTORY: &str = "target/gungraun/nestrs-instructions/counts/whole";

/// Functions with their costs: their own, and those with all they call.
pub(crate) struct Profile {
    operations: f64,
    total: f64,
    own: Vec<(String, f64)>,
    inclusive: Vec<(String, f64)>,
}

/// Reads what was written for a benchmark.
pub(crate) fn read(runner: &Runner, benchmark: &str, operations: f64) -> Result<Profile, String> {
    let file = format!("{DIRECTORY}/{benchmark}/callgrind.{benchmark}.out");
    let annotate = |inclusive: &str| {
        let call = Call::new("callgrind_annotate --threshold=100 --auto=no")
            .arg(format!("--inclusive={inclusive}"))
            .arg(&*file);
        let finished = runner.run(&call.quiet());
        finished.end.map(|()| finished.lines).map_err(|failure| format!("callgrind_annotate: {failure}"))
    };
    let (own, inclusive) = (annotate("no")?, annotate("yes")?);
    let total = own.iter().find(|line| line.ends_with("PROGRAM TOTALS")).and_then(|line| number(line));
    let total = total.ok_or_else(|| format!("{file} holds no profile"))?;
    Ok(Profile { operations, total, own: functions(&own), inclusive: functions(&inclusive) })
}

/// The lines like `3,456 ( 4.5%)  file.rs:function [object]`, once for each file that a function has code of.
fn functions(lines: &[String]) -> Vec<(String, f64)> {
    lines
        .iter()
        .filter(|line| !line.ends_with("PROGRAM TOTALS"))
        .filter_map(|line| {
            let name = line.split_once(")  ")?.1;
            Some((name.to_owned(), number(line)?))
        })
        .collect()
}

fn number(line: &str) -> Option<f64> {
    line.trim_start().split(' ').next()?.replace(',', "").parse().ok()
}

impl Profile {
    fn with_calls(&self, function: &str) -> f64 {
        // One line has it all; others, for the files whose code is inlined in it, have parts.
        let lines = self.inclusive.iter().filter(|(name, _)| name.contains(function));
        lines.fold(0.0, |most, (_, cost)| cost.max(most)) / self.operations
    }

    fn by_itself(&self, function: &str) -> f64 {
        let lines = self.own.iter().filter(|(name, _)| name.contains(function));
        lines.map(|(_, cost)| cost).sum::<f64>() / self.operations
    }

    fn rows(&self) -> Vec<(&'static str, f64)> {
        let total = self.total / self.operations;
        let frames = self.with_calls(":nestrs_microservices::net::codec::nest::NestDecoder::decode");
        let packets = self.with_calls(":nestrs_microservices::packet::usual::members");
        let routes = self.with_calls(":nestrs_microservices::route_table::RouteTable::find");
        let begin = self.with_calls(":nestrs_microservices::dispatcher::call::Call::begin");
        let room = self.with_calls(":<nestrs_microservices::dispatcher::place::Room<");
        let stages = self.with_calls(":nestrs_core::spans::Timed::enter");
        let handler = self.with_calls(":nestrs_instructions::service::_::");
        let reply = self.with_calls("Connection>::queue");
        let batch = self.with_calls("Connection>::run_batch");
        vec![
            ("the socket, the connection's loop, tokio", total - batch),
            ("frames: `NestDecoder::decode`", frames),
            ("packets: `usual::members`", packets),
            ("routes: `RouteTable::find`", routes),
            ("the context, and a place for the call: `Call::begin`", begin),
            ("deadlines, what a call has come to: `Room::poll`", room - stages),
            ("the span, the panic fence, the stages: `Timed::enter`", stages - handler),
            ("the handler: payload read, method, reply made", handler),
            ("replies: `Connection::queue`", reply),
            (
                "the rest of a batch: limits, meters, what is dropped",
                batch - frames - packets - routes - begin - room - reply,
            ),
            ("**all**", total),
            ("of that, `malloc` and `free`", self.by_itself("malloc.c:")),
            ("of that, copying (`memcpy`)", self.by_itself("memmove-vec")),
        ]
    }
}

/// Markdown, instructions of one request.
///
/// # Errors
/// When a step is not found: its function has another name, or is part of another.
pub(crate) fn table(bare: &Profile, stages: &Profile) -> Result<String, String> {
    let mut table = String::from(
        "| instructions of one request, 16 at a time | bare | guard + pipe + interceptor |\n|---|--:|--:|\n",
    );
    for ((what, bare), (_, stages)) in bare.rows().into_iter().zip(stages.rows()) {
        // Writing to a string does not fail.
        _ = writeln!(table, "| {what} | {bare:.0} | {stages:.0} |");
        if !what.starts_with("of that") && (bare < 1.0 || stages < 1.0) {
            return Err(format!("no such step in the profile: {what}"));
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOTATED: &str = "\
-- Auto-annotated source: x
3,456 (100.0%)  PROGRAM TOTALS
Ir                file:function
2,000 (57.87%)  src/packet.rs:nestrs_microservices::packet::usual::members [/target/counts]
1,000 ( 9.26%)  /rust/library/core/src/option.rs:nestrs_microservices::packet::usual::members
  456 ( 5.34%)  ./malloc/./malloc/malloc.c:_int_free [/usr/lib/libc.so.6]
";

    #[test]
    fn a_function_costs_what_its_largest_line_says_with_all_it_calls() {
        let lines: Vec<_> = ANNOTATED.lines().map(str::to_owned).collect();
        let functions = functions(&lines);
        assert_eq!(functions.len(), 3);
        let profile = Profile { operations: 10.0, total: 3456.0, own: functions.clone(), inclusive: functions };
        let rows = profile.rows();
        assert!(rows.contains(&("packets: `usual::members`", 200.0)));
        assert!(rows.contains(&("of that, `malloc` and `free`", 45.6)));
        assert!(rows.contains(&("**all**", 345.6)));
        assert_eq!(
            table(&profile, &profile),
            Err("no such step in the profile: frames: `NestDecoder::decode`".to_owned())
        );
    }
}
