//! The text format of the parts of Engine.IO v4 and Socket.IO v5 that a mesh link uses: bytes in, packets out.
//!
//! Pure functions without I/O. This module must not know what a payload means.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;

use super::{EVENT, MAX_PAYLOAD_BYTES, TransportError};

/// The Socket.IO packet that asks for the namespace `/`.
pub(super) const CONNECT: &str = "40";
/// The Socket.IO packet that leaves the namespace `/`.
pub(super) const DISCONNECT: &str = "41";
/// The Engine.IO packet that answers a ping.
pub(super) const PONG: &str = "3";
/// The text that goes before a binary attachment.
pub(super) const BINARY_HEADER: &str = r#"451-["m",{"_placeholder":true,"num":0}]"#;

/// The start and the end of every payload in text form if the sender escapes nothing. For base64, this is always true
/// of `JSON.stringify`, `serde_json` and this file.
const TEXT_HEAD: &str = r#"["m",""#;
const TEXT_TAIL: &str = r#""]"#;

/// One parsed text message from a server.
#[derive(Debug, PartialEq)]
pub(super) enum Packet<'a> {
    /// Engine.IO `1`.
    Close,
    /// Engine.IO `2`.
    Ping,
    /// Engine.IO `6`: has no meaning.
    Noop,
    /// Socket.IO `40`: the namespace is joined.
    Connected,
    /// Socket.IO `41`: the namespace is left.
    Disconnect,
    /// Socket.IO `44`: the server refuses, with the JSON that says why.
    Refused(&'a str),
    /// Socket.IO `42`: an event, still as JSON.
    Event(&'a str),
    /// Socket.IO `451-`: an event whose attachment follows, still as JSON.
    BinaryEvent(&'a str),
}

/// Parses one text message from a server, after the open packet.
pub(super) fn parse_packet(text: &str) -> Result<Packet<'_>, TransportError> {
    let Some(kind) = text.as_bytes().first() else {
        return Err(TransportError::Malformed("an empty message"));
    };
    // A slice from 1 is in bounds and on a character boundary only if the first byte is ASCII.
    let rest = match kind {
        b'1' => return Ok(Packet::Close),
        b'2' => return Ok(Packet::Ping),
        b'6' => return Ok(Packet::Noop),
        b'4' => &text[1..],
        _ => return Err(TransportError::Malformed("an unknown Engine.IO packet")),
    };
    if let Some(json) = rest.strip_prefix('2') {
        return Ok(Packet::Event(json));
    }
    if let Some(more) = rest.strip_prefix('5') {
        return match more.strip_prefix("1-") {
            Some(json) => Ok(Packet::BinaryEvent(json)),
            None => Err(TransportError::Malformed(
                "a binary event without exactly one attachment",
            )),
        };
    }
    match rest.as_bytes().first() {
        Some(b'0') => Ok(Packet::Connected),
        Some(b'1') => Ok(Packet::Disconnect),
        Some(b'4') => Ok(Packet::Refused(&rest[1..])),
        _ => Err(TransportError::Malformed("an unknown Socket.IO packet")),
    }
}

/// The heartbeat settings of an open packet.
#[derive(Debug, PartialEq)]
pub(super) struct OpenPacket {
    /// How long the connection may stay silent before the server is considered dead.
    pub(super) silence: Duration,
}

/// The upper limit of [`OpenPacket::silence`]. With a limit, a dead server is always noticed, whatever heartbeat it has
/// announced.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// Parses the first message of a connection: `0{"sid":…,"pingInterval":…,"pingTimeout":…}`.
pub(super) fn parse_open(text: &str) -> Result<OpenPacket, TransportError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Json {
        ping_interval: u64,
        ping_timeout: u64,
    }
    let json = text
        .strip_prefix('0')
        .ok_or_else(|| TransportError::NotSocketIo("its first message is no open packet".into()))?;
    let open: Json = serde_json::from_str(json).map_err(|error| {
        TransportError::NotSocketIo(format!("its open packet cannot be read: {error}"))
    })?;
    let silence = Duration::from_millis(open.ping_interval.saturating_add(open.ping_timeout));
    Ok(OpenPacket {
        silence: silence.min(MAX_SILENCE),
    })
}

/// The text of a server that refuses a connection: the `message` in the packet's JSON, shortened.
pub(super) fn refusal_text(json: &str) -> String {
    #[derive(Deserialize)]
    struct ConnectError {
        message: String,
    }
    serde_json::from_str::<ConnectError>(json)
        .map(|refusal| refusal.message.chars().take(200).collect())
        .unwrap_or_else(|_| "no reason given".into())
}

/// Encodes a payload as base64 text: the argument of the event.
pub(super) fn payload_text(payload: &[u8]) -> String {
    BASE64.encode(payload)
}

/// The whole text message for a payload that is sent as text.
pub(super) fn text_message(payload: &[u8]) -> String {
    let mut text = String::with_capacity(
        2 + TEXT_HEAD.len() + payload.len().div_ceil(3) * 4 + TEXT_TAIL.len(),
    );
    text.push_str("42");
    text.push_str(TEXT_HEAD);
    BASE64.encode_string(payload, &mut text);
    text.push_str(TEXT_TAIL);
    text
}

/// The payload of an event. `json` is the array of name and arguments, `attachment` is the event's attachment, if any.
pub(super) fn payload(json: &str, attachment: Option<Bytes>) -> Result<Bytes, TransportError> {
    match attachment {
        Some(attachment) => {
            expect_placeholder(json)?;
            within_limit(attachment)
        }
        None => within_limit(Bytes::from(decode_text(json)?)),
    }
}

/// Refuses a payload that is too large. Used for payloads that arrived and for payloads that are about to be sent.
pub(super) fn within_limit(payload: Bytes) -> Result<Bytes, TransportError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(TransportError::TooLarge {
            bytes: payload.len(),
        });
    }
    Ok(payload)
}

/// Accepts `["m",{"_placeholder":true,"num":0}]` in any JSON spelling, and nothing else.
pub(super) fn expect_placeholder(json: &str) -> Result<(), TransportError> {
    #[derive(Deserialize)]
    struct Placeholder {
        _placeholder: bool,
        num: u64,
    }
    if json == &BINARY_HEADER[4..] {
        return Ok(());
    }
    match serde_json::from_str::<(String, Placeholder)>(json) {
        Ok((event, _)) if event != EVENT => Err(WRONG_EVENT),
        Ok((_, placeholder)) if placeholder._placeholder && placeholder.num == 0 => Ok(()),
        _ => Err(TransportError::Malformed(
            "the argument of a binary event is not its one attachment",
        )),
    }
}

/// The bytes of `["m","<base64>"]`.
fn decode_text(json: &str) -> Result<Vec<u8>, TransportError> {
    let plain = json
        .strip_prefix(TEXT_HEAD)
        .and_then(|rest| rest.strip_suffix(TEXT_TAIL));
    // The common spelling needs no JSON parser. If the text decodes as base64, it contains no escape or quote.
    if let Some(Ok(bytes)) = plain.map(|text| BASE64.decode(text)) {
        return Ok(bytes);
    }
    let (event, text): (String, String) = serde_json::from_str(json)
        .map_err(|_| TransportError::Malformed("an event must have one argument, a string"))?;
    if event != EVENT {
        return Err(WRONG_EVENT);
    }
    BASE64
        .decode(text)
        .map_err(|_| TransportError::Malformed("the argument is not padded standard base64"))
}

/// The error for an event that is not `m`.
pub(super) const WRONG_EVENT: TransportError =
    TransportError::Malformed("an event with another name than `m`");

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed<T: std::fmt::Debug>(result: Result<T, TransportError>) -> bool {
        matches!(result, Err(TransportError::Malformed(_)))
    }

    #[test]
    fn every_byte_survives_the_way_through_text() {
        for length in 0..600 {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
            let message = text_message(&bytes);
            let Ok(Packet::Event(json)) = parse_packet(&message) else {
                panic!("no event: {message}");
            };
            assert_eq!(payload(json, None).unwrap(), bytes);
        }
    }

    #[test]
    fn a_text_message_is_the_event_with_its_argument() {
        assert_eq!(text_message(b"hi?"), r#"42["m","aGk/"]"#);
    }

    #[test]
    fn json_may_be_spelt_with_blanks_and_escapes() {
        assert_eq!(payload(r#"[ "m" , "aGk\/" ]"#, None).unwrap(), "hi?");
        assert!(expect_placeholder(r#"["m", {"num": 0, "_placeholder": true}]"#).is_ok());
    }

    #[test]
    fn other_events_and_other_arguments_are_malformed() {
        for json in [
            "",
            "[]",
            "{}",
            r#"["m"]"#,
            r#"["m",1]"#,
            r#"["n","aGk/"]"#,
            r#"["m","aGk/","aGk/"]"#,
            r#"["m","aGk"]"#,
            r#"["m","a-_/"]"#,
            r#"["m","aGk/"]]"#,
            r#"["m",{"_placeholder":true,"num":0}]"#,
        ] {
            assert!(malformed(payload(json, None)), "{json}");
        }
        for json in [
            r#"["m","aGk/"]"#,
            r#"["n",{"_placeholder":true,"num":0}]"#,
            r#"["m",{"_placeholder":false,"num":0}]"#,
            r#"["m",{"_placeholder":true,"num":1}]"#,
        ] {
            assert!(malformed(payload(json, Some(Bytes::new()))), "{json}");
        }
    }

    #[test]
    fn packets_that_are_not_of_the_protocol_are_malformed() {
        for text in [
            "", "é", "4", "4é", "43[]", "5", "7", "b", "451", "45", "452-[]", "450-[]", "46", "47",
            "\u{1e}2",
        ] {
            assert!(malformed(parse_packet(text)), "{text}");
        }
    }

    #[test]
    fn a_payload_above_the_limit_is_too_large() {
        let large = Bytes::from(vec![0; MAX_PAYLOAD_BYTES + 1]);
        let got = payload(&BINARY_HEADER[4..], Some(large.clone()));
        assert!(matches!(got, Err(TransportError::TooLarge { .. })));
        let text = text_message(&large);
        let got = payload(&text[2..], None);
        assert!(matches!(got, Err(TransportError::TooLarge { .. })));
    }

    #[test]
    fn the_heartbeat_of_the_open_packet_is_taken_but_not_without_end() {
        let open = parse_open(r#"0{"sid":"a","upgrades":[],"pingInterval":200,"pingTimeout":50}"#);
        assert_eq!(open.unwrap().silence, Duration::from_millis(250));
        let long = format!(r#"0{{"pingInterval":{},"pingTimeout":9}}"#, u64::MAX);
        assert_eq!(parse_open(&long).unwrap().silence, MAX_SILENCE);
        for text in [
            "",
            "0",
            "0{}",
            "1{}",
            r#"0{"pingInterval":-1,"pingTimeout":5}"#,
        ] {
            let got = parse_open(text);
            assert!(matches!(got, Err(TransportError::NotSocketIo(_))), "{text}");
        }
    }
}
