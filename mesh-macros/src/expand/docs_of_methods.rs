//! The documentation of a command: on the stub for who calls it, on the trait for who answers. Each says what its
//! reader has to know: delivery, deadline, who may call, an example, what comes back and what can go wrong.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Type;

use super::docs::{document, link, plain};
use crate::{
    errors::list,
    model::{Callers, Command, Delivery, NodeType, Schema},
    names,
};

/// What the runtime does where the schema gives no `#[timeout]`; a test holds it against the runtime.
pub(crate) const DEFAULT_TIMEOUT_MS: u64 = 3_000;

/// A method of the stub.
pub(super) fn client_method(schema: &Schema, node: &NodeType, command: &Command) -> TokenStream {
    let deadline = deadline(command);
    let what = match command.delivery {
        Delivery::Balanced => format!(
            "**Balanced**: one instance is called, and answers within {deadline}. `.timeout(..)` gives this call \
             another deadline, `.to(..)` chooses the instance."
        ),
        Delivery::Gather => format!(
            "**Broadcast**: every instance is called, and what they answer within {deadline} is gathered. \
             `.timeout(..)` gives this call another deadline; `.only(..)` and `.except(..)` choose the instances; \
             `.first(..)` waits for so many answers."
        ),
        Delivery::Broadcast => format!(
            "**Broadcast**: every instance is told, and none is waited for. Handing it over may take {deadline}, or \
             what `.timeout(..)` says; `.only(..)` and `.except(..)` choose the instances."
        ),
        Delivery::QueuedBalanced => format!(
            "**Queued, balanced**: one instance takes the job into its queue within {deadline}, and it is worked off \
             later, at least once. `.timeout(..)` gives this call another deadline, `.to(..)` chooses the instance; \
             `.delay(..)` and `.at(..)` say when the job may run at the earliest, `.dedupe(..)` leaves it out if there \
             was one like it."
        ),
        Delivery::QueuedBroadcast => format!(
            "**Queued, broadcast**: every instance takes the job into its own queue within {deadline}, and works it \
             off later, at least once. `.timeout(..)` gives this call another deadline; `.only(..)` and \
             `.except(..)` choose the instances; `.delay(..)` and `.at(..)` say when the job may run at the earliest, \
             `.dedupe(..)` leaves it out if there was one like it."
        ),
    };
    let mut paragraphs = vec![what];
    paragraphs.extend(joined(options_for_callers(command)));
    paragraphs.push(callers(schema, node, command));
    paragraphs.push(call(node, command));
    paragraphs.extend(outcome(command).map(String::from));
    paragraphs.push(errors(schema, command));
    document(&command.docs, &paragraphs.join("\n\n"))
}

/// The call, as one would write it.
fn call(node: &NodeType, command: &Command) -> String {
    let args: Vec<String> = command
        .args
        .iter()
        .map(|arg| arg.name.to_string())
        .collect();
    let call = format!(
        "node.client::<{}>().{}({}).await?",
        node.name,
        command.name,
        args.join(", ")
    );
    let code = match command.delivery {
        Delivery::Balanced if answers_nothing(command) => format!("{call};"),
        Delivery::Balanced if answers_result(command) => format!("let answer = {call}?;"),
        Delivery::Balanced => format!("let answer = {call};"),
        Delivery::Gather => format!(
            "let gathered = {call};\nfor (instance, answer) in gathered.answers() {{\n    // ...\n}}"
        ),
        Delivery::Broadcast => format!("let sent = {call};"),
        Delivery::QueuedBalanced => format!("let queued = {call};"),
        Delivery::QueuedBroadcast => format!(
            "let gathered = {call};\nfor queued in gathered.values() {{\n    // queued.instance, queued.job_id\n}}"
        ),
    };
    format!("```text\n{code}\n```")
}

/// What the call brings, where the example leaves that open.
fn outcome(command: &Command) -> Option<&'static str> {
    match command.delivery {
        Delivery::Balanced if answers_result(command) => {
            Some("The first `?` is for the mesh, the second for the answer itself.")
        }
        Delivery::Balanced => None,
        Delivery::Gather if answers_result(command) => Some(
            "Each answer is a `Result` of its own. `gathered.errors()` and `gathered.missing()` tell of the instances \
             without one; without any instance the gather is empty.",
        ),
        Delivery::Gather => Some(
            "`gathered.errors()` and `gathered.missing()` tell of the instances without an answer, and \
             `gathered.require_all()?` accepts none; without any instance the gather is empty.",
        ),
        Delivery::Broadcast => Some(
            "`sent.to` are the instances whose links have it, no more; `sent.failed` are those whose links did not \
             take it.",
        ),
        Delivery::QueuedBalanced => Some(
            "`queued.instance` has taken the job, and it is known by `queued.job_id`; `queued.duplicate` tells that \
                 there was one like it already.",
        ),
        Delivery::QueuedBroadcast => Some(
            "`gathered.errors()` and `gathered.missing()` tell of the instances that have not taken it; without any \
             instance the gather is empty.",
        ),
    }
}

fn errors(schema: &Schema, command: &Command) -> String {
    let rt = match &schema.runtime {
        Some(path) => names::text(path.to_token_stream()),
        None => "::mesh_runtime".to_string(),
    };
    let error = format!("[`CallError`]({rt}::__private::CallError)");
    let when = match command.delivery {
        Delivery::Balanced => format!(
            "A {error} if no instance is linked, if none answers in time, or if the call is lost on its way or its \
             handler panics. `maybe_executed()` tells whether the handler may have run."
        ),
        Delivery::QueuedBalanced => format!(
            "A {error} if no instance is linked, if its queue is full, or if it does not confirm the job in time. \
             `maybe_executed()` tells whether the job may be queued all the same."
        ),
        Delivery::Gather | Delivery::Broadcast | Delivery::QueuedBroadcast => format!(
            "A {error} if the arguments cannot be encoded or this node is shutting down: nothing was sent then. What \
             fails with one instance is told for that instance."
        ),
    };
    format!("# Errors\n\n{when}")
}

/// What the options mean for who calls.
fn options_for_callers(command: &Command) -> Vec<String> {
    let options = &command.options;
    let mut text = Vec::new();
    if let Some(key) = &options.key {
        let key = names::text(key.to_token_stream());
        text.push(format!(
            "Calls with an equal `{key}` go to the same instance, as long as the instances stay the same."
        ));
    }
    if options.idempotent {
        text.push(
            "Idempotent: if the call is lost after it may have run, another instance is tried."
                .into(),
        );
    } else if command.delivery == Delivery::Balanced {
        text.push("The call is not repeated once it may have run.".into());
    }
    if options.adopt_orphans {
        text.push("If an instance never returns, another adopts its jobs.".into());
    }
    text.extend(version(command));
    text
}

/// A method of the trait.
pub(super) fn handler_method(schema: &Schema, node: &NodeType, command: &Command) -> TokenStream {
    let options = &command.options;
    let mut paragraphs = vec![
        match command.delivery {
            Delivery::Balanced => "**Balanced**: one instance runs it for each call.",
            Delivery::Gather => "**Broadcast**: every instance runs it for each call.",
            Delivery::Broadcast => "**Broadcast**: every instance runs it, and nobody waits.",
            Delivery::QueuedBalanced => {
                "**Queued, balanced**: one instance works each job off, later and at least once."
            }
            Delivery::QueuedBroadcast => {
                "**Queued, broadcast**: every instance works each job off, later and at least once."
            }
        }
        .to_string(),
    ];
    paragraphs.push(match command.delivery {
        Delivery::Balanced | Delivery::Gather => answer_for_handlers(command),
        Delivery::Broadcast => "There is no deadline.".to_string(),
        Delivery::QueuedBalanced | Delivery::QueuedBroadcast => job_for_handlers(command),
    });
    let mut more = Vec::new();
    if options.idempotent {
        more.push("Idempotent: a call may run more than once, on several instances.".to_string());
    }
    if let Some(n) = options.concurrency {
        more.push(format!(
            "At most {n} run at once on each instance; more wait for their turn."
        ));
    }
    if options.adopt_orphans {
        more.push("The jobs of an instance that never returns run here as well.".to_string());
    }
    more.extend(version(command));
    paragraphs.extend(joined(more));
    paragraphs.push(callers(schema, node, command));
    document(&command.docs, &paragraphs.join("\n\n"))
}

/// What the return of an answering handler means, and how long it has.
fn answer_for_handlers(command: &Command) -> String {
    let what = if answers_nothing(command) {
        "The caller waits until it has returned."
    } else if answers_result(command) {
        "What it returns is the answer; an `Err` too, which the caller gets as it is."
    } else {
        "What it returns is the answer."
    };
    format!(
        "{what} The future is dropped when the caller gives up or the deadline has passed: {} after the call began, unless \
         the call says otherwise.",
        deadline(command)
    )
}

/// What the return of a job's handler means.
fn job_for_handlers(command: &Command) -> String {
    let options = &command.options;
    let pause = match options.backoff_ms {
        Some(ms) => format!(
            "a pause of {}, and twice as long each further time",
            duration(ms)
        ),
        None => "a growing pause".to_string(),
    };
    let end = match options.attempts {
        Some(1) => {
            "`Ok` ends the job. After an error it is a dead letter: it is tried once.".to_string()
        }
        Some(n) => format!(
            "`Ok` ends the job. After an error it is tried again after {pause}; after {n} attempts it is a dead letter."
        ),
        None => format!(
            "`Ok` ends the job. After an error it is tried again after {pause}, and is a dead letter in the end."
        ),
    };
    format!(
        "{end} `JobError::discard` makes it one at once. `cx.job()` has the job's id, which is the same for every \
         attempt, by which work that is done already can be told."
    )
}

/// How to implement the trait, shown by its first command.
pub(super) fn implementation(node: &NodeType) -> String {
    let Some(command) = node.commands.first() else {
        return String::new();
    };
    let args: Vec<String> = command
        .args
        .iter()
        .map(|arg| format!(", {}: {}", arg.name, names::text(arg.ty.to_token_stream())))
        .collect();
    let returns = match (&command.returns, command.delivery.is_queued()) {
        (_, true) => " -> Result<(), JobError>".to_string(),
        (Some(ty), false) => format!(" -> {}", names::text(ty.to_token_stream())),
        (None, false) => String::new(),
    };
    let rest = match node.commands.len() {
        1 => "",
        _ => "    // ... and the others\n",
    };
    format!(
        "```text\nimpl {} for MyHandler {{\n    async fn {}(&self, cx: Context<{}>{}){returns} {{\n        // ...\n    \
         }}\n{rest}}}\n```",
        names::handler(&node.name),
        command.name,
        node.name,
        args.concat(),
    )
}

/// Who may call the command.
fn callers(schema: &Schema, node: &NodeType, command: &Command) -> String {
    if !schema.is_whole() {
        return match &command.options.allow {
            Some(Callers::Named(names)) => format!("Called by {} only.", list(&plain(names))),
            _ => "Called by every node type that has a link.".to_string(),
        };
    }
    let callers = schema.callers(node, Some(command));
    let callers: Vec<String> = callers.iter().map(|caller| link(&caller.name)).collect();
    let only = match command.options.allow {
        Some(_) => " only",
        None => "",
    };
    match callers.is_empty() {
        true => "No node type may call it.".to_string(),
        false => format!("Called by {}{only}.", list(&callers)),
    }
}

fn version(command: &Command) -> Option<String> {
    let version = command.options.version?;
    Some(format!("This is version {version} of the command."))
}

fn answers_nothing(command: &Command) -> bool {
    match &command.returns {
        None => true,
        Some(Type::Tuple(tuple)) => tuple.elems.is_empty(),
        Some(_) => false,
    }
}

/// Whether the answer is a `Result`, as far as its name tells.
fn answers_result(command: &Command) -> bool {
    match &command.returns {
        Some(Type::Path(path)) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Result"),
        _ => false,
    }
}

/// Sentences as a paragraph, if there are any.
fn joined(sentences: Vec<String>) -> Option<String> {
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn deadline(command: &Command) -> String {
    match command.options.timeout_ms {
        Some(ms) => duration(ms),
        None => format!("{} (the default)", duration(DEFAULT_TIMEOUT_MS)),
    }
}

/// `2 s`, in the biggest unit that fits.
fn duration(ms: u64) -> String {
    for (unit, factor) in [("h", 3_600_000_u64), ("min", 60_000), ("s", 1_000)] {
        if ms.is_multiple_of(factor) {
            return format!("{} {unit}", ms / factor);
        }
    }
    format!("{ms} ms")
}
