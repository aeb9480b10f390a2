//! Parses the options of a command: their forms, their units, their bounds. Whether a delivery takes an option is
//! checked in `check`.

use proc_macro2::{Span, TokenStream};
use syn::{Expr, Ident, Lit, Token, parse::Parser, punctuated::Punctuated};

use crate::{
    ast::{Attr, AttrValue},
    errors::{self, Errors},
    model::{Callers, Command, OptionName},
};

const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Parses one option into `command`.
pub(crate) fn read(option: OptionName, attr: &Attr, command: &mut Command, errors: &mut Errors) {
    let options = &mut command.options;
    if options.given.iter().any(|(given, _)| *given == option) {
        errors.push(errors::repeated_option(attr.span, option));
        return;
    }
    options.given.push((option, attr.span));
    let outcome = match option {
        OptionName::Timeout => duration(option, attr).map(|ms| options.timeout_ms = Some(ms)),
        OptionName::Backoff => duration(option, attr).map(|ms| options.backoff_ms = Some(ms)),
        OptionName::Incompatible => {
            duration(option, attr).map(|ms| options.incompatible_ms = Some(ms))
        }
        OptionName::Concurrency => number(option, attr).map(|n| options.concurrency = Some(n)),
        OptionName::Attempts => number(option, attr).map(|n| options.attempts = Some(n)),
        OptionName::Version => number(option, attr).map(|n| options.version = Some(n)),
        OptionName::Idempotent => match attr.value {
            AttrValue::Word => {
                options.idempotent = true;
                Ok(())
            }
            _ => Err(errors::option_shape(attr.span, option)),
        },
        OptionName::Key => match &attr.value {
            AttrValue::Equals(value) => syn::parse2::<Expr>(value.clone())
                .map(|key| options.key = Some(key))
                .map_err(|_| errors::option_shape(attr.span, option)),
            _ => Err(errors::option_shape(attr.span, option)),
        },
        OptionName::Orphans => orphans(attr).map(|adopt| options.adopt_orphans = adopt),
        OptionName::Allow => match &attr.value {
            AttrValue::List(list) => {
                options.allow = callers(list.clone(), attr.span, errors);
                Ok(())
            }
            _ => Err(errors::option_shape(attr.span, option)),
        },
    };
    if let Err(error) = outcome {
        errors.push(error);
    }
}

/// The literal after `=`, if there is one.
fn literal(attr: &Attr) -> Option<Lit> {
    match &attr.value {
        AttrValue::Equals(value) => syn::parse2(value.clone()).ok(),
        _ => None,
    }
}

fn number(option: OptionName, attr: &Attr) -> syn::Result<u32> {
    match &attr.value {
        AttrValue::Equals(_) => match literal(attr) {
            Some(Lit::Int(number)) => number
                .base10_parse::<u32>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| errors::number(number.span(), option)),
            Some(other) => Err(errors::number(other.span(), option)),
            None => Err(errors::number(attr.span, option)),
        },
        _ => Err(errors::option_shape(attr.span, option)),
    }
}

fn duration(option: OptionName, attr: &Attr) -> syn::Result<u64> {
    match literal(attr) {
        Some(Lit::Str(text)) => duration_ms(&text.value(), text.span(), option),
        Some(other) => Err(errors::duration_not_text(other.span(), option)),
        None => Err(errors::option_shape(attr.span, option)),
    }
}

/// `"250ms"`, `"2s"`, `"5m"`, `"1h"` → milliseconds.
fn duration_ms(text: &str, span: Span, option: OptionName) -> syn::Result<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if number.is_empty() {
        return Err(errors::duration_without_number(span, text));
    }
    if unit.starts_with(['.', ',']) {
        return Err(errors::duration_fraction(span));
    }
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "" => return Err(errors::duration_without_unit(span, number)),
        other => return Err(errors::duration_unit(span, other)),
    };
    // A number too big to read is too long in any unit.
    let ms = number
        .parse::<u64>()
        .unwrap_or(u64::MAX)
        .saturating_mul(factor);
    match ms {
        0 => Err(errors::duration_zero(span, option)),
        1..=YEAR_MS => Ok(ms),
        _ => Err(errors::duration_too_long(span)),
    }
}

/// Whether orphaned jobs are adopted.
fn orphans(attr: &Attr) -> syn::Result<bool> {
    match literal(attr) {
        Some(Lit::Str(text)) => match text.value().as_str() {
            "dead_letter" => Ok(false),
            "adopt" => Ok(true),
            other => Err(errors::orphans_value(text.span(), other)),
        },
        _ => Err(errors::option_shape(attr.span, OptionName::Orphans)),
    }
}

/// The callers in `#[allow(A, B)]`; `None` if the list has a mistake, so that no caller is refused because of it.
fn callers(list: TokenStream, span: Span, errors: &mut Errors) -> Option<Callers> {
    let paths = match Punctuated::<syn::Path, Token![,]>::parse_terminated.parse2(list) {
        Ok(paths) if paths.is_empty() => {
            errors.push(errors::allow_empty(span));
            return None;
        }
        Ok(paths) => paths,
        Err(_) => {
            errors.push(errors::option_shape(span, OptionName::Allow));
            return None;
        }
    };
    let mut names: Vec<Ident> = Vec::new();
    let mut whole = true;
    for path in paths {
        let Some(name) = path.get_ident() else {
            let text = crate::names::text(quote::quote!(#path));
            errors.push(
                match text.starts_with("clippy::") || text.starts_with("rustdoc::") {
                    true => errors::allow_lint(span, &text),
                    false => errors::path_as_peer(
                        path.segments
                            .first()
                            .map_or(span, |first| first.ident.span()),
                    ),
                },
            );
            whole = false;
            continue;
        };
        let text = name.to_string();
        if text == "any" {
            errors.push(errors::allow_any(name.span()));
            whole = false;
        } else if matches!(
            text.as_str(),
            "dead_code" | "deprecated" | "unused" | "warnings" | "missing_docs" | "non_snake_case"
        ) || text.starts_with("unused_")
        {
            errors.push(errors::allow_lint(name.span(), &text));
            whole = false;
        } else {
            names.push(name.clone());
        }
    }
    whole.then_some(Callers::Named(names))
}
