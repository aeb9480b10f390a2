//! What an engine keeps as the payload of a job, within the seal: under which declaration of the command the arguments were
//! encoded, and the arguments. So a job never reaches a handler that was declared otherwise.
//!
//! A body is `fingerprint: u64, version: u32, flags: u8, arguments`, numbers little-endian. If bit 0 of the flags is set, an
//! extension block and its length are in front of the arguments.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::extensions;

/// Everything in front of the arguments.
const HEADER_BYTES: usize = 8 + 4 + 1;
/// The flag of an extension block.
const EXTENDED: u8 = 1;

/// How a command is declared, as far as its jobs depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Declaration {
    /// [`CommandSpec::wire_fingerprint`](crate::schema::CommandSpec::wire_fingerprint). Covers the version.
    pub(crate) fingerprint: u64,
    /// `#[version]`, for people.
    pub(crate) version: u32,
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "version {}, fingerprint {:#018x}",
            self.version, self.fingerprint
        )
    }
}

/// What is in a body besides the declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JobArgs {
    /// The extension block of the call that queued the job. It is whole; empty if there is none.
    pub(crate) block: Bytes,
    pub(crate) args: Bytes,
}

/// The body of a job. The extension block is at most [`extensions::MAX_BLOCK`] long.
pub(super) fn encode(declaration: Declaration, block: &[u8], args: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(HEADER_BYTES + 2 + block.len() + args.len());
    body.put_u64_le(declaration.fingerprint);
    body.put_u32_le(declaration.version);
    if block.is_empty() {
        body.put_u8(0);
    } else {
        body.put_u8(EXTENDED);
        extensions::put_front(&mut body, block);
    }
    body.put_slice(args);
    body.freeze()
}

/// Under which declaration a job was queued, and what else is in its body.
///
/// # Errors
/// Why it cannot be read, for people.
pub(super) fn decode(mut body: Bytes) -> Result<(Declaration, JobArgs), String> {
    if body.len() < HEADER_BYTES {
        return Err("it is too short to be a job".into());
    }
    let declaration = Declaration {
        fingerprint: body.get_u64_le(),
        version: body.get_u32_le(),
    };
    match body.get_u8() {
        0 => {
            let (block, args) = (Bytes::new(), body);
            Ok((declaration, JobArgs { block, args }))
        }
        EXTENDED => match extensions::split(body) {
            Ok((block, args)) => Ok((declaration, JobArgs { block, args })),
            Err(error) => Err(error.to_string()),
        },
        flags => Err(format!(
            "it was queued by a later version of mesh-runtime: unknown flags {flags:#04x}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARATION: Declaration = Declaration {
        fingerprint: 0x0102_0304_0506_0708,
        version: 3,
    };

    #[test]
    fn a_body_is_read_as_it_was_written() {
        let body = encode(DECLARATION, b"", b"args");
        assert_eq!(
            &body[..],
            b"\x08\x07\x06\x05\x04\x03\x02\x01\x03\0\0\0\0args"
        );
        let (declaration, read) = decode(body).unwrap();
        assert_eq!(declaration, DECLARATION);
        assert_eq!((&read.block[..], &read.args[..]), (&b""[..], &b"args"[..]));
    }

    #[test]
    fn an_extension_block_is_kept_whatever_is_in_it() {
        let block = extensions::tests::UNKNOWN;
        let mut body = encode(DECLARATION, block, b"args").to_vec();
        assert_eq!(body[HEADER_BYTES - 1], EXTENDED);
        let (declaration, read) = decode(body.clone().into()).unwrap();
        assert_eq!(declaration, DECLARATION);
        assert_eq!((&read.block[..], &read.args[..]), (block, &b"args"[..]));
        body.truncate(HEADER_BYTES + 4);
        assert!(decode(body.into()).is_err());
    }

    #[test]
    fn what_is_no_body_is_an_error() {
        let body = encode(DECLARATION, b"", b"");
        for end in 0..body.len() {
            assert!(decode(body.slice(..end)).is_err(), "{end}");
        }
        let mut unknown = body.to_vec();
        unknown[HEADER_BYTES - 1] = 2;
        assert!(
            decode(unknown.into())
                .unwrap_err()
                .contains("later version")
        );
    }
}
