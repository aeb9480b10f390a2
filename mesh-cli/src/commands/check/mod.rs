//! `mesh check`: says what is wrong with a mesh.

mod findings;
mod snapshot;

use std::time::Duration;

use serde_json::json;

use self::findings::{Finding, Limits, Severity};
use crate::{
    connection::duration,
    context::Context,
    error::{CliError, Result},
    output::{self, plain, some},
};

/// The arguments of `mesh check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  mesh check                          what is wrong, and what to do
  mesh check --strict --json          for scripts: exit code 1 for warnings, too
  mesh check --watch 30s              looks longer at queues and links

Exit codes: 0 no errors; 1 errors, or warnings with --strict; 3 the master could not be reached.")]
pub(crate) struct CheckArgs {
    /// How far apart clocks may be, as in 500ms or 2s
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s")]
    clock: Duration,
    /// How old the oldest waiting job of a queue may be, as in 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    queue_age: Duration,
    /// How long to watch, between two looks at queues, as in 2s or 1m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s")]
    watch: Duration,
    /// End with exit code 1 for warnings, too
    #[arg(long)]
    strict: bool,
}

pub(crate) async fn run(args: CheckArgs, context: &Context) -> Result<()> {
    let fleet = context.fleet().await?;
    let snapshot = snapshot::take(&fleet, args.watch).await?;
    let limits = Limits {
        clock: args.clock,
        queue_age: args.queue_age,
    };
    let findings = findings::find(&snapshot, &limits);
    let ok = is_ok(&findings, args.strict);
    if context.json {
        output::json(&json!({
            "ok": ok,
            "nodes": snapshot.nodes.len(),
            "findings": findings,
        }))?;
    } else {
        output::print(&text(&findings, snapshot.nodes.len(), snapshot.commands()))?;
    }
    if ok { Ok(()) } else { Err(CliError::silent(1)) }
}

/// Whether nothing was found that counts as wrong.
fn is_ok(findings: &[Finding], strict: bool) -> bool {
    let mut counting = findings
        .iter()
        .filter(|finding| strict || finding.severity == Severity::Error);
    counting.next().is_none()
}

/// A line for each finding, and one for all together.
fn text(findings: &[Finding], nodes: usize, commands: usize) -> String {
    let nodes = number(nodes, "node");
    if findings.is_empty() {
        let commands = number(commands, "command");
        return format!("ok: {nodes}, {commands}, nothing wrong");
    }
    let mut text = String::new();
    for finding in findings {
        text.push_str(&line(finding));
        text.push('\n');
    }
    let of = |severity: Severity| {
        let found = findings.iter();
        found.filter(|found| found.severity == severity).count()
    };
    let errors = number(of(Severity::Error), "error");
    let warnings = number(of(Severity::Warning), "warning");
    text.push_str(&format!("{errors}, {warnings} in {nodes}"));
    text
}

fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    plain(&format!(
        "{severity:<8}{}: {} ({})",
        finding.place, finding.what, finding.advice
    ))
}

fn number(number: usize, what: &str) -> String {
    some(number as u64, what, &format!("{what}s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity) -> Finding {
        Finding {
            severity,
            kind: "paused",
            place: "Billing.export".to_owned(),
            what: "the queue is\x1b[2J paused".to_owned(),
            advice: "mesh jobs resume Billing.export".to_owned(),
        }
    }

    #[test]
    fn nothing_wrong_is_one_line() {
        assert_eq!(text(&[], 1, 12), "ok: 1 node, 12 commands, nothing wrong");
        assert!(is_ok(&[], true));
    }

    #[test]
    fn each_finding_is_one_line() {
        let text = text(&[finding(Severity::Warning)], 2, 12);
        assert_eq!(
            text,
            "warning Billing.export: the queue is\u{fffd}[2J paused \
             (mesh jobs resume Billing.export)\n\
             0 errors, 1 warning in 2 nodes"
        );
    }

    #[test]
    fn warnings_count_as_wrong_only_if_it_is_strict() {
        let warning = [finding(Severity::Warning)];
        assert!(is_ok(&warning, false) && !is_ok(&warning, true));
        assert!(!is_ok(&[finding(Severity::Error)], false));
    }
}
