//! Which instances are called, and what each of them makes of the call: by its own description, so that instances of
//! different versions can be called.

use std::{
    hash::{BuildHasher, RandomState},
    pin::pin,
    time::Duration,
};

use futures_util::stream::{self, StreamExt};
use mesh_runtime::{
    operator::{Description, LinkState, Operator, OperatorError},
    schema::{CommandDescription, Delivery, SchemaDescription},
};
use tokio::time::timeout;

use super::arguments::{self, Given};
use crate::{
    command_name,
    error::{CliError, Result},
    fleet::{Fleet, find},
    output::{plain, span},
    type_text::{self, Kind},
};

/// How many instances may find that the arguments do not suit, until the others are not asked any more.
const MAX_UNSUITED: usize = 3;

/// How many instances are asked at once, if one of them is to be called.
const ASKED_AT_ONCE: usize = 4;

/// What is to be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// As `Billing.charge`.
    pub(crate) command: &'a str,
    pub(crate) given: Option<&'a Given>,
    /// The only instance that is to be called, as `b1` or `Billing/b1`.
    pub(crate) to: Option<&'a str>,
}

/// An instance that is connected, and what it is told.
#[derive(Debug)]
pub(crate) struct Target {
    /// As `b1`.
    pub(crate) instance: String,
    /// As `Billing/b1`.
    pub(crate) name: String,
    pub(crate) operator: Operator,
    pub(crate) schema: SchemaDescription,
    pub(crate) command: CommandDescription,
    /// The arguments, as JSON.
    pub(crate) args: String,
    /// The answer is a `Result`.
    returns_result: bool,
}

/// An instance that is not called.
#[derive(Debug)]
pub(crate) struct Passed {
    /// As `Billing/b1`.
    pub(crate) name: String,
    /// As `b1`.
    pub(crate) instance: String,
    why: Why,
    error: CliError,
}

/// Why an instance is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Unreached,
    /// It has no such command.
    Lacks,
    /// The arguments do not suit its declaration of the command.
    Unsuited,
}

impl Target {
    /// Whether an answer is the `Err` of a `Result`.
    pub(crate) fn is_err(&self, answer: &str) -> bool {
        self.returns_result && answer.starts_with("{\"Err\":")
    }

    /// Whether a call goes to all instances, unless told otherwise.
    fn is_for_all(&self) -> bool {
        matches!(
            self.command.delivery,
            Some(Delivery::Gather | Delivery::Broadcast | Delivery::QueuedBroadcast)
        )
    }
}

impl Passed {
    /// Why, on one line.
    pub(crate) fn reason(&self) -> &str {
        self.error.what().lines().next().unwrap_or_default()
    }
}

/// The instances that may be called: the one that is named, else all that are not draining.
pub(crate) async fn instances(fleet: &Fleet, wanted: Wanted<'_>) -> Result<Vec<LinkState>> {
    let nodes = fleet.nodes().await?;
    let of_type = match wanted.command.split_once(['.', '/']) {
        Some((node_type, _)) => Fleet::of_type(&nodes, node_type),
        None => Vec::new(),
    };
    if of_type.is_empty() {
        let schema = fleet.describe().await?.schema;
        let (node, _) = command_name::find(&schema, wanted.command)?;
        let what = format!("no instance of `{}` is registered", plain(&node.name));
        return Err(CliError::new(what).hint("`mesh nodes` lists what is"));
    }
    if let Some(to) = wanted.to {
        return Ok(vec![find(&of_type, to)?.clone()]);
    }
    let usable = of_type.iter().filter(|node| !node.draining);
    let usable: Vec<LinkState> = usable.cloned().collect();
    if usable.is_empty() {
        return Err(
            CliError::new("all instances are draining: they take no new calls")
                .hint("--to INSTANCE calls one of them nevertheless"),
        );
    }
    Ok(usable)
}

/// One of the instances, and those that were tried before it. `None` in its place if the command is for all instances.
pub(crate) async fn one(
    fleet: &Fleet,
    nodes: &[LinkState],
    wanted: Wanted<'_>,
) -> Result<(Option<Target>, Vec<Passed>)> {
    let mut passed = Vec::new();
    let searching = first(fleet, nodes, wanted, &mut passed);
    let found = if wanted.to.is_some() {
        // It has the whole time to be reached.
        searching.await?
    } else {
        let limit = fleet.settings().timeout;
        let found = timeout(limit, searching).await;
        found.map_err(|_| too_late(wanted.command, &passed, nodes.len(), limit))??
    };
    match found {
        Some(target) if wanted.to.is_none() && target.is_for_all() => Ok((None, passed)),
        Some(target) => Ok((Some(target), passed)),
        None => Err(nobody(wanted.command, passed)),
    }
}

/// The first instance that can be called. Those that cannot are added to `passed`.
async fn first(
    fleet: &Fleet,
    nodes: &[LinkState],
    wanted: Wanted<'_>,
    passed: &mut Vec<Passed>,
) -> Result<Option<Target>> {
    let asked = stream::iter(shuffled(nodes))
        .map(|node| all(fleet, vec![node], wanted))
        .buffer_unordered(ASKED_AT_ONCE);
    let mut asked = pin!(asked);
    while let Some(opened) = asked.next().await {
        for opened in opened {
            match opened {
                Ok(target) => return Ok(Some(target)),
                // Nothing was given, so what is needed is told.
                Err(none) if none.why == Why::Unsuited && wanted.given.is_none() => {
                    return Err(none.error);
                }
                Err(none) => passed.push(none),
            }
        }
        let unsuited = passed.iter().filter(|passed| passed.why == Why::Unsuited);
        if unsuited.count() >= MAX_UNSUITED {
            break;
        }
    }
    Ok(None)
}

/// Connects to all of these instances, in their order. One that is named has the whole time to be reached.
pub(crate) async fn all(
    fleet: &Fleet,
    nodes: Vec<LinkState>,
    wanted: Wanted<'_>,
) -> Vec<std::result::Result<Target, Passed>> {
    let settings = fleet.settings();
    let limit = match wanted.to {
        Some(_) => settings.timeout,
        None => settings.node_timeout,
    };
    let opened = fleet.each_within(limit, nodes, describe).await;
    let opened = opened.into_iter();
    opened
        .map(|(node, described)| target(&node, described, wanted))
        .collect()
}

/// The error if no instance could be called.
pub(crate) fn nobody(command: &str, mut passed: Vec<Passed>) -> CliError {
    if all_say_the_same(&passed)
        && let Some(last) = passed.pop()
    {
        return last.error;
    }
    let what = format!(
        "no instance could be called of those that were tried for `{command}`:{}",
        reasons(&passed)
    );
    if passed.iter().all(|passed| passed.why == Why::Unreached) {
        CliError::unreachable(what)
            .hint("are their addresses reachable from here? `mesh nodes` shows them")
    } else if passed.iter().any(|passed| passed.why == Why::Unsuited) {
        CliError::usage(what)
    } else {
        CliError::new(what)
    }
}

/// The error if the time is over before all instances were tried.
fn too_late(command: &str, passed: &[Passed], instances: usize, limit: Duration) -> CliError {
    let what = format!(
        "within {}, no instance was found that can be called for `{command}`; {} of {instances} were tried{}",
        span(limit),
        passed.len(),
        reasons(passed)
    );
    CliError::unreachable(what)
        .hint("--timeout DURATION tries for longer, and --to INSTANCE tries only that one")
}

/// Why each of them is not called, on a line of its own.
fn reasons(passed: &[Passed]) -> String {
    let reasons = passed.iter();
    reasons
        .map(|passed| format!("\n  {}: {}", passed.name, passed.error.what()))
        .collect()
}

fn all_say_the_same(passed: &[Passed]) -> bool {
    let mut pairs = passed.windows(2);
    pairs.all(|pair| match pair {
        [one, other] => one.error.what() == other.error.what(),
        _ => true,
    })
}

async fn describe(
    operator: Operator,
) -> std::result::Result<(Operator, Description), OperatorError> {
    let description = operator.describe().await?;
    Ok((operator, description))
}

fn target(
    node: &LinkState,
    described: std::result::Result<(Operator, Description), OperatorError>,
    wanted: Wanted<'_>,
) -> std::result::Result<Target, Passed> {
    let instance = plain(&node.peer.instance);
    let name = format!("{}/{instance}", plain(&node.peer.node_type));
    let pass = |why, error| Passed {
        name: name.clone(),
        instance: instance.clone(),
        why,
        error,
    };
    let (operator, description) =
        described.map_err(|error| pass(Why::Unreached, CliError::of_node(&name, error)))?;
    let schema = description.schema;
    let (node_type, command) = match command_name::find(&schema, wanted.command) {
        Ok((node_type, command)) => (node_type.name.clone(), command.clone()),
        Err(error) => return Err(pass(Why::Lacks, error)),
    };
    let args = arguments::suiting(wanted.given, &schema, &node_type, &command)
        .map_err(|error| pass(Why::Unsuited, error))?;
    Ok(Target {
        returns_result: returns_result(&schema, &command),
        instance,
        name,
        operator,
        schema,
        command,
        args,
    })
}

fn returns_result(schema: &SchemaDescription, command: &CommandDescription) -> bool {
    let Some(answer) = &command.answer else {
        return false;
    };
    match type_text::resolve(&schema.types, &answer.holds) {
        Kind::Structured(def) => type_text::is_result(def),
        _ => false,
    }
}

/// The nodes in a random order.
fn shuffled(nodes: &[LinkState]) -> Vec<LinkState> {
    // Its keys are random.
    let random = RandomState::new();
    let mut nodes = nodes.to_vec();
    nodes.sort_by_cached_key(|node| random.hash_one(&node.peer.instance));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreached(name: &str) -> Passed {
        Passed {
            name: format!("Billing/{name}"),
            instance: name.to_owned(),
            why: Why::Unreached,
            error: CliError::unreachable("h:1 could not be reached: refused"),
        }
    }

    #[test]
    fn it_is_told_how_many_were_tried_in_the_time() {
        let limit = Duration::from_secs(5);
        let late = too_late("Billing.charge", &[unreached("b1")], 40, limit);
        assert_eq!(
            late.what(),
            "within 5 s, no instance was found that can be called for `Billing.charge`; 1 of 40 were tried\n  \
             Billing/b1: h:1 could not be reached: refused"
        );
    }
}
