//! How jobs look.

use mesh_runtime::operator::{JobView, JobsIn, OperatorError};
use serde_json::Value;

use crate::{
    error::chain,
    output::{ago, note, plain, some, time},
};

/// The longest error or arguments in a list, in characters. `mesh jobs show` has all of them.
const LONGEST: usize = 1000;

/// Tells that an instance, or Redis, could not be asked.
pub(super) fn failed(name: &str, error: &OperatorError) {
    note(&format!("warning: {name}: {}", chain(error)));
}

/// So many dead letters.
pub(super) fn letters(number: u64) -> String {
    some(number, "dead letter", "dead letters")
}

/// Where a job is.
pub(super) fn state(jobs_in: JobsIn) -> &'static str {
    match jobs_in {
        JobsIn::Waiting => "waiting",
        JobsIn::Delayed => "delayed",
        JobsIn::Running => "running",
        JobsIn::Dead => "dead",
        _ => "elsewhere",
    }
}

/// The beginning of a text in one line.
pub(super) fn clip(text: &str, longest: usize) -> String {
    if text.chars().nth(longest).is_none() {
        return plain(text);
    }
    let beginning: String = text.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", plain(&beginning))
}

/// The arguments, or why there are none, in one line.
pub(super) fn args(job: &JobView, longest: usize) -> String {
    match (&job.args, &job.args_error) {
        (Some(args), _) => clip(args, longest),
        (None, Some(why)) => format!("({})", clip(why, longest)),
        (None, None) => String::new(),
    }
}

/// A dead letter in a list.
pub(super) fn letter(letter: &JobView, now_ms: u64) -> String {
    let mut text = plain(&letter.job);
    if let Some(died_ms) = letter.died_ms {
        text.push_str(&format!("  died {}", ago(died_ms, now_ms)));
    }
    match letter.attempts {
        1 => text.push_str("  after 1 attempt"),
        number => text.push_str(&format!("  after {number} attempts")),
    }
    if let Some(instance) = &letter.instance {
        text.push_str(&format!("  on {}", plain(instance)));
    }
    let error = clip(letter.error.as_deref().unwrap_or_default(), LONGEST);
    text.push_str(&format!("\n    error  {error}"));
    text.push_str(&format!("\n    args   {}\n", args(letter, LONGEST)));
    text
}

/// Everything about a job.
pub(super) fn everything(job: &JobView, now_ms: u64) -> String {
    let time = |at_ms: u64| format!("{} ({})", time(at_ms), ago(at_ms, now_ms));
    let lines = [
        ("job", Some(plain(&job.job))),
        ("state", Some(state(job.jobs_in).to_owned())),
        ("instance", job.instance.as_deref().map(plain)),
        ("attempts", Some(job.attempts.to_string())),
        ("queued", Some(time(job.enqueued_ms))),
        ("due", job.due_ms.map(time)),
        ("died", job.died_ms.map(time)),
        ("error", job.error.as_deref().map(indented)),
        ("args", Some(all_args(job))),
    ];
    let lines = lines
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name:<10}{}\n", text?)));
    lines.collect()
}

fn all_args(job: &JobView) -> String {
    match (&job.args, &job.args_error) {
        (Some(args), _) => indented(&pretty(args)),
        (None, why) => format!("(none: {})", plain(why.as_deref().unwrap_or("not told"))),
    }
}

/// JSON in several lines. What is no JSON stays as it is.
fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<Value>(json);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    text.unwrap_or_else(|_| json.to_owned())
}

/// Several lines below each other, behind the name of what they are.
fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(plain).collect();
    lines.join("\n          ")
}

/// A job as JSON, where the arguments are no text but a value.
pub(super) fn json(job: &JobView) -> Value {
    let mut value = serde_json::to_value(job).unwrap_or_default();
    let args = job.args.as_deref().map(serde_json::from_str::<Value>);
    if let (Some(Ok(args)), Some(entries)) = (args, value.as_object_mut()) {
        entries.insert("args".to_owned(), args);
    }
    value
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A dead letter that died 90 s after 1970 began.
    pub(crate) fn dead(job: &str) -> JobView {
        let letter = json!({
            "job": job, "in": "dead", "attempts": 5, "enqueued_ms": 30_000, "died_ms": 90_000,
            "error": "card refused\nby the\x1b[2J bank", "args": "{\"order\":{\"customer\":7}}"
        });
        serde_json::from_value(letter).unwrap()
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(clip("größe", 5), "größe");
        assert_eq!(clip("größer", 5), "größ…");
        assert_eq!(clip("a\nb", 5), "a b");
    }

    #[test]
    fn one_letter_is_not_many() {
        assert_eq!(letters(1), "1 dead letter");
        assert_eq!(letters(1_200), "1,200 dead letters");
    }

    #[test]
    fn a_dead_letter_has_its_error_and_arguments() {
        let text = letter(&dead("a-1"), 150_000);
        assert_eq!(
            text,
            "a-1  died 1m ago  after 5 attempts\n    \
             error  card refused by the\u{fffd}[2J bank\n    \
             args   {\"order\":{\"customer\":7}}\n"
        );
    }

    #[test]
    fn everything_is_shown_of_one_job() {
        let text = everything(&dead("a-1"), 150_000);
        assert!(text.contains("job       a-1\n"), "{text}");
        assert!(
            text.contains("died      1970-01-01T00:01:30.000Z (1m ago)\n"),
            "{text}"
        );
        assert!(
            text.contains("error     card refused\n          by the"),
            "{text}"
        );
        assert!(text.contains("            \"order\": {\n"), "{text}");
        assert!(!text.contains("instance"), "{text}");
    }

    #[test]
    fn a_job_may_have_no_arguments() {
        let mut closed = dead("a-1");
        closed.args = None;
        let text = everything(&closed, 150_000);
        assert!(text.contains("(none: not told)"), "{text}");
    }

    #[test]
    fn arguments_are_values_in_json() {
        let value = super::json(&dead("a-1"));
        assert_eq!(value["args"]["order"]["customer"], 7);
        assert_eq!(value["in"], "dead");
    }
}
