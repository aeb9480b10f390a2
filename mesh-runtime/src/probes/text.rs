//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

/// A text that is being written.
#[derive(Default)]
pub(super) struct Text(String);

/// What a metric counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Text {
    /// Begins a metric. Its samples follow.
    pub(super) fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.0.push_str(name);
        if !labels.is_empty() {
            self.0.push('{');
            for (place, (label, value)) in labels.iter().enumerate() {
                if place > 0 {
                    self.0.push(',');
                }
                self.0.push_str(label);
                self.0.push_str("=\"");
                self.escaped(value);
                self.0.push('"');
            }
            self.0.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn escaped(&mut self, value: &str) {
        for char in value.chars() {
            match char {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                char => self.0.push(char),
            }
        }
    }

    fn line(&mut self, line: impl Display) {
        // Writing into a text does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_metric_and_values_are_escaped() {
        let mut text = Text::default();
        text.metric("a_total", Kind::Counter, "What it is.");
        text.sample("a_total", &[("x", "a\"b\\c\nd"), ("y", "ö")], 7);
        text.sample("a_total", &[], 0.5);
        let expected = "# HELP a_total What it is.\n# TYPE a_total counter\n\
                        a_total{x=\"a\\\"b\\\\c\\nd\",y=\"ö\"} 7\na_total 0.5\n";
        assert_eq!(text.finish(), expected);
    }
}
