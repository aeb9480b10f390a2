//! The documentation of a command: on the stub for callers, on the trait for handlers. Each says what its
//! reader has to know: delivery, deadline, who may call, an example, what comes back and what can go wrong.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Type;

use super::docs::{document, link, plain};
use crate::{
    delivery::{AnswerForm, Returns},
    errors::list,
    model::{Callers, Command, NodeType, OptionName, Schema},
    names,
};

/// The runtime's deadline where the schema gives no `#[timeout]`. A test compares it with the runtime.
pub(crate) const DEFAULT_TIMEOUT_MS: u64 = 3_000;

/// A method of the stub.
pub(super) fn client_method(schema: &Schema, node: &NodeType, command: &Command) -> TokenStream {
    let docs = &command.delivery.docs;
    let answer = answer_form(command);
    let mut paragraphs = vec![docs.call.replace("{deadline}", &deadline(command))];
    paragraphs.extend(joined(options_for_callers(command)));
    paragraphs.push(callers(schema, node, command));
    let example = (docs.example)(answer).replace("{call}", &call(node, command));
    paragraphs.push(format!("```text\n{example}\n```"));
    paragraphs.extend((docs.outcome)(answer).map(String::from));
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
    format!(
        "node.client::<{}>().{}({}).await?",
        node.name,
        command.name,
        args.join(", ")
    )
}

fn errors(schema: &Schema, command: &Command) -> String {
    let rt = match &schema.runtime {
        Some(path) => names::text(path.to_token_stream()),
        None => "::mesh_runtime".to_string(),
    };
    let error = format!("[`CallError`]({rt}::__private::CallError)");
    format!("# Errors\n\nA {error} {}", command.delivery.docs.errors)
}

/// What the options mean for callers.
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
    } else if OptionName::Idempotent.is_for(command.delivery) {
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
    let mut paragraphs = vec![command.delivery.docs.runs.to_string()];
    paragraphs.push(match command.delivery.returns {
        Returns::Answer => answer_for_handlers(command),
        Returns::Nothing => "There is no deadline.".to_string(),
        Returns::JobResult => job_for_handlers(command),
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

/// What the return value of a handler that answers means, and how long the handler may take.
fn answer_for_handlers(command: &Command) -> String {
    let what = match answer_form(command) {
        AnswerForm::Unit => "The caller waits until it has returned.",
        AnswerForm::Result => {
            "What it returns is the answer; an `Err` too, which the caller gets as it is."
        }
        AnswerForm::Other => "What it returns is the answer.",
    };
    format!(
        "{what} The future is dropped when the caller gives up or the deadline has passed: {} after the call began, unless \
         the call says otherwise.",
        deadline(command)
    )
}

/// What the return value of a job's handler means.
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
    let returns = match (command.delivery.returns, &command.returns) {
        (Returns::JobResult, _) => " -> Result<(), JobError>".to_string(),
        (_, Some(ty)) => format!(" -> {}", names::text(ty.to_token_stream())),
        (_, None) => String::new(),
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

/// The form of a command's answer, as far as the name of its type tells.
fn answer_form(command: &Command) -> AnswerForm {
    match &command.returns {
        None => AnswerForm::Unit,
        Some(Type::Tuple(tuple)) if tuple.elems.is_empty() => AnswerForm::Unit,
        Some(Type::Path(path)) => match path.path.segments.last() {
            Some(last) if last.ident == "Result" => AnswerForm::Result,
            _ => AnswerForm::Other,
        },
        Some(_) => AnswerForm::Other,
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

/// `2 s`, in the biggest unit that gives a whole number.
fn duration(ms: u64) -> String {
    for (unit, factor) in [("h", 3_600_000_u64), ("min", 60_000), ("s", 1_000)] {
        if ms.is_multiple_of(factor) {
            return format!("{} {unit}", ms / factor);
        }
    }
    format!("{ms} ms")
}
