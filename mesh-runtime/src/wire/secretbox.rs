//! XSalsa20-Poly1305 in the layout of NaCl's secretbox: the tag, then the sealed bytes. This is the only module that
//! names the crate that implements it. It must not know where nonces come from, nor what is sealed.

use bytes::BytesMut;
use dryoc::classic::crypto_secretbox::{crypto_secretbox_detached, crypto_secretbox_open_detached};
use zeroize::Zeroizing;

/// Length of the tag in front of the sealed bytes, in bytes.
pub(crate) const TAG: usize = 16;

/// Length of a key, in bytes.
pub(crate) const KEY: usize = 32;

/// A number that must be used only once with the same key.
pub(crate) type Nonce = [u8; 24];

/// One key. Its memory is wiped when it is dropped.
pub(crate) struct SecretBox(Zeroizing<[u8; KEY]>);

impl SecretBox {
    pub(crate) fn new(key: &Zeroizing<[u8; KEY]>) -> Self {
        Self(key.clone())
    }

    /// Appends the tag and the sealed bytes to `out`. `None` if the cipher refuses, which it does above 256 GiB.
    #[must_use]
    pub(crate) fn seal(&self, nonce: &Nonce, plain: &[u8], out: &mut BytesMut) -> Option<()> {
        let from = out.len();
        out.resize(from + TAG + plain.len(), 0);
        let (tag, sealed) = out[from..].split_first_chunk_mut()?;
        crypto_secretbox_detached(sealed, tag, plain, nonce, &self.0).ok()
    }

    /// Opens `sealed` and returns the plaintext. `None` if it was not sealed with this key and nonce, or was changed
    /// since; nothing is decrypted then.
    pub(crate) fn open(&self, nonce: &Nonce, sealed: &[u8]) -> Option<BytesMut> {
        let (tag, sealed) = sealed.split_first_chunk()?;
        let mut plain = BytesMut::zeroed(sealed.len());
        crypto_secretbox_open_detached(&mut plain, sealed, tag, nonce, &self.0).ok()?;
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use xsalsa20poly1305::{AeadInPlace, KeyInit, Tag, XSalsa20Poly1305};

    use super::*;

    /// Seals with an independent implementation.
    fn reference(key: &[u8; KEY], nonce: &Nonce, plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        let tag = XSalsa20Poly1305::new(key.into())
            .encrypt_in_place_detached(nonce.into(), b"", &mut sealed)
            .unwrap();
        [&tag[..], &sealed].concat()
    }

    /// Every length up to a few blocks of the widest SIMD vectors, and lengths around the sizes of chunks and
    /// envelopes. This covers each code path that the implementation may take for the start, the middle and the
    /// remainder.
    fn lengths() -> impl Iterator<Item = usize> {
        let around = |size: usize| size - 2..size + 3;
        (0..2100)
            .chain(around(4096))
            .chain(around(16 * 1024))
            .chain(around(64 * 1024))
            .chain(around(256 * 1024))
    }

    #[test]
    fn an_independent_implementation_seals_and_opens_the_same() {
        for len in lengths() {
            let key: [u8; KEY] = rand::random();
            let nonce: Nonce = rand::random();
            let plain: Vec<u8> = (0..len).map(|_| rand::random()).collect();
            let ours = SecretBox::new(&Zeroizing::new(key));
            let mut sealed = BytesMut::from(&b"head"[..]);
            ours.seal(&nonce, &plain, &mut sealed).unwrap();
            assert_eq!(&sealed[..4], b"head");
            let sealed = &mut sealed[4..];
            assert!(sealed == reference(&key, &nonce, &plain), "{len} bytes");
            assert!(
                ours.open(&nonce, sealed).unwrap() == plain,
                "{len} bytes do not open"
            );

            let (tag, body) = sealed.split_at_mut(TAG);
            XSalsa20Poly1305::new((&key).into())
                .decrypt_in_place_detached((&nonce).into(), b"", body, Tag::from_slice(tag))
                .unwrap();
            assert!(body == plain, "{len} bytes do not open there");
        }
    }

    #[test]
    fn one_changed_bit_anywhere_is_noticed_at_every_length() {
        let secret = SecretBox::new(&Zeroizing::new([7; KEY]));
        let nonce = [9; 24];
        for len in lengths().filter(|len| *len < 600 || *len > 4000) {
            let mut sealed = BytesMut::new();
            secret.seal(&nonce, &vec![5; len], &mut sealed).unwrap();
            let at = rand::random_range(0..sealed.len());
            sealed[at] ^= 1 << rand::random_range(0..8);
            assert!(secret.open(&nonce, &sealed).is_none(), "byte {at} of {len}");
        }
    }

    #[test]
    fn less_than_a_tag_does_not_open() {
        let secret = SecretBox::new(&Zeroizing::new([7; KEY]));
        assert!(secret.open(&[0; 24], &[0; TAG - 1]).is_none());
    }
}
