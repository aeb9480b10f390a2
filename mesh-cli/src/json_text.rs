//! JSON for people. It is never read and written again, so numbers and the order of fields stay as they are.

use std::{fmt::Write, iter::Peekable, str::Chars};

use crate::output::is_obeyed;

/// Deeper levels are indented as this one.
const MAX_INDENTED: usize = 32;

/// JSON on one line, without characters that a terminal would obey: in texts, which are the only place for them, they are
/// written as escapes.
pub(crate) fn line(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        if is_obeyed(char) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(char));
        } else {
            out.push(char);
        }
    }
    out
}

/// JSON that has no blanks, indented by two spaces for each level, and without characters that a terminal would obey.
pub(crate) fn pretty(json: &str) -> String {
    let json = line(json);
    let mut out = String::with_capacity(json.len() * 2);
    let mut chars = json.chars().peekable();
    let mut level = 0_usize;
    while let Some(char) = chars.next() {
        match char {
            '"' => text(&mut chars, &mut out),
            '{' | '[' => {
                out.push(char);
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => out.push(close),
                    None => {
                        level += 1;
                        new_line(&mut out, level);
                    }
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                new_line(&mut out, level);
                out.push(char);
            }
            ',' => {
                out.push(char);
                new_line(&mut out, level);
            }
            ':' => out.push_str(": "),
            char => out.push(char),
        }
    }
    out
}

/// Copies a text up to its end.
fn text(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('"');
    while let Some(char) = chars.next() {
        out.push(char);
        match char {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

fn new_line(out: &mut String, level: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", level.min(MAX_INDENTED)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_in_its_own_order() {
        let json =
            r#"{"b":1,"a":[],"c":{},"d":[{"x":"1, {\"2\": \\"},12345678901234567890],"e":-1.50}"#;
        let text = r#"{
  "b": 1,
  "a": [],
  "c": {},
  "d": [
    {
      "x": "1, {\"2\": \\"
    },
    12345678901234567890
  ],
  "e": -1.50
}"#;
        assert_eq!(pretty(json), text);
        assert_eq!(pretty("null"), "null");
    }

    #[test]
    fn control_characters_are_written_as_escapes() {
        let json = "[\"a\u{9b}31m\u{202e}\"]";
        assert_eq!(line(json), r#"["a\u009b31m\u202e"]"#);
        assert_eq!(pretty(json), "[\n  \"a\\u009b31m\\u202e\"\n]");
    }

    #[test]
    fn what_is_not_json_does_no_harm() {
        for wrong in ["", "]]]]", "\"", "\"\\", "[[[", "{:,"] {
            pretty(wrong);
        }
    }
}
