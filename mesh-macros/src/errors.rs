//! Collects what is wrong, and holds the text of every message: what is wrong, and how to mend it.
//! Knows nothing of how a mistake was found.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Error, Ident, Path, Type};

use crate::{
    ast::Grammar,
    model::{Delivery, OptionName},
};

/// Every mistake found so far. Nothing stops at the first.
#[derive(Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().map(Error::to_string).collect()
    }

    /// One `compile_error!` for each, in the order of the schema.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        self.0.sort_by_key(|error| position(error.span()));
        let combined = self.0.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        });
        combined.map(Error::into_compile_error).unwrap_or_default()
    }
}

/// Line and column, where a compiler knows them.
fn position(span: Span) -> Option<(usize, usize)> {
    proc_macro::is_available().then(|| {
        let start = span.unwrap().start();
        (start.line(), start.column())
    })
}

/// The name in `known` that the author probably meant.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1.max(name.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be added, dropped, changed, or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// `: did you mean …?`, or what there is instead.
fn or_nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    what: &str,
) -> String {
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!(": did you mean `{name}`?");
    }
    let names: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => String::new(),
        1..=12 => format!("; {what} {}", list(&names)),
        _ => String::new(),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[impl Display]) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        let glue = match index {
            0 => "",
            _ if index + 1 == items.len() => " and ",
            _ => ", ",
        };
        text.push_str(&format!("{glue}{item}"));
    }
    text
}

/// ` (line 12)`, or ` (src/billing.rs, line 12)` where that is another file: a second place for a message,
/// which can underline only one.
fn place(there: Span, here: Span) -> String {
    // Outside of a compiler, in unit tests, there are no lines.
    let Some((line, _)) = position(there) else {
        return String::new();
    };
    let file = there.unwrap().file();
    match file == here.unwrap().file() {
        true => format!(" (line {line})"),
        false => format!(" ({file}, line {line})"),
    }
}

fn at(span: Span, message: impl Display) -> Error {
    Error::new(span, message)
}

fn over(tokens: impl ToTokens, message: impl Display) -> Error {
    Error::new_spanned(tokens, message)
}

// The shape of the schema.

pub(crate) fn unknown_item(span: Span, found: &str) -> Error {
    let meant = or_nearest(found, ["mesh", "node", "runtime"], "a schema holds");
    at(span, format!("`{found}` starts no item of a schema{meant}"))
}

pub(crate) fn expected_item(span: Span, grammar: Grammar) -> Error {
    let message = match grammar {
        Grammar::Schema => "expected `mesh Name;`, `node Name { … }` or `node path::Name;`",
        Grammar::Nodes => "expected `node Name { … }`",
    };
    at(span, message)
}

pub(crate) fn command_outside_node(span: Span) -> Error {
    at(
        span,
        "a command stands inside the braces of its node: `node Name { … }`",
    )
}

pub(crate) fn rust_item(span: Span, keyword: &str) -> Error {
    let mend = match keyword {
        "use" => {
            "write this outside of the macro; a node that `mesh_node!` declares elsewhere is taken in with `node path::Name;`"
        }
        _ => "write this outside of the macro",
    };
    at(
        span,
        format!(
            "`{keyword}` does not belong in a schema: a schema holds `mesh` and `node` only, {mend}"
        ),
    )
}

pub(crate) fn mesh_beside_node(span: Span) -> Error {
    at(
        span,
        "`mesh_node!` declares nodes only: the mesh stands in one `mesh_schema!`, which takes them in with `node path::Name;`",
    )
}

pub(crate) fn no_nodes(span: Span) -> Error {
    at(
        span,
        "`mesh_node!` declares no node: write `pub node Name { … }`",
    )
}

pub(crate) fn path_beside_node(path: &Path) -> Error {
    over(
        path,
        "`mesh_node!` declares nodes: take one in that is declared elsewhere in the `mesh_schema!` of its mesh",
    )
}

pub(crate) fn path_with_body(path: &Path, name: &Ident) -> Error {
    over(
        path,
        format!(
            "a node that is declared here has a plain name, `node {name} {{ … }}`; one that is declared elsewhere has a path and no braces"
        ),
    )
}

pub(crate) fn attribute_on_node_elsewhere(span: Span) -> Error {
    at(
        span,
        "this node is declared elsewhere: its docs stand there, in its `mesh_node!`",
    )
}

pub(crate) fn missing_name(span: Span, what: &str) -> Error {
    at(
        span,
        format!(
            "expected the name of the {what} here, as in `{what} {}`",
            example_name(what)
        ),
    )
}

fn example_name(what: &str) -> &'static str {
    match what {
        "mesh" => "Shop;",
        _ => "Billing { … }",
    }
}

pub(crate) fn no_mesh(span: Span) -> Error {
    at(
        span,
        "the schema declares no mesh: begin it with `pub mesh Name;`",
    )
}

pub(crate) fn second_mesh(name: &Ident, first: &Ident) -> Error {
    let place = place(first.span(), name.span());
    at(
        name.span(),
        format!(
            "a schema declares one mesh, and this is `{first}`{place} already: put `{name}` into a `mesh_schema!` of its own"
        ),
    )
}

pub(crate) fn mesh_with_body(span: Span) -> Error {
    at(
        span,
        "a mesh has no braces: write `mesh Name;`, and its nodes beside it",
    )
}

pub(crate) fn node_without_body(name: &Ident, grammar: Grammar) -> Error {
    let elsewhere = match grammar {
        Grammar::Schema => {
            format!(
                ", and `node path::{name};` or `node self::{name};` one that `mesh_node!` declares"
            )
        }
        Grammar::Nodes => String::new(),
    };
    at(
        name.span(),
        format!(
            "expected braces after the node's name: `node {name} {{ }}` is a node without commands and links{elsewhere}"
        ),
    )
}

pub(crate) fn visibility_on_node(span: Span) -> Error {
    at(
        span,
        "a node has the visibility of its mesh: drop this, and write it before `mesh`",
    )
}

pub(crate) fn visibility_on_command(span: Span) -> Error {
    at(
        span,
        "a command has the visibility of its mesh: drop this; `#[allow(..)]` says who may call it",
    )
}

pub(crate) fn generics_on_node(span: Span) -> Error {
    at(
        span,
        "a node type has no generics: instances are told apart by their instance id",
    )
}

pub(crate) fn bad_runtime(error: Error) -> Error {
    at(
        error.span(),
        "expected the path of the runtime crate, as in `runtime = ::mesh_runtime;`",
    )
}

pub(crate) fn second_runtime(span: Span) -> Error {
    at(span, "`runtime` is given already: keep one of them")
}

pub(crate) fn missing_semicolon(span: Span, after: &str) -> Error {
    at(span, format!("expected `;` after {after}"))
}

pub(crate) fn stray(span: Span) -> Error {
    at(
        span,
        "unexpected here: expected `allow: …;`, `connect: …;` or a command such as `balanced fn name();`",
    )
}

pub(crate) fn dangling_attribute(span: Span) -> Error {
    at(
        span,
        "nothing follows that this doc comment or attribute could belong to",
    )
}

pub(crate) fn inner_attribute(span: Span) -> Error {
    at(
        span,
        "a schema has no inner attributes and no `//!` comments: write `///` or `#[..]` above the item",
    )
}

pub(crate) fn bad_attribute(span: Span) -> Error {
    at(span, "expected an attribute such as `#[timeout = \"2s\"]`")
}

pub(crate) fn attribute_on_peers(span: Span, keyword: &Ident) -> Error {
    at(
        span,
        format!(
            "`{keyword}` takes no attributes and no doc comments; a plain `//` comment will do"
        ),
    )
}

// The lists.

pub(crate) fn unknown_setting(name: &Ident) -> Error {
    let text = name.to_string();
    let meant = or_nearest(&text, ["allow", "connect"], "a node has the settings");
    at(
        name.span(),
        format!("`{text}` is no setting of a node{meant}"),
    )
}

pub(crate) fn setting_without_colon(span: Span, keyword: &Ident) -> Error {
    at(span, format!("expected `:`, as in `{keyword}: [Billing];`"))
}

pub(crate) fn peers_without_brackets(span: Span, keyword: &Ident) -> Error {
    at(
        span,
        format!(
            "`{keyword}` takes a list in brackets, as in `{keyword}: [Billing, Audit];`, or the word `any`"
        ),
    )
}

pub(crate) fn any_in_brackets(span: Span, keyword: &Ident) -> Error {
    at(
        span,
        format!("`any` stands without brackets: `{keyword}: any;`"),
    )
}

pub(crate) fn bad_peer(span: Span) -> Error {
    at(
        span,
        "expected the name of a node type: the names in a list are plain and parted by commas",
    )
}

pub(crate) fn missing_comma(span: Span) -> Error {
    at(span, "expected `,` between the names of a list")
}

pub(crate) fn path_as_peer(span: Span) -> Error {
    at(
        span,
        "a node type is named by its plain name here, without a path: it stands in this same schema",
    )
}

pub(crate) fn repeated_setting(keyword: &Ident, what: &str, first: &Ident, node: &Ident) -> Error {
    let place = place(first.span(), keyword.span());
    at(
        keyword.span(),
        format!("`{node}` has {what} list{place} already: put all names into one"),
    )
}

pub(crate) fn unknown_node<'a>(
    name: &Ident,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Error {
    let text = name.to_string();
    let meant = or_nearest(&text, known, "there are");
    at(
        name.span(),
        format!("the schema has no node `{text}`{meant}"),
    )
}

pub(crate) fn listed_twice(name: &Ident, keyword: &str) -> Error {
    at(
        name.span(),
        format!("`{name}` stands twice in this `{keyword}`: drop one"),
    )
}

pub(crate) fn not_allowed_back(name: &Ident, from: &Ident, allow: Span) -> Error {
    let place = place(allow, name.span());
    at(
        name.span(),
        format!(
            "`{from}` connects to `{name}`, but `{name}`{place} does not allow `{from}`: add `{from}` to `allow` of `{name}`, or drop `{name}` here"
        ),
    )
}

// Names.

pub(crate) fn duplicate_node(here: Span, name: &Ident, first: Span) -> Error {
    let place = place(first, here);
    at(
        here,
        format!("there is a node `{name}`{place} already: rename one, or merge the two"),
    )
}

pub(crate) fn duplicate_command(name: &Ident, node: &Ident, first: &Ident) -> Error {
    let place = place(first.span(), name.span());
    at(
        name.span(),
        format!(
            "`{node}` has a command `{name}`{place} already: rename one, or give each a `#[cfg(..)]` so that only one is there"
        ),
    )
}

pub(crate) fn duplicate_argument(name: &Ident, command: &Ident) -> Error {
    at(
        name.span(),
        format!("`{command}` has an argument `{name}` already: rename one"),
    )
}

pub(crate) fn node_named_like_mesh(name: &Ident, mesh: &Ident) -> Error {
    let place = place(mesh.span(), name.span());
    at(
        name.span(),
        format!("the mesh{place} is called `{mesh}` already: rename the node or the mesh"),
    )
}

pub(crate) fn generated_name(name: &Ident, what: &str, kind: &str, node: &Ident) -> Error {
    at(
        name.span(),
        format!(
            "`{name}` is also the name of the {kind} that the macro writes for node `{node}`: rename this {what}"
        ),
    )
}

pub(crate) fn reserved_name(name: &Ident) -> Error {
    at(
        name.span(),
        format!("`{name}` cannot be the name of a node: in a list it means every node type"),
    )
}

pub(crate) fn id_collision(name: &Ident, command: &str, other: &str, other_span: Span) -> Error {
    let place = place(other_span, name.span());
    at(
        name.span(),
        format!(
            "`{command}` and `{other}`{place} have the same 32-bit command id by chance: rename one of the two commands"
        ),
    )
}

// Signatures.

pub(crate) fn no_delivery(span: Span, name: &Ident) -> Error {
    at(
        span,
        format!(
            "say how `{name}` is delivered: `balanced` (one instance), `broadcast` (all), `queued balanced` or `queued broadcast` (worked off later)"
        ),
    )
}

pub(crate) fn unknown_delivery(word: &Ident) -> Error {
    let text = word.to_string();
    let meant = or_nearest(&text, ["balanced", "broadcast", "queued"], "there are");
    at(
        word.span(),
        format!("`{text}` is no way to deliver a command{meant}"),
    )
}

pub(crate) fn rust_qualifier(word: &Ident) -> Error {
    let why = match word.to_string().as_str() {
        "async" => {
            "every command is asynchronous: drop `async`, and write it at the handler's method"
                .to_string()
        }
        other => format!("a command cannot be `{other}`: drop it"),
    };
    at(word.span(), why)
}

pub(crate) fn balanced_and_broadcast(words: &[Ident]) -> Error {
    over(
        tokens(words),
        "`balanced` is one instance and `broadcast` is all of them: keep one of the two",
    )
}

pub(crate) fn queued_alone(word: &Ident) -> Error {
    at(
        word.span(),
        "`queued` needs to know who works the job off: `queued balanced` (one instance) or `queued broadcast` (each instance)",
    )
}

pub(crate) fn queued_last(words: &[Ident], right: &str) -> Error {
    over(tokens(words), format!("`queued` comes first: `{right}`"))
}

pub(crate) fn repeated_delivery(word: &Ident) -> Error {
    at(word.span(), format!("`{word}` stands twice: drop one"))
}

pub(crate) fn queued_with_return(ty: &Type) -> Error {
    over(
        ty,
        "a queued command is worked off later and answers nothing: drop the `->`; the caller learns the job's id, and the handler returns `Result<(), JobError>`",
    )
}

pub(crate) fn missing_fn(span: Span, name: &Ident) -> Error {
    at(
        span,
        format!("expected `fn` before the command's name: `fn {name}(..)`"),
    )
}

pub(crate) fn missing_command_name(span: Span) -> Error {
    at(span, "expected the name of the command after `fn`")
}

pub(crate) fn missing_parentheses(span: Span, name: &Ident) -> Error {
    at(
        span,
        format!("expected parentheses with the arguments: `fn {name}()` is a command without any"),
    )
}

pub(crate) fn generics(span: Span) -> Error {
    at(
        span,
        "a command has no generics and no lifetimes: what travels must be of one known type, so write one command for each type",
    )
}

pub(crate) fn where_clause(span: Span) -> Error {
    at(
        span,
        "a command has no `where`: there is nothing generic in it to bound",
    )
}

pub(crate) fn command_with_body(span: Span) -> Error {
    at(
        span,
        "a schema only declares: end the command with `;` and write its body in the handler",
    )
}

pub(crate) fn self_argument(span: Span) -> Error {
    at(
        span,
        "a command is declared without `self`: the handler's method has it anyway",
    )
}

pub(crate) fn pattern_argument(span: Span) -> Error {
    at(
        span,
        "an argument is a plain name and a type, as in `order: Order`: patterns and `mut` belong in the handler",
    )
}

pub(crate) fn argument_without_type(span: Span, name: &str) -> Error {
    let (name, ty) = match name.chars().next() {
        Some(first) if first.is_uppercase() => (name.to_lowercase(), name.to_string()),
        _ => (name.to_string(), "Type".to_string()),
    };
    at(
        span,
        format!("an argument is a name and a type, as in `{name}: {ty}`"),
    )
}

pub(crate) fn attribute_on_argument(span: Span) -> Error {
    at(
        span,
        "an argument takes no attributes and no doc comments: describe it above the command",
    )
}

pub(crate) fn variadic(span: Span) -> Error {
    at(
        span,
        "a command has a fixed number of arguments: take a `Vec` of them instead",
    )
}

pub(crate) fn bad_type(span: Span, what: &str) -> Error {
    at(span, format!("expected {what}"))
}

pub(crate) fn too_many_arguments(name: &Ident, limit: usize) -> Error {
    at(
        name.span(),
        format!("a command has at most {limit} arguments: put them into a struct"),
    )
}

pub(crate) fn reference_type(ty: impl ToTokens, owned: Option<&str>) -> Error {
    let mend = match owned {
        Some(owned) => format!("`{owned}`"),
        None => "the owned type".to_string(),
    };
    over(
        ty,
        format!("a reference cannot travel to another process: use {mend}"),
    )
}

pub(crate) fn lifetime_in_type(lifetime: impl ToTokens) -> Error {
    over(
        lifetime,
        "a type that borrows cannot travel to another process: use an owned type, or `'static` where the type can own what it holds",
    )
}

pub(crate) fn impl_trait_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "`impl Trait` names no type that could be read on the other side: name a concrete type",
    )
}

pub(crate) fn dyn_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "`dyn Trait` names no type that could be read on the other side: name a concrete type, such as an enum of the cases",
    )
}

pub(crate) fn pointer_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "a pointer means nothing in another process: send the value",
    )
}

pub(crate) fn infer_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "both sides must know the type: write it in place of `_`",
    )
}

pub(crate) fn never_type(ty: impl ToTokens) -> Error {
    over(
        ty,
        "`!` has no value that could travel: a command without an answer has no `->`",
    )
}

pub(crate) fn self_type(ty: impl ToTokens) -> Error {
    over(ty, "`Self` means nothing in a schema: name the type")
}

// Attributes and options.

pub(crate) fn unknown_option(span: Span, name: &str) -> Error {
    let known = OptionName::ALL
        .map(OptionName::name)
        .into_iter()
        .chain(["deprecated", "cfg"]);
    let meant = or_nearest(name, known, "there are");
    at(span, format!("`{name}` is no option of a command{meant}"))
}

pub(crate) fn lint_on_command(span: Span, name: &str) -> Error {
    at(
        span,
        format!("`#[{name}]` has no place in a schema: set lints outside of `mesh_schema!`"),
    )
}

pub(crate) fn cfg_on(span: Span, what: &str) -> Error {
    at(
        span,
        format!(
            "a {what} cannot be conditional, as every process must know the same ones: put `#[cfg(..)]` on commands, or on the whole `mesh_schema!`"
        ),
    )
}

pub(crate) fn bad_cfg(span: Span) -> Error {
    at(
        span,
        "write `#[cfg(..)]` with its condition, as in `#[cfg(feature = \"reports\")]`",
    )
}

pub(crate) fn bad_deprecated(span: Span) -> Error {
    at(
        span,
        "write `#[deprecated]`, or `#[deprecated(since = \"2.0.0\", note = \"use `newer`\")]`",
    )
}

pub(crate) fn bad_doc(span: Span) -> Error {
    at(
        span,
        "write a doc comment, `/// text`, or `#[doc = \"text\"]`",
    )
}

pub(crate) fn cfg_attr(span: Span) -> Error {
    at(
        span,
        "`#[cfg_attr(..)]` is not understood here: give the command twice, each with its own `#[cfg(..)]`",
    )
}

pub(crate) fn option_on(span: Span, name: &str, what: &str) -> Error {
    at(
        span,
        format!(
            "`{name}` is an option of commands, not of a {what}: put it on each command that it is meant for"
        ),
    )
}

pub(crate) fn attribute_on(span: Span, name: &str, what: &str) -> Error {
    at(
        span,
        format!("a {what} takes doc comments only, and no `#[{name}]`"),
    )
}

pub(crate) fn repeated_option(span: Span, option: OptionName) -> Error {
    at(
        span,
        format!("`{}` is given twice: drop one", option.name()),
    )
}

pub(crate) fn wrong_delivery(span: Span, option: OptionName, delivery: Delivery) -> Error {
    let allowed: Vec<_> = option
        .deliveries()
        .iter()
        .map(|d| format!("`{}`", d.keyword()))
        .collect();
    let why = match option {
        OptionName::Idempotent if delivery.is_queued() => {
            ": a queued job is tried again anyway, see `#[attempts]`"
        }
        OptionName::Idempotent => ": a broadcast is never tried again",
        OptionName::Key => ": every instance gets a broadcast, whatever its key",
        OptionName::Orphans if delivery == Delivery::QueuedBalanced => {
            ": another instance works a shared job off anyway"
        }
        OptionName::Attempts | OptionName::Backoff if delivery == Delivery::Balanced => {
            ": a call is tried again if it is `#[idempotent]`"
        }
        _ => "",
    };
    let name = option.name();
    at(
        span,
        format!(
            "`{name}` is for {} commands only, and this one is `{}`{why}; drop it",
            list(&allowed),
            delivery.keyword()
        ),
    )
}

pub(crate) fn option_shape(span: Span, option: OptionName) -> Error {
    let shape = match option {
        OptionName::Timeout => "#[timeout = \"2s\"]",
        OptionName::Idempotent => "#[idempotent]",
        OptionName::Concurrency => "#[concurrency = 8]",
        OptionName::Attempts => "#[attempts = 5]",
        OptionName::Backoff => "#[backoff = \"1s\"]",
        OptionName::Key => "#[key = order.id]",
        OptionName::Version => "#[version = 2]",
        OptionName::Orphans => "#[orphans = \"dead_letter\"]` or `#[orphans = \"adopt\"]",
        OptionName::Allow => "#[allow(Billing, Audit)]",
    };
    at(span, format!("write `{shape}`"))
}

pub(crate) fn duration_not_text(span: Span, option: OptionName) -> Error {
    let name = option.name();
    at(
        span,
        format!(
            "a duration is a text with a unit, as in `#[{name} = \"2s\"]`; the units are {UNITS}"
        ),
    )
}

pub(crate) fn duration_without_number(span: Span, text: &str) -> Error {
    let text = if text.is_empty() {
        "an empty text".to_string()
    } else {
        format!("`{text}`")
    };
    at(
        span,
        format!(
            "{text} is no duration: write a whole number and a unit, as in `\"250ms\"`; the units are {UNITS}"
        ),
    )
}

pub(crate) fn duration_without_unit(span: Span, number: &str) -> Error {
    at(span, format!("`{number}` of what? Add a unit: {UNITS}"))
}

pub(crate) fn duration_unit(span: Span, unit: &str) -> Error {
    at(
        span,
        format!("`{unit}` is no unit of time here; the units are {UNITS}"),
    )
}

pub(crate) fn duration_fraction(span: Span) -> Error {
    at(
        span,
        "a duration is a whole number: take a smaller unit, as in `\"1500ms\"` for one and a half seconds",
    )
}

pub(crate) fn duration_zero(span: Span, option: OptionName) -> Error {
    let why = match option {
        OptionName::Timeout => "nothing could ever answer in no time",
        _ => "a failed job would be tried again without any pause",
    };
    at(
        span,
        format!("`{}` must be longer than zero: {why}", option.name()),
    )
}

pub(crate) fn duration_too_long(span: Span) -> Error {
    at(
        span,
        "a duration is a year at most: nothing here should wait for longer",
    )
}

const UNITS: &str = "`ms`, `s`, `m` (minutes) and `h`";

pub(crate) fn number(span: Span, option: OptionName) -> Error {
    at(
        span,
        format!(
            "`{}` is a whole number of at least 1 and at most {}",
            option.name(),
            u32::MAX
        ),
    )
}

pub(crate) fn orphans_value(span: Span, found: &str) -> Error {
    let meant = or_nearest(found, ["dead_letter", "adopt"], "choose from");
    at(
        span,
        format!("`{found}` is not what can become of orphaned jobs{meant}"),
    )
}

pub(crate) fn key_names_no_argument<'a>(
    span: Span,
    found: &str,
    args: impl IntoIterator<Item = &'a str> + Clone,
    command: &Ident,
) -> Error {
    let meant = or_nearest(found, args, "its arguments are");
    at(
        span,
        format!(
            "the key is worked out from the arguments, and `{command}` has no argument `{found}`{meant}"
        ),
    )
}

pub(crate) fn key_without_argument(span: Span, command: &Ident) -> Error {
    at(
        span,
        format!(
            "the key names no argument of `{command}`: equal keys go to the same instance, so this would use one instance only; write for example `#[key = order.id]`"
        ),
    )
}

pub(crate) fn allow_empty(span: Span) -> Error {
    at(
        span,
        "nobody could call this command: name the callers, or drop `#[allow()]` so that all may that have a link",
    )
}

pub(crate) fn allow_any(span: Span) -> Error {
    at(
        span,
        "without `#[allow(..)]` every node type with a link may call: drop it",
    )
}

pub(crate) fn allow_lint(span: Span, name: &str) -> Error {
    at(
        span,
        format!(
            "`#[allow(..)]` on a command lists the node types that may call it, and `{name}` is a lint: set lints outside of `mesh_schema!`"
        ),
    )
}

pub(crate) fn allow_without_link(name: &Ident, callee: &Ident, command: &Ident) -> Error {
    at(
        name.span(),
        format!(
            "`{name}` has no link with `{callee}` and so cannot call `{command}`: list `{callee}` under `connect` of `{name}` and `{name}` under `allow` of `{callee}`, or drop `{name}` here"
        ),
    )
}

fn tokens(words: &[Ident]) -> TokenStream {
    words.iter().map(ToTokens::to_token_stream).collect()
}
