//! What is printed of answers.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use serde_json::json;

use super::{
    Answered,
    targets::{Passed, Target},
};
use crate::{
    error::{Result, chain},
    json_text,
    output::{self, milliseconds, plain, span},
};

/// Tells which instances were tried before, if somebody watches.
pub(super) fn passed(passed: &[Passed]) {
    if io::stderr().is_terminal() {
        for passed in passed {
            output::note(&format!("{}: {}", passed.name, passed.reason()));
        }
    }
}

/// Tells who answered and how long it took, if somebody watches. Who has failed is told always.
pub(super) fn who(answered: &Answered) {
    let (name, took) = (&answered.target.name, span(answered.took));
    if answered.answer.is_err() {
        output::note(&format!("{name} failed after {took}"));
    } else if io::stderr().is_terminal() {
        output::note(&format!("{name} answered in {took}"));
    }
}

/// The answer of one instance.
pub(super) fn one(target: &Target, took: Duration, answer: &str, json: bool) -> Result<()> {
    if json {
        output::print(&json_text::pretty(&with_answer(target, took, answer)))
    } else {
        output::print(&json_text::pretty(answer))
    }
}

/// The answers of all instances, one on each line, and why the others have none.
pub(super) fn all(answered: &[Answered], passed: &[Passed], json: bool) -> Result<()> {
    if json {
        return output::print(&json_text::pretty(&all_as_json(answered, passed)));
    }
    let names = answered.iter().map(|answered| &answered.target.name);
    let names = names.chain(passed.iter().map(|passed| &passed.name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for Answered {
        target,
        took,
        answer,
    } in answered
    {
        let text = match answer {
            Ok(answer) => json_text::line(answer),
            Err(error) => format!("error: {}", plain(&chain(error))),
        };
        let took = span(*took);
        lines.push(format!("{:width$}  {took:>7}  {text}", target.name));
    }
    for passed in passed {
        let reason = plain(passed.reason());
        lines.push(format!(
            "{:width$}  {:>7}  error: {reason}",
            passed.name, "–"
        ));
    }
    output::print(&lines.join("\n"))
}

/// An array with an object for each instance. The answers stay as they are: numbers and the order of fields.
fn all_as_json(answered: &[Answered], passed: &[Passed]) -> String {
    let answered = answered.iter().map(|answered| {
        let (target, took) = (&answered.target, answered.took);
        match &answered.answer {
            Ok(answer) => with_answer(target, took, answer),
            Err(error) => {
                let duration_ms = milliseconds(took);
                let error = chain(error);
                json!({"instance": target.instance, "duration_ms": duration_ms, "error": error})
                    .to_string()
            }
        }
    });
    let passed = passed
        .iter()
        .map(|passed| json!({"instance": passed.instance, "error": passed.reason()}).to_string());
    let all: Vec<String> = answered.chain(passed).collect();
    format!("[{}]", all.join(","))
}

fn with_answer(target: &Target, took: Duration, answer: &str) -> String {
    let instance = json!(target.instance);
    let duration_ms = json!(milliseconds(took));
    format!("{{\"instance\":{instance},\"duration_ms\":{duration_ms},\"answer\":{answer}}}")
}
