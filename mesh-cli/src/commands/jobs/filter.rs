//! Which dead letters are meant: by their error, their arguments, their age and their attempts.

use std::{str::FromStr, time::Duration};

use mesh_runtime::operator::JobView;
use serde_json::Value;

/// What a dead letter must have. Everything that is given must match.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Filter {
    /// Only with this text in the error
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only with this value in the arguments, as in `order.customer=7` or `tags.0=new`. Can be repeated: all must match
    #[arg(long = "where", value_name = "PATH=VALUE")]
    conditions: Vec<Condition>,
    /// Only those that died longer ago, as in `2h` or `3days`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older: Option<Duration>,
    /// Only those that died less long ago, as in `30m`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    newer: Option<Duration>,
    /// Only those that were tried more often than this
    #[arg(long, value_name = "N")]
    attempts_over: Option<u32>,
}

/// A value in the arguments.
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    path: Vec<String>,
    text: String,
    /// The text as JSON, if it is some.
    json: Option<Value>,
}

impl Filter {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.error.is_none()
            && self.conditions.is_empty()
            && self.older.is_none()
            && self.newer.is_none()
            && self.attempts_over.is_none()
    }

    /// Whether a dead letter is meant; `None` if it came without the arguments that would tell. `now_ms` is the time, in
    /// milliseconds since 1970.
    pub(super) fn matches(&self, letter: &JobView, now_ms: u64) -> Option<bool> {
        let may_be_meant = self.error_matches(letter.error.as_deref())
            && self.age_matches(letter.died_ms, now_ms)
            && self.attempts_over.is_none_or(|few| letter.attempts > few);
        if !may_be_meant || self.conditions.is_empty() {
            return Some(may_be_meant);
        }
        letter.args.as_deref().map(|args| self.args_match(args))
    }

    fn error_matches(&self, error: Option<&str>) -> bool {
        self.error
            .as_deref()
            .is_none_or(|wanted| error.is_some_and(|error| error.contains(wanted)))
    }

    fn age_matches(&self, died_ms: Option<u64>, now_ms: u64) -> bool {
        let age = died_ms.map(|died_ms| Duration::from_millis(now_ms.saturating_sub(died_ms)));
        self.older
            .is_none_or(|older| age.is_some_and(|age| age > older))
            && self
                .newer
                .is_none_or(|newer| age.is_some_and(|age| age < newer))
    }

    fn args_match(&self, args: &str) -> bool {
        serde_json::from_str::<Value>(args).is_ok_and(|args| {
            self.conditions
                .iter()
                .all(|condition| condition.matches(&args))
        })
    }
}

impl Condition {
    fn matches(&self, args: &Value) -> bool {
        at(args, &self.path).is_some_and(|value| self.is(value))
    }

    fn is(&self, value: &Value) -> bool {
        value.as_str().is_some_and(|text| text == self.text)
            || self.json.as_ref().is_some_and(|json| same(json, value))
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, value) = text
            .split_once('=')
            .ok_or("expected PATH=VALUE, as in order.customer=7")?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(
                "a part of the path is empty; expected one as in order.customer".to_owned(),
            );
        }
        Ok(Self {
            path,
            text: value.to_owned(),
            json: serde_json::from_str(value).ok(),
        })
    }
}

/// What is at a path: entries of objects by name, items of lists by number from 0 on.
fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(entries) => entries.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Whether two values are the same, where 7 and 7.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 100_000_000;

    fn letter() -> JobView {
        let args = json!({ "order": { "customer": 7, "name": "007", "tags": ["new", "big"] } });
        let letter = json!({
            "job": "a-1",
            "in": "dead",
            "attempts": 5,
            "enqueued_ms": NOW - 90_000,
            "died_ms": NOW - 60_000,
            "error": "card refused by bank",
            "args": args.to_string(),
        });
        serde_json::from_value(letter).unwrap()
    }

    impl Filter {
        fn means(&self, letter: &JobView) -> bool {
            self.matches(letter, NOW) == Some(true)
        }
    }

    fn with(conditions: &[&str]) -> Filter {
        Filter {
            conditions: conditions
                .iter()
                .map(|text| text.parse().unwrap())
                .collect(),
            ..Filter::default()
        }
    }

    #[test]
    fn nothing_asked_for_matches_everything() {
        let filter = Filter::default();
        assert!(filter.is_empty());
        assert!(filter.means(&letter()));
    }

    #[test]
    fn a_part_of_the_error_is_enough() {
        let error = |text: &str| Filter {
            error: Some(text.to_owned()),
            ..Filter::default()
        };
        assert!(error("refused").means(&letter()));
        assert!(!error("timeout").means(&letter()));
        let mut silent = letter();
        silent.error = None;
        assert!(!error("").means(&silent));
    }

    #[test]
    fn values_are_compared_as_json_or_as_text() {
        for found in [
            "order.customer=7",
            "order.customer=7.0",
            "order.name=007",
            "order.name=\"007\"",
            "order.tags.1=big",
            "order.tags=[\"new\", \"big\"]",
        ] {
            assert!(with(&[found]).means(&letter()), "{found}");
        }
        for other in [
            "order.customer=8",
            "order.name=7",
            "order.tags.2=big",
            "order.tags.new=0",
            "customer=7",
            "order.customer.id=7",
        ] {
            assert!(!with(&[other]).means(&letter()), "{other}");
        }
    }

    #[test]
    fn all_conditions_must_match() {
        assert!(with(&["order.customer=7", "order.name=007"]).means(&letter()));
        assert!(!with(&["order.customer=7", "order.name=008"]).means(&letter()));
    }

    #[test]
    fn without_arguments_nobody_knows_whether_they_match() {
        let mut closed = letter();
        closed.args = None;
        let mut filter = with(&["order.customer=7"]);
        assert_eq!(filter.matches(&closed, NOW), None);
        closed.args = Some("no json".to_owned());
        assert_eq!(filter.matches(&closed, NOW), Some(false));
        // Something else is wrong with it already.
        closed.args = None;
        filter.error = Some("timeout".to_owned());
        assert_eq!(filter.matches(&closed, NOW), Some(false));
    }

    #[test]
    fn the_age_counts_from_the_death() {
        let older = |seconds| Filter {
            older: Some(Duration::from_secs(seconds)),
            ..Filter::default()
        };
        let newer = |seconds| Filter {
            newer: Some(Duration::from_secs(seconds)),
            ..Filter::default()
        };
        assert!(older(59).means(&letter()) && !older(61).means(&letter()));
        assert!(newer(61).means(&letter()) && !newer(59).means(&letter()));
        let mut alive = letter();
        alive.died_ms = None;
        assert!(!older(0).means(&alive) && !newer(100).means(&alive));
    }

    #[test]
    fn attempts_must_be_more() {
        let over = |attempts| Filter {
            attempts_over: Some(attempts),
            ..Filter::default()
        };
        assert!(over(4).means(&letter()) && !over(5).means(&letter()));
    }

    #[test]
    fn conditions_that_cannot_be_read_are_refused() {
        for bad in ["customer", "=7", "order..customer=7", ".=1"] {
            assert!(bad.parse::<Condition>().is_err(), "{bad}");
        }
        let condition: Condition = "a.b=c=d".parse().unwrap();
        assert_eq!((condition.path.len(), condition.text.as_str()), (2, "c=d"));
    }
}
