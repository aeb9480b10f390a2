//! Extension blocks: the room in which messages grow without a new version of the protocol. A block is entries of
//! `type: u8, length: u16, bytes`, little-endian, one after the other. Whoever does not know a type skips its entry.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The longest block of a call, tell or job, in bytes. Its length, two bytes in front of it, does not count.
pub(crate) const MAX_BLOCK: usize = 4 * 1024;
/// The type and the length in front of each entry, in bytes.
pub(crate) const ENTRY_HEADER: usize = 1 + 2;
/// The length in front of a block that does not reach to the end of its message.
const BLOCK_HEADER: usize = 2;

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBlock {
    #[error("an extension block ends in the middle of an entry")]
    Truncated,
    #[error("an extension block of {0} bytes is longer than {MAX_BLOCK}")]
    TooLong(usize),
}

/// Checks a block that nothing of is used: every entry must be whole.
pub(crate) fn check(mut block: &[u8]) -> Result<(), BadBlock> {
    while !block.is_empty() {
        next(&mut block)?;
    }
    Ok(())
}

/// Takes the first entry off a block that is not empty: its type and its bytes.
fn next<'a>(block: &mut &'a [u8]) -> Result<(u8, &'a [u8]), BadBlock> {
    if block.len() < ENTRY_HEADER {
        return Err(BadBlock::Truncated);
    }
    let kind = block.get_u8();
    let len = usize::from(block.get_u16_le());
    let (bytes, rest) = block.split_at_checked(len).ok_or(BadBlock::Truncated)?;
    *block = rest;
    Ok((kind, bytes))
}

/// Splits a payload into the block in front of it, which has a length, and the rest.
///
/// # Errors
/// If the block is too long, or not whole.
pub(crate) fn split(mut payload: Bytes) -> Result<(Bytes, Bytes), BadBlock> {
    let end = check_front(&payload)?;
    let rest = payload.split_off(end);
    payload.advance(BLOCK_HEADER);
    Ok((payload, rest))
}

/// Checks the block in front of a payload of which only the first part may be there. Returns where the block ends.
///
/// # Errors
/// If the block is too long, or not whole.
pub(crate) fn check_front(payload: &[u8]) -> Result<usize, BadBlock> {
    let mut rest = payload;
    let len = rest.try_get_u16_le().map_err(|_| BadBlock::Truncated)?;
    let len = usize::from(len);
    if len > MAX_BLOCK {
        return Err(BadBlock::TooLong(len));
    }
    check(rest.get(..len).ok_or(BadBlock::Truncated)?)?;
    Ok(BLOCK_HEADER + len)
}

/// The types of the entries of a call, tell or job.
pub(crate) mod kind {
    /// 16 bytes of trace id, 8 of span id, one of flags.
    pub(crate) const TRACE: u8 = 1;
    /// Encoded as a list of keys and values.
    pub(crate) const METADATA: u8 = 2;
}

/// The bytes of the first entry of that type. The block must be whole.
pub(crate) fn find(mut block: &[u8], kind: u8) -> Option<&[u8]> {
    while !block.is_empty() {
        let (found, bytes) = next(&mut block).ok()?;
        if found == kind {
            return Some(bytes);
        }
    }
    None
}

/// Appends the entries of `block` whose type this version does not know. `block` must be whole.
pub(crate) fn put_unknown(out: &mut BytesMut, mut block: &[u8]) {
    while let Ok((kind, bytes)) = next(&mut block) {
        if !matches!(kind, kind::TRACE | kind::METADATA) {
            put(out, kind, bytes);
        }
    }
}

/// Appends an entry of at most [`MAX_BLOCK`] to a block.
pub(crate) fn put(block: &mut BytesMut, kind: u8, bytes: &[u8]) {
    debug_assert!(
        bytes.len() <= MAX_BLOCK,
        "an entry is no longer than a block"
    );
    block.put_u8(kind);
    block.put_u16_le(bytes.len() as u16);
    block.put_slice(bytes);
}

/// The block of which [`check_front`] has found the end. `front` is everything up to there, or nothing.
pub(crate) fn front(front: &[u8]) -> &[u8] {
    front.get(BLOCK_HEADER..).unwrap_or_default()
}

/// Writes a block and its length in front of a payload.
///
/// # Errors
/// If the block is too long.
pub(crate) fn in_front_of(block: &[u8], payload: &[u8]) -> Result<Bytes, BadBlock> {
    let len = block.len();
    if len > MAX_BLOCK {
        return Err(BadBlock::TooLong(len));
    }
    let mut out = BytesMut::with_capacity(BLOCK_HEADER + len + payload.len());
    put_front(&mut out, block);
    out.put_slice(payload);
    Ok(out.freeze())
}

/// Writes the length of a block, and the block, of at most [`MAX_BLOCK`].
pub(crate) fn put_front(out: &mut BytesMut, block: &[u8]) {
    debug_assert!(block.len() <= MAX_BLOCK, "checked before");
    out.put_u16_le(block.len() as u16);
    out.put_slice(block);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two entries of types that no version knows: three bytes, and none.
    pub(crate) const UNKNOWN: &[u8] = b"\xfa\x03\0abc\xfb\0\0";

    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let in_front = in_front_of(UNKNOWN, b"args").unwrap();
        vec![
            ("extensions.unknown", UNKNOWN.to_vec()),
            ("extensions.in-front-of-args", in_front.to_vec()),
        ]
    }

    #[test]
    fn entries_of_unknown_types_are_skipped() {
        assert_eq!(check(UNKNOWN), Ok(()));
        assert_eq!(check(b""), Ok(()));
        let mut rest = UNKNOWN;
        assert_eq!(next(&mut rest), Ok((0xfa, &b"abc"[..])));
        assert_eq!(next(&mut rest), Ok((0xfb, &b""[..])));
        assert!(rest.is_empty());
    }

    #[test]
    fn an_entry_that_is_not_whole_is_an_error() {
        for end in 1..UNKNOWN.len() {
            let whole = end == 6;
            assert_eq!(check(&UNKNOWN[..end]).is_ok(), whole, "{end}");
        }
    }

    #[test]
    fn a_block_in_front_of_a_payload_is_split_off() {
        let payload = in_front_of(UNKNOWN, b"args").unwrap();
        let (block, rest) = split(payload.clone()).unwrap();
        assert_eq!((&block[..], &rest[..]), (UNKNOWN, &b"args"[..]));
        for end in 0..payload.len() - 4 {
            assert!(split(payload.slice(..end)).is_err(), "{end}");
        }
        let (block, rest) = split(in_front_of(b"", b"").unwrap()).unwrap();
        assert!(block.is_empty() && rest.is_empty());
    }

    #[test]
    fn a_block_has_at_most_four_kibibytes() {
        let entry = |len: usize| {
            let mut block = vec![0xfa];
            block.put_u16_le(len as u16);
            block.resize(ENTRY_HEADER + len, 0);
            block
        };
        let longest = entry(MAX_BLOCK - ENTRY_HEADER);
        let payload = in_front_of(&longest, b"").unwrap();
        assert_eq!(split(payload).unwrap().0.len(), MAX_BLOCK);
        let too_long = entry(MAX_BLOCK - ENTRY_HEADER + 1);
        let expected = BadBlock::TooLong(MAX_BLOCK + 1);
        assert_eq!(in_front_of(&too_long, b""), Err(expected));
        let mut payload = ((MAX_BLOCK + 1) as u16).to_le_bytes().to_vec();
        payload.extend_from_slice(&too_long);
        assert_eq!(split(payload.into()), Err(expected));
    }
}
