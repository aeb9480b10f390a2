//! Names that may have been meant.

use std::cmp::Ordering;

use crate::output::plain;

/// How alike two names must be to be taken for a slip of the pen: from 0, nothing in common, to 1, the same.
const ALIKE: f64 = 0.75;

/// How many names an error lists.
const MAX_LISTED: usize = 10;

/// The names, the most similar to `wanted` first. Upper and lower case count as equal.
pub(crate) fn closest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (likeness(wanted, name), name))
        .collect();
    scored.sort_by(|(one, _), (other, _)| other.partial_cmp(one).unwrap_or(Ordering::Equal));
    scored.into_iter().map(|(_, name)| name).collect()
}

/// The most similar name, if it is similar enough to have been meant.
pub(crate) fn meant<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let first = closest(wanted, names).into_iter().next();
    first.filter(|name| likeness(wanted, name) >= ALIKE)
}

fn likeness(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(&one.to_lowercase(), &other.to_lowercase())
}

/// The names as one text, and how many more there are.
pub(crate) fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(MAX_LISTED)
        .map(|name| plain(name))
        .collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_comes_first() {
        let names = ["export", "refund", "charge"];
        assert_eq!(closest("Chrage", names)[0], "charge");
        assert_eq!(closest("x", []), Vec::<&str>::new());
    }

    #[test]
    fn only_a_similar_name_may_have_been_meant() {
        let names = ["export", "refund", "charge"];
        assert_eq!(meant("charg", names), Some("charge"));
        assert_eq!(meant("xyz", names), None);
        assert_eq!(meant("charge", []), None);
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        let text = listed(&["n"; 13]);
        assert!(text.ends_with("n, and 3 more"), "{text}");
    }
}
