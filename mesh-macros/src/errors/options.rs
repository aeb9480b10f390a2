//! Attributes and options of commands.

use proc_macro2::Span;
use syn::{Error, Ident};

use super::{at, list, or_nearest};
use crate::{
    delivery::{Delivery, Instances},
    model::OptionName,
};

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

pub(crate) fn wrong_delivery(span: Span, option: OptionName, delivery: &Delivery) -> Error {
    let allowed: Vec<_> = Delivery::ALL
        .into_iter()
        .filter(|delivery| option.is_for(delivery))
        .map(|delivery| format!("`{}`", delivery.keyword))
        .collect();
    let why = match option {
        OptionName::Idempotent if delivery.is_queued() => {
            ": a queued job is tried again anyway, see `#[attempts]`"
        }
        OptionName::Idempotent => ": a broadcast is never tried again",
        OptionName::Key => ": every instance gets a broadcast, whatever its key",
        OptionName::Orphans if delivery.is_queued() && delivery.instances == Instances::One => {
            ": another instance processes a shared job anyway"
        }
        OptionName::Attempts | OptionName::Backoff if delivery.is_balanced_call() => {
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
            delivery.keyword
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
        OptionName::Incompatible => "#[incompatible = \"10m\"]",
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

pub(crate) fn allow_against_reverse(name: &Ident, callee: &Ident, command: &Ident) -> Error {
    at(
        name.span(),
        format!(
            "`{name}` cannot call `{command}`: `{callee}` dials it, and `reverse` of `{callee}` leaves it out: list `{name}` there, or drop `{name}` here"
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
