//! `mesh call`: calls a command of the mesh.

pub(crate) mod arguments;
mod guide;
mod missing;
mod print;
pub(crate) mod targets;

use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::join_all;
use mesh_runtime::{
    TraceContext,
    operator::{LinkState, OperatorError},
    schema::{CommandDescription, DEFAULT_TIMEOUT},
};

use self::{
    arguments::Given,
    targets::{Passed, Target, Wanted},
};
use crate::{
    completers,
    context::Context,
    error::{CliError, Result},
    fleet::Fleet,
};

/// Call a command of the mesh
#[derive(Args, Debug)]
#[command(
    after_help = "A call goes to an instance that is not draining. Some of them are asked, at random, and the first
that answers and has the command with such arguments is called. A broadcast command goes to all.

--timeout DURATION is how long it may take to find that instance, and how long the call may take then. Without
it, 5s to find it, and for the call the timeout of the command, else 3s.

Examples:
  mesh call Billing.charge                                  shows which arguments it needs
  mesh call Billing.charge '{\"order\": {\"cents\": 500}}'
  mesh call Billing.charge @order.json --to b1 --timeout 30s --meta tenant=42
  mesh call Billing.version --all --json                    asks every instance

Exit code 1 if the call failed, or if the command has answered with an Err."
)]
pub(crate) struct CallArgs {
    /// The command, as Billing.charge
    #[arg(value_name = "COMMAND", add = completers::commands())]
    command: String,

    /// The arguments as JSON: an object by their names; or @FILE, or - for standard input
    ///
    /// If the command needs some and none are given, an error shows what they look like.
    #[arg(value_name = "ARGS")]
    args: Option<String>,

    /// Call this instance, as b1 or Billing/b1, also if it is draining
    #[arg(
        long,
        value_name = "INSTANCE",
        conflicts_with = "all",
        add = completers::instances()
    )]
    to: Option<String>,

    /// Call every instance that is not draining; the default for broadcast commands
    #[arg(long)]
    all: bool,

    /// A text to send along with the call; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = meta)]
    meta: Vec<(String, String)>,

    /// The W3C traceparent of the trace that the call is to be a part of
    #[arg(long, value_name = "TEXT", value_parser = traceparent)]
    traceparent: Option<String>,
}

/// How a call of an instance went.
struct Answered {
    target: Target,
    took: Duration,
    answer: std::result::Result<String, OperatorError>,
}

/// Calls the command.
pub(crate) async fn run(args: CallArgs, context: &Context) -> Result<()> {
    let given = Given::read(args.args.as_deref())?;
    let wanted = Wanted {
        command: &args.command,
        given: given.as_ref(),
        to: args.to.as_deref(),
    };
    let fleet = context.fleet().await?;
    let nodes = targets::instances(&fleet, wanted).await?;
    if args.all {
        return call_all(&fleet, nodes, wanted, &args, context).await;
    }
    match targets::one(&fleet, &nodes, wanted).await? {
        (Some(target), passed) => call_one(target, &passed, &args, context).await,
        (None, _) => call_all(&fleet, nodes, wanted, &args, context).await,
    }
}

async fn call_one(
    target: Target,
    passed: &[Passed],
    args: &CallArgs,
    context: &Context,
) -> Result<()> {
    print::passed(passed);
    let answered = call(target, args, context).await;
    print::who(&answered);
    let answer = answered.answer?;
    print::one(&answered.target, answered.took, &answer, context.json)?;
    if answered.target.is_err(&answer) {
        return Err(CliError::silent(1));
    }
    Ok(())
}

async fn call_all(
    fleet: &Fleet,
    nodes: Vec<LinkState>,
    wanted: Wanted<'_>,
    args: &CallArgs,
    context: &Context,
) -> Result<()> {
    let mut passed = Vec::new();
    let mut calls = Vec::new();
    for opened in targets::all(fleet, nodes, wanted).await {
        match opened {
            Ok(target) => calls.push(call(target, args, context)),
            Err(none) => passed.push(none),
        }
    }
    if calls.is_empty() {
        return Err(targets::nobody(wanted.command, passed));
    }
    let answered = join_all(calls).await;
    print::all(&answered, &passed, context.json)?;
    let is_done = answered.iter().all(|answered| match &answered.answer {
        Ok(answer) => !answered.target.is_err(answer),
        Err(_) => false,
    });
    if is_done && passed.is_empty() {
        return Ok(());
    }
    Err(CliError::silent(1))
}

async fn call(target: Target, args: &CallArgs, context: &Context) -> Answered {
    let timeout = timeout_of(&target.command, context.connection.timeout);
    let call = target
        .operator
        .call(&target.schema, &target.command, &target.args);
    let mut call = call.timeout(timeout);
    for (key, value) in &args.meta {
        call = call.meta(key.as_str(), value.as_str());
    }
    if let Some(traceparent) = &args.traceparent {
        call = call.traceparent(traceparent);
    }
    let began = Instant::now();
    let answer = call.await;
    Answered {
        took: began.elapsed(),
        answer,
        target,
    }
}

/// How long a call may take: as given, else as the command says.
pub(crate) fn timeout_of(command: &CommandDescription, given: Option<Duration>) -> Duration {
    let declared = command.options.timeout_ms.map(Duration::from_millis);
    given.or(declared).unwrap_or(DEFAULT_TIMEOUT)
}

fn meta(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it must be KEY=VALUE".to_owned()),
    }
}

fn traceparent(text: &str) -> std::result::Result<String, String> {
    match text.parse::<TraceContext>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("it must be as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::cli::Cli;

    fn command(options: serde_json::Value) -> CommandDescription {
        serde_json::from_value(json!({
            "name": "charge", "id": "0x00000400", "fingerprint": "0x1", "wire_fingerprint": "0x1",
            "delivery": "balanced", "args": [], "options": options,
        }))
        .unwrap()
    }

    #[test]
    fn the_timeout_that_is_given_comes_before_that_of_the_command() {
        let (plain, patient) = (command(json!({})), command(json!({"timeout_ms": 60_000})));
        let given = |words: &[&str]| Cli::try_parse_from(words).unwrap().connection.timeout;
        let none = given(&["mesh", "call", "Billing.charge"]);
        assert_eq!(timeout_of(&plain, none), Duration::from_secs(3));
        assert_eq!(timeout_of(&patient, none), Duration::from_secs(60));
        for words in [
            ["mesh", "call", "Billing.charge", "--timeout", "9s"],
            ["mesh", "--timeout", "9s", "call", "Billing.charge"],
        ] {
            let timeout = timeout_of(&patient, given(&words));
            assert_eq!(timeout, Duration::from_secs(9));
        }
    }

    #[test]
    fn metadata_has_a_key_and_a_value() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(meta("tenant=42"), pair("tenant", "42"));
        assert_eq!(meta("a=b=c"), pair("a", "b=c"));
        assert_eq!(meta("a="), pair("a", ""));
        assert!(meta("a").is_err());
        assert!(meta("=b").is_err());
    }

    #[test]
    fn a_traceparent_is_checked() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(text).as_deref(), Ok(text));
        assert!(traceparent("00-1").is_err());
    }
}
