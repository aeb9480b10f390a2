//! How an event looks.

use mesh_runtime::operator::EventRecord;
use serde::Serialize;

use crate::{
    error::Result,
    fleet::full_name,
    output::{self, plain, time},
};

/// The width of the column with the source.
const SOURCE_WIDTH: usize = 24;
/// The width of the column with the kind.
const KIND_WIDTH: usize = 15;

/// An event with its source, or something about the connection with a source.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) at_ms: u64,
    /// `Type/instance`, or `master`.
    pub(super) source: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Line {
    pub(super) fn of(source: &str, event: &EventRecord) -> Self {
        Self {
            at_ms: event.at_ms,
            source: source.to_owned(),
            kind: event.kind.name().to_owned(),
            peer: event.peer.as_ref().map(full_name),
            addr: event.addr.clone(),
            reason: event.reason.clone(),
        }
    }

    /// Something about the connection with a source, seen from here.
    pub(super) fn here(source: &str, kind: &str, reason: Option<String>) -> Self {
        Self {
            at_ms: output::now_ms(),
            source: source.to_owned(),
            kind: kind.to_owned(),
            peer: None,
            addr: None,
            reason,
        }
    }

    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        if as_json {
            return output::json_line(self);
        }
        output::print_next(&self.text())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}  {:<SOURCE_WIDTH$}  {:<KIND_WIDTH$}",
            time(self.at_ms),
            plain(&self.source),
            plain(&self.kind).replace('_', " "),
        );
        for part in [&self.peer, &self.addr, &self.reason].into_iter().flatten() {
            text.push_str("  ");
            text.push_str(&plain(part));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(more: serde_json::Value) -> EventRecord {
        let mut event = json!({"number": 7, "at_ms": 1_500, "kind": "link_down"});
        let more = more.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(more);
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn an_event_is_one_line() {
        let event = event(json!({
            "peer": {"type": "Gateway", "instance": "g1"}, "addr": "10.0.0.1:7001",
            "reason": "it said\nbye\x1b[2J"
        }));
        assert_eq!(
            Line::of("Billing/b1", &event).text(),
            "1970-01-01T00:00:01.500Z  Billing/b1                link down        \
             Gateway/g1  10.0.0.1:7001  it said bye\u{fffd}[2J"
        );
    }

    #[test]
    fn what_an_event_does_not_have_is_left_out() {
        let line = Line::of("master", &event(json!({"kind": "node_up"})));
        assert!(line.text().ends_with("node up"));
        assert_eq!(
            serde_json::to_value(&line).unwrap(),
            json!({"at_ms": 1_500, "source": "master", "kind": "node_up"})
        );
        let later = Line::of("master", &event(json!({"kind": "of a later version"})));
        assert_eq!(later.kind, "other");
    }
}
