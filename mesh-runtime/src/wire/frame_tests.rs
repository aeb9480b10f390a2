//! Tests of the encoding of frames, in a file of their own to keep `frame.rs` readable.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::wire::{
    extensions::{BadBlock, tests::UNKNOWN},
    status::FailureCode,
};

fn failed(call: u64, code: FailureCode, text: &str) -> Frame {
    Frame::Reply {
        call,
        status: Status::Failed(code),
        part: FirstPart::whole(failure_text(text)),
    }
}

fn part(payload: &'static [u8]) -> FirstPart {
    FirstPart::whole(Bytes::from_static(payload))
}

fn extended(block: &[u8], args: &[u8]) -> FirstPart {
    FirstPart {
        extended: true,
        ..FirstPart::whole(extensions::in_front_of(block, args).unwrap())
    }
}

/// One frame of each kind, and of each form that matters.
pub(crate) fn samples() -> Vec<Frame> {
    vec![
        Frame::Call {
            call: 1,
            command: 0x0102_0304,
            deadline_ms: 3000,
            part: part(b"argument"),
        },
        Frame::Call {
            call: 2,
            command: 5,
            deadline_ms: 0,
            part: FirstPart {
                total: 100_000,
                more: true,
                extended: false,
                payload: Bytes::from(vec![7; MAX_CHUNK]),
            },
        },
        Frame::Call {
            call: 3,
            command: 5,
            deadline_ms: 3000,
            part: extended(UNKNOWN, b"argument"),
        },
        Frame::Reply {
            call: u64::MAX,
            status: Status::Ok,
            part: part(b""),
        },
        failed(3, FailureCode::HandlerPanicked, "index out of bounds"),
        Frame::Reply {
            call: 3,
            status: Status::Refused,
            part: part(b"\x91\x01\0\0no such tenant"),
        },
        Frame::Tell {
            tell: 4,
            command: 6,
            part: part(b"sale"),
        },
        Frame::Chunk {
            stream: PayloadKind::Reply,
            id: 9,
            more: true,
            payload: Bytes::from_static(b"and so on"),
        },
        Frame::Cancel { call: 10 },
        Frame::Credit {
            calls: 2,
            bytes: 1 << 40,
        },
        Frame::Ping { token: 11 },
        Frame::Pong { token: 12 },
        Frame::goodbye(CloseCode::Replaced, "a newer node is here"),
        Frame::Confirm {
            calls: 16_384,
            bytes: 64 << 20,
        },
        Frame::Control {
            payload: Bytes::from_static(b"\x01\x02"),
        },
        Frame::Draining,
    ]
}

/// The frames of the protocol's test vectors.
pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let name = |frame: &Frame| match frame {
        Frame::Call { part, .. } if part.extended => "frame.call.extended",
        Frame::Call { .. } => "frame.call",
        Frame::Reply {
            status: Status::Ok, ..
        } => "frame.reply",
        Frame::Reply {
            status: Status::Refused,
            ..
        } => "frame.reply.refused",
        Frame::Reply { .. } => "frame.reply.failed",
        Frame::Tell { .. } => "frame.tell",
        Frame::Chunk { .. } => "frame.chunk",
        Frame::Cancel { .. } => "frame.cancel",
        Frame::Credit { .. } => "frame.credit",
        Frame::Ping { .. } => "frame.ping",
        Frame::Pong { .. } => "frame.pong",
        Frame::Goodbye { .. } => "frame.goodbye",
        Frame::Confirm { .. } => "frame.confirm",
        Frame::Control { .. } => "frame.control",
        Frame::Draining => "frame.draining",
    };
    let short = samples()
        .into_iter()
        .filter(|frame| frame.encoded_len() < 100);
    short
        .map(|frame| (name(&frame), encoded(&frame).to_vec()))
        .collect()
}

fn encoded(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.encode_into(&mut out);
    out.freeze()
}

fn decoded(bytes: &[u8]) -> Vec<Result<Frame, FrameError>> {
    Frames::new(Bytes::copy_from_slice(bytes)).collect()
}

/// The bytes of a frame with this kind and body.
fn raw(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn error_of(bytes: &[u8]) -> FrameError {
    let mut frames = decoded(bytes);
    assert_eq!(frames.len(), 1);
    frames.remove(0).unwrap_err()
}

#[test]
fn every_kind_of_frame_comes_back_in_order() {
    let mut out = BytesMut::new();
    for frame in samples() {
        let before = out.len();
        frame.encode_into(&mut out);
        assert_eq!(out.len() - before, frame.encoded_len(), "{frame:?}");
    }
    let frames: Result<Vec<_>, _> = Frames::new(out.freeze()).collect();
    assert_eq!(frames.unwrap(), samples());
}

#[test]
fn payloads_are_slices_of_the_envelope() {
    let bytes = encoded(&samples()[0]);
    let range = bytes.as_ptr_range();
    let Some(Ok(Frame::Call { part, .. })) = Frames::new(bytes).next() else {
        panic!("a call was encoded");
    };
    assert!(range.contains(&part.payload.as_ptr()));
}

#[test]
fn a_payload_splits_into_a_first_part_and_a_rest() {
    for (len, first, rest) in [
        (0, 0, 0),
        (MAX_CHUNK, MAX_CHUNK, 0),
        (MAX_CHUNK + 1, MAX_CHUNK, 1),
    ] {
        let mut part = FirstPart::whole(Bytes::from(vec![1; len]));
        let left = part.split_off_rest(MAX_CHUNK);
        assert_eq!((part.total as usize, part.payload.len()), (len, first));
        assert_eq!((part.more, left.len()), (rest > 0, rest));
    }
}

#[test]
fn every_cut_of_every_frame_is_an_error_and_ends_the_envelope() {
    for frame in samples() {
        let bytes = encoded(&frame);
        for len in (1..bytes.len()).take(64).chain([bytes.len() - 1]) {
            assert_eq!(error_of(&bytes[..len]), FrameError::Truncated, "{frame:?}");
        }
    }
}

#[test]
fn a_body_that_is_too_short_or_too_long_for_its_kind_is_an_error() {
    for kind in [kind::CANCEL, kind::PING, kind::PONG] {
        assert_eq!(error_of(&raw(kind, &[&[0; 7]])), FrameError::Truncated);
        assert_eq!(
            error_of(&raw(kind, &[&[0; 9]])),
            FrameError::Trailing { kind, left: 1 }
        );
    }
    for kind in [kind::CREDIT, kind::CONFIRM] {
        assert_eq!(error_of(&raw(kind, &[&[0; 11]])), FrameError::Truncated);
        assert_eq!(
            error_of(&raw(kind, &[&[0; 13]])),
            FrameError::Trailing { kind, left: 1 }
        );
    }
    assert_eq!(
        error_of(&raw(kind::DRAINING, &[b"x"])),
        FrameError::Trailing { kind: 12, left: 1 }
    );
}

#[test]
fn unknown_kinds_statuses_streams_and_flags_are_errors() {
    assert_eq!(error_of(&raw(0, &[])), FrameError::UnknownKind(0));
    assert_eq!(error_of(&raw(13, &[])), FrameError::UnknownKind(13));
    let reply = |status: u8| raw(kind::REPLY, &[&[0; 8], &[status], &[0; 5]]);
    assert_eq!(error_of(&reply(13)), FrameError::UnknownStatus(13));
    let chunk = |stream: u8, flags: u8| raw(kind::CHUNK, &[&[stream], &[0; 8], &[flags], b"x"]);
    assert_eq!(error_of(&chunk(0, 0)), FrameError::UnknownStream(0));
    assert_eq!(error_of(&chunk(4, 0)), FrameError::UnknownStream(4));
    assert_eq!(error_of(&chunk(1, 2)), FrameError::BadFlags(2));
    let extended_reply = raw(
        kind::REPLY,
        &[&[0; 8], &[0], &2_u32.to_le_bytes(), &[2], &[0; 2]],
    );
    assert_eq!(error_of(&extended_reply), FrameError::BadFlags(2));
}

#[test]
fn an_extension_block_must_be_whole_and_in_the_first_part() {
    let call = |payload: &[u8], total: usize, flags: u8| {
        let total = (total as u32).to_le_bytes();
        raw(kind::CALL, &[&[0; 16], &total, &[flags], payload])
    };
    let truncated = FrameError::Extensions(BadBlock::Truncated);
    // The block is 9 bytes long, and only 4 of them are here.
    assert_eq!(error_of(&call(b"\x09\0\xfa\x03\0a", 20, 3)), truncated);
    // An entry reaches beyond its block.
    assert_eq!(error_of(&call(b"\x04\0\xfa\x03\0abc", 8, 2)), truncated);
    assert_eq!(error_of(&call(b"\0", 1, 2)), truncated);
    let too_long = FrameError::Extensions(BadBlock::TooLong(4097));
    assert_eq!(error_of(&call(&[1, 16, 0], 3, 2)), too_long);
    assert_eq!(error_of(&call(b"x", 1, 4)), FrameError::BadFlags(4));
}

#[test]
fn a_refusal_has_a_number_in_front_of_its_text() {
    let reply = |payload: &[u8]| {
        let total = (payload.len() as u32).to_le_bytes();
        raw(kind::REPLY, &[&[0; 8], &[11], &total, &[0], payload])
    };
    assert_eq!(error_of(&reply(b"\0\0\0")), FrameError::Truncated);
    assert_eq!(error_of(&reply(b"\0\0\0\0\xff")), FrameError::NotUtf8);
    assert!(decoded(&reply(b"\0\0\0\0"))[0].is_ok());
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let tell = |total: u32, flags: u8, payload: &[u8]| {
        error_of(&raw(
            kind::TELL,
            &[&[0; 12], &total.to_le_bytes(), &[flags], payload],
        ))
    };
    assert_eq!(
        tell(2, 0, b"x"),
        FrameError::WrongTotal { total: 2, len: 1 }
    );
    assert_eq!(
        tell(1, 1, b"x"),
        FrameError::WrongTotal { total: 1, len: 1 }
    );
    assert_eq!(tell(1, 1, b""), FrameError::WrongTotal { total: 1, len: 0 });
    let over = MAX_PAYLOAD as u32 + 1;
    assert_eq!(
        tell(over, 1, b"x"),
        FrameError::LongPayload(MAX_PAYLOAD + 1)
    );
    let long = vec![0; MAX_CHUNK + 1];
    assert_eq!(
        tell(long.len() as u32, 0, &long),
        FrameError::LongChunk(MAX_CHUNK + 1)
    );
    assert_eq!(
        error_of(&raw(kind::CONTROL, &[&long])),
        FrameError::LongChunk(MAX_CHUNK + 1)
    );
    assert_eq!(
        error_of(&raw(kind::CHUNK, &[&[1], &[0; 8], &[0]])),
        FrameError::EmptyChunk
    );
}

#[test]
fn texts_are_short_and_utf8() {
    let failure = |text: &[u8]| {
        let total = (text.len() as u32).to_le_bytes();
        error_of(&raw(kind::REPLY, &[&[0; 8], &[1], &total, &[0], text]))
    };
    assert_eq!(failure(&[0xff]), FrameError::NotUtf8);
    assert_eq!(
        failure(&[b'x'; MAX_TEXT + 1]),
        FrameError::LongText(MAX_TEXT + 1)
    );
    assert_eq!(
        error_of(&raw(kind::GOODBYE, &[&[1], &[0xff]])),
        FrameError::NotUtf8
    );
    assert_eq!(
        error_of(&raw(kind::GOODBYE, &[&[1], &[b'x'; MAX_TEXT + 1]])),
        FrameError::LongText(MAX_TEXT + 1)
    );
}

#[test]
fn a_text_that_is_too_long_is_cut_between_characters() {
    let text = "ä".repeat(MAX_TEXT);
    let Frame::Reply { part, .. } = failed(1, FailureCode::Codec, &text[..]) else {
        panic!("a failure is a reply");
    };
    assert_eq!(part.payload, "ä".repeat(MAX_TEXT / 2).as_bytes());
    let odd = format!("x{text}");
    let Frame::Goodbye { text, .. } = Frame::goodbye(CloseCode::Silent, &odd) else {
        panic!("a goodbye is a goodbye");
    };
    assert_eq!(text.len(), MAX_TEXT - 1);
}

#[test]
fn codes_are_stable() {
    assert_eq!(Status::Ok.code(), 0);
    assert_eq!(Status::Failed(FailureCode::Denied).code(), 1);
    assert_eq!(Status::Failed(FailureCode::ShuttingDown).code(), 10);
    assert_eq!(Status::Refused.code(), 11);
    assert_eq!(Status::Failed(FailureCode::SharedQueueFull).code(), 12);
    for code in 0..=12 {
        assert_eq!(Status::from_code(code).map(Status::code), Some(code));
    }
    assert_eq!(Status::from_code(13), None);
    for code in 0..=u8::MAX {
        assert_eq!(CloseCode::from_code(code).code(), code);
    }
}

#[test]
fn garbage_never_panics_and_what_decodes_encodes_to_the_same_bytes() {
    let mut rng = StdRng::seed_from_u64(1);
    for round in 0..20_000 {
        let mut bytes: Vec<u8>;
        if round % 2 == 0 {
            bytes = (0..rng.random_range(0..80)).map(|_| rng.random()).collect();
            if let Some(kind) = bytes.first_mut() {
                *kind %= 14;
            }
            if let Some(len) = bytes.get_mut(1..5) {
                len.copy_from_slice(&rng.random_range(0..80_u32).to_le_bytes());
            }
        } else {
            let samples = samples();
            bytes = encoded(&samples[rng.random_range(0..samples.len())]).to_vec();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len().min(40));
                bytes[at] = rng.random();
            }
        }
        let mut again = BytesMut::new();
        let mut failed = false;
        for frame in Frames::new(Bytes::copy_from_slice(&bytes)) {
            assert!(!failed, "nothing comes after an error");
            match frame {
                Ok(frame) => frame.encode_into(&mut again),
                Err(_) => failed = true,
            }
        }
        assert!(bytes.starts_with(&again));
        assert!(failed || again.len() == bytes.len());
    }
}
