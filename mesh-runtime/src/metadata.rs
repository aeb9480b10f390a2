//! What travels with a call besides its arguments: texts by key, set by the caller and by hooks.

use std::{collections::HashSet, fmt, sync::Arc};

use bytes::BytesMut;

use crate::{
    error::CodecError,
    wire::{
        codec,
        extensions::{self, MAX_BLOCK, kind},
    },
};

/// Texts by key that travel with a call: to its handler, with the calls that the handler makes through its context, and
/// with jobs. Cheap to clone.
///
/// Keys have 1 to 128 bytes. All of it together has at most 4 KiB as it is encoded: two bytes for each text, the texts,
/// and six bytes more. A call with more fails before anything is sent.
///
/// **Trust it as far as the node that called.** Each node that a call passes through can write what it wants.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<Vec<(String, String)>>>);

/// The longest key, in bytes.
const MAX_KEY: usize = 128;

impl Metadata {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// The value for a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    }

    /// All keys with their values, in the order in which the keys were set first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|entries| entries.iter())
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Sets the value for a key, in place of an earlier one. The limits are checked when a call is made.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => entries.push((key, value)),
        }
    }

    /// # Errors
    /// If it exceeds its limits.
    pub(crate) fn check(&self) -> Result<(), CodecError> {
        self.put(&mut BytesMut::new())
    }

    /// Appends it to the extension block of a call, if there is any.
    ///
    /// # Errors
    /// If a key has a wrong length, or if all of it is too long.
    pub(crate) fn put(&self, block: &mut BytesMut) -> Result<(), CodecError> {
        let Some(entries) = &self.0 else {
            return Ok(());
        };
        if let Some((key, _)) = entries.iter().find(|(key, _)| !is_key(key)) {
            return Err(CodecError::Encode(format!(
                "a key of metadata has 1 to {MAX_KEY} bytes, and this one has {}",
                key.len()
            )));
        }
        let encoded = codec::encode(&**entries, MAX_BLOCK - extensions::ENTRY_HEADER)?;
        extensions::put(block, kind::METADATA, &encoded);
        Ok(())
    }

    /// The metadata in an extension block that is whole.
    ///
    /// # Errors
    /// If it cannot be decoded.
    #[inline]
    pub(crate) fn from_block(block: &[u8]) -> Result<Self, CodecError> {
        match extensions::find(block, kind::METADATA) {
            Some(encoded) => Self::decode(encoded),
            None => Ok(Self::default()),
        }
    }

    fn decode(encoded: &[u8]) -> Result<Self, CodecError> {
        let entries: Vec<(String, String)> = codec::decode(encoded)?;
        let mut keys = HashSet::new();
        if let Some((key, _)) = entries
            .iter()
            .find(|(key, _)| !is_key(key) || !keys.insert(key))
        {
            let len = key.len();
            return Err(CodecError::Decode(format!(
                "a key of {len} bytes is there twice, or does not have 1 to {MAX_KEY} bytes"
            )));
        }
        Ok(Self((!entries.is_empty()).then(|| Arc::new(entries))))
    }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn metadata(entries: &[(&str, &str)]) -> Metadata {
        let mut metadata = Metadata::default();
        for (key, value) in entries {
            metadata.insert(*key, *value);
        }
        metadata
    }

    fn block(metadata: &Metadata) -> Result<BytesMut, CodecError> {
        let mut block = BytesMut::new();
        metadata.put(&mut block)?;
        Ok(block)
    }

    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let metadata = metadata(&[("tenant", "a"), ("locale", "de")]);
        let block = block(&metadata).unwrap();
        vec![("extensions.metadata", block.to_vec())]
    }

    #[test]
    fn a_key_has_one_value_and_the_last_one_counts() {
        let metadata = metadata(&[("a", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(metadata.get("a"), Some("3"));
        assert_eq!(metadata.get("c"), None);
        assert_eq!(
            metadata.iter().collect::<Vec<_>>(),
            [("a", "3"), ("b", "2")]
        );
    }

    #[test]
    fn a_block_is_read_as_it_was_written_beside_entries_of_other_types() {
        assert!(block(&Metadata::default()).unwrap().is_empty());
        let written = metadata(&[("tenant", "a"), ("", "")]);
        assert!(block(&written).is_err());
        let written = metadata(&[("tenant", "a"), ("empty", "")]);
        let mut both = BytesMut::from(extensions::tests::UNKNOWN);
        written.put(&mut both).unwrap();
        assert_eq!(Metadata::from_block(&both).unwrap(), written);
        let none = Metadata::from_block(extensions::tests::UNKNOWN).unwrap();
        assert!(none.is_empty());
        let mut broken = BytesMut::new();
        extensions::put(&mut broken, kind::METADATA, &[9]);
        assert!(Metadata::from_block(&broken).is_err());
        for entries in [vec![("a", "1"), ("a", "2")], vec![("", "1")]] {
            let mut block = BytesMut::new();
            let encoded = codec::encode(&entries, MAX_BLOCK).unwrap();
            extensions::put(&mut block, kind::METADATA, &encoded);
            assert!(Metadata::from_block(&block).is_err(), "{entries:?}");
        }
    }

    #[test]
    fn keys_and_all_of_it_have_a_limit() {
        let long = "x".repeat(MAX_KEY);
        assert!(block(&metadata(&[(&long, "")])).is_ok());
        assert!(block(&metadata(&[(&(long + "x"), "")])).is_err());
        // A number of entries, and two lengths, of which the second has three bytes.
        let longest = "v".repeat(MAX_BLOCK - extensions::ENTRY_HEADER - 1 - 2 - 3);
        let written = block(&metadata(&[("k", &longest)])).unwrap();
        assert_eq!(written.len(), MAX_BLOCK);
        let error = block(&metadata(&[("k", &(longest + "v"))])).unwrap_err();
        assert!(matches!(error, CodecError::TooLarge { .. }), "{error}");
    }
}
