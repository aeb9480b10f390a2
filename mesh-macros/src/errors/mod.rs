//! Collects the errors. The files in this directory hold the text of every message: what is wrong, and how to fix it.
//! Knows nothing of how a mistake was found.

mod items;
mod lists;
mod names;
mod options;
mod signatures;

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

pub(crate) use self::{items::*, lists::*, names::*, options::*, signatures::*};

/// Every mistake found so far. No step stops at the first one.
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

/// Line and column; `None` outside of a compiler.
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

/// The edit distance: how many letters must be added, removed, changed, or swapped with their neighbour.
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

/// `: did you mean …?`, or a list of the known names.
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
