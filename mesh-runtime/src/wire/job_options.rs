//! The options of a job, which a call to a queued command carries in front of the arguments. This module must not know
//! how an engine uses them.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::codec::{self, MAX_PAYLOAD};
use crate::error::CodecError;

/// The longest deduplication key, in bytes.
const MAX_KEY: usize = 256;
/// An upper bound on the encoded length of options, in bytes: the key, two numbers of at most 9 bytes, a length of 3
/// bytes and two tags of 1 byte.
const MAX_OPTIONS: usize = MAX_KEY + 32;

/// How to queue a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobOptions {
    /// When it may run.
    pub(crate) due: JobDue,
    /// A deduplication key, and for how many milliseconds it prevents further jobs with the same key.
    pub(crate) dedupe: Option<(String, u64)>,
}

/// When a job may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JobDue {
    /// As soon as its turn in the queue comes.
    #[default]
    Now,
    /// This many milliseconds after it was accepted.
    After(u64),
    /// At this time, in milliseconds since the Unix epoch.
    At(u64),
}

impl JobOptions {
    /// The payload of a call: the encoded options, followed by the unchanged arguments.
    pub(crate) fn in_front_of(&self, args: &[u8]) -> Result<Bytes, CodecError> {
        self.check().map_err(CodecError::Encode)?;
        let options = codec::encode(self, MAX_PAYLOAD)?;
        let size = options.len() + args.len();
        if size > MAX_PAYLOAD {
            return Err(CodecError::TooLarge {
                size,
                limit: MAX_PAYLOAD,
            });
        }
        let mut payload = BytesMut::with_capacity(size);
        payload.extend_from_slice(&options);
        payload.extend_from_slice(args);
        Ok(payload.freeze())
    }

    /// Splits a payload into the options and the arguments.
    pub(crate) fn split(payload: &[u8]) -> Result<(Self, &[u8]), CodecError> {
        // Only as many bytes as options can take are decoded, so that a false length cannot cause a large allocation.
        let head = &payload[..payload.len().min(MAX_OPTIONS)];
        let (options, rest): (Self, _) = codec::decode_prefix(head)?;
        options.check().map_err(CodecError::Decode)?;
        Ok((options, &payload[head.len() - rest.len()..]))
    }

    fn check(&self) -> Result<(), String> {
        match &self.dedupe {
            Some((key, _)) if key.is_empty() || key.len() > MAX_KEY => Err(format!(
                "a deduplication key has 1 to {MAX_KEY} bytes, and this one has {}",
                key.len()
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn keyed(key: impl Into<String>) -> JobOptions {
        JobOptions {
            due: JobDue::At(1_700_000_000_000),
            dedupe: Some((key.into(), 60_000)),
        }
    }

    /// Payloads with the arguments `("day",)`.
    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let args = codec::encode(&("day",), MAX_PAYLOAD).unwrap();
        let payload = |options: JobOptions| options.in_front_of(&args).unwrap().to_vec();
        let delayed = JobOptions {
            due: JobDue::After(1_500),
            dedupe: None,
        };
        vec![
            ("job.plain", payload(JobOptions::default())),
            ("job.delayed", payload(delayed)),
            ("job.at-with-key", payload(keyed("order-17"))),
        ]
    }

    #[test]
    fn options_come_back_with_the_arguments_as_they_were() {
        for options in [
            JobOptions::default(),
            keyed("k"),
            keyed("x".repeat(MAX_KEY)),
        ] {
            for args in [&b""[..], b"arguments", &[7; 2 * MAX_OPTIONS]] {
                let payload = options.in_front_of(args).unwrap();
                assert_eq!(JobOptions::split(&payload), Ok((options.clone(), args)));
            }
        }
    }

    #[test]
    fn a_plain_job_takes_two_bytes_more() {
        let payload = JobOptions::default().in_front_of(b"x").unwrap();
        assert_eq!(payload[..], *b"\0\0x");
    }

    #[test]
    fn a_key_that_is_empty_or_too_long_is_refused_on_both_sides() {
        for options in [keyed(""), keyed("x".repeat(MAX_KEY + 1))] {
            let error = options.in_front_of(b"").unwrap_err();
            assert!(
                error.to_string().contains("1 to 256 bytes"),
                "what a user reads: {error}"
            );
            let payload = codec::encode(&options, MAX_PAYLOAD).unwrap();
            let error = JobOptions::split(&payload).unwrap_err();
            assert!(matches!(error, CodecError::Decode(_)), "{error:?}");
        }
    }

    #[test]
    fn what_is_no_options_is_refused() {
        let payload = keyed("k").in_front_of(b"").unwrap();
        for len in 0..payload.len() {
            assert!(JobOptions::split(&payload[..len]).is_err(), "{len}");
        }
        assert!(JobOptions::split(b"\x03\0").is_err(), "no such due");
    }

    #[test]
    fn arguments_that_fill_a_payload_leave_no_room_for_the_options() {
        let error = JobOptions::default().in_front_of(&vec![0; MAX_PAYLOAD]);
        let size = MAX_PAYLOAD + 2;
        let limit = MAX_PAYLOAD;
        assert_eq!(error, Err(CodecError::TooLarge { size, limit }));
    }
}
