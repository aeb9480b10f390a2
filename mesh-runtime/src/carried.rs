//! What travels with a call besides its arguments, in its extension block: metadata and a trace context.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::{
    error::CodecError,
    metadata::Metadata,
    trace::{self, TraceContext},
    wire::{
        codec::MAX_PAYLOAD,
        extensions::{self, BadBlock, MAX_BLOCK},
        frame::CallPayload,
    },
};

/// What a call carries, and the calls that its handler makes. One pointer, because few calls carry anything, and all of
/// them move this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carried(Option<Arc<Content>>);

#[derive(Debug, Clone, Default)]
struct Content {
    metadata: Metadata,
    trace: Option<TraceContext>,
    /// The metadata with what hooks have added, once they were asked.
    added: OnceLock<Metadata>,
}

/// Why arguments cannot be sent with what a call carries.
pub(crate) struct NotCarried {
    pub(crate) what: &'static str,
    pub(crate) source: CodecError,
}

static NO_METADATA: Metadata = Metadata::none();

impl Carried {
    pub(crate) fn metadata(&self) -> &Metadata {
        let Some(content) = &self.0 else {
            return &NO_METADATA;
        };
        content.added.get().unwrap_or(&content.metadata)
    }

    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        self.0.as_ref()?.trace.as_ref()
    }

    /// Sets metadata.
    pub(crate) fn insert(&mut self, key: String, value: String) {
        self.metadata_mut().insert(key, value);
    }

    /// The metadata, to be changed.
    pub(crate) fn metadata_mut(&mut self) -> &mut Metadata {
        let content = self.content_mut();
        if let Some(added) = content.added.take() {
            content.metadata = added;
        }
        &mut content.metadata
    }

    pub(crate) fn set_trace(&mut self, trace: TraceContext) {
        self.content_mut().trace = Some(trace);
    }

    fn content_mut(&mut self) -> &mut Content {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Another view of the same, through which hooks may [add](Self::add) metadata later.
    pub(crate) fn shared(&mut self) -> Self {
        self.0.get_or_insert_default();
        self.clone()
    }

    /// Replaces the metadata in all views that are shared. Only the first replacement counts.
    pub(crate) fn add(&self, metadata: Metadata) {
        if let Some(content) = &self.0 {
            let _ = content.added.set(metadata);
        }
    }

    /// The extension block of a call. `None` if there is nothing in it. A trace context for which there is no room is
    /// left out.
    ///
    /// # Errors
    /// If the metadata exceeds its limits.
    pub(crate) fn to_block(&self) -> Result<Option<Bytes>, CodecError> {
        let Some(content) = &self.0 else {
            return Ok(None);
        };
        let mut block = BytesMut::new();
        self.metadata().put(&mut block)?;
        if let Some(trace) = &content.trace
            && block.len() + trace::ENTRY <= MAX_BLOCK
        {
            trace.put(&mut block);
        }
        Ok((!block.is_empty()).then(|| block.freeze()))
    }

    /// Arguments, behind an extension block if there is something in it.
    ///
    /// # Errors
    /// What could not be encoded, and why.
    pub(crate) fn in_front_of(&self, args: &Bytes) -> Result<CallPayload, NotCarried> {
        let not_carried = |what, source| NotCarried { what, source };
        let block = self.to_block();
        let block = block.map_err(|source| not_carried("metadata", source))?;
        let Some(block) = block else {
            return Ok(args.clone().into());
        };
        let bytes = extensions::in_front_of(&block, args)
            .map_err(|error| not_carried("metadata", CodecError::Encode(error.to_string())))?;
        if bytes.len() > MAX_PAYLOAD {
            let source = CodecError::TooLarge {
                size: bytes.len(),
                limit: MAX_PAYLOAD,
            };
            return Err(not_carried("arguments with the metadata", source));
        }
        Ok(CallPayload {
            bytes,
            extended: true,
        })
    }

    /// The block that this was read from, or another one if hooks have changed the metadata. Entries that this version
    /// does not know stay.
    ///
    /// # Errors
    /// If the metadata exceeds its limits, or there is no room for all entries.
    pub(crate) fn block_with_added(&self, block: Bytes) -> Result<Bytes, CodecError> {
        let content = self.0.as_ref();
        let changed = content.is_some_and(|content| *self.metadata() != content.metadata);
        if !changed {
            return Ok(block);
        }
        let known = self.to_block()?.unwrap_or_default();
        let mut changed = BytesMut::from(known);
        extensions::put_unknown(&mut changed, &block);
        if changed.len() > MAX_BLOCK {
            let error = BadBlock::TooLong(changed.len());
            return Err(CodecError::Encode(error.to_string()));
        }
        Ok(changed.freeze())
    }

    /// What is in an extension block that is whole.
    ///
    /// # Errors
    /// If the metadata cannot be decoded.
    #[inline]
    pub(crate) fn from_block(block: &[u8]) -> Result<Self, CodecError> {
        if block.is_empty() {
            return Ok(Self::default());
        }
        Self::decode(block)
    }

    fn decode(block: &[u8]) -> Result<Self, CodecError> {
        Ok(Self(Some(Arc::new(Content {
            metadata: Metadata::from_block(block)?,
            trace: TraceContext::from_block(block),
            added: OnceLock::new(),
        }))))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::extensions::{self, kind};

    const TRACE: TraceContext = TraceContext {
        trace_id: *b"0123456789abcdef",
        span_id: *b"01234567",
        flags: 1,
    };

    fn traced() -> Carried {
        let mut carried = Carried::default();
        carried.set_trace(TRACE);
        carried
    }

    fn insert(carried: &mut Carried, key: &str, value: &str) {
        carried.insert(key.to_owned(), value.to_owned());
    }

    fn read(block: &[u8]) -> (Metadata, Option<TraceContext>) {
        let carried = Carried::from_block(block).unwrap();
        (carried.metadata().clone(), carried.trace().copied())
    }

    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let mut carried = traced();
        let alone = carried.to_block().unwrap().unwrap();
        insert(&mut carried, "tenant", "a");
        let both = carried.to_block().unwrap().unwrap();
        vec![
            ("extensions.trace", alone.to_vec()),
            ("extensions.metadata-and-trace", both.to_vec()),
        ]
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        assert_eq!(Carried::default().to_block().unwrap(), None);
        assert_eq!(read(b""), (Metadata::default(), None));
        let mut carried = traced();
        for _ in 0..2 {
            let block = carried.to_block().unwrap().unwrap();
            assert_eq!(read(&block), (carried.metadata().clone(), Some(TRACE)));
            insert(&mut carried, "tenant", "a");
        }
    }

    #[test]
    fn what_hooks_add_is_seen_in_all_views_and_can_be_added_to() {
        for mut handler in [Carried::default(), traced()] {
            let trace = handler.trace().copied();
            let hooks = handler.shared();
            let mut added = hooks.metadata().clone();
            added.insert("tenant", "a");
            hooks.add(added);
            assert_eq!(handler.metadata().get("tenant"), Some("a"));
            let mut call = handler.clone();
            insert(&mut call, "hop", "2");
            let metadata = call.metadata();
            assert_eq!(
                (metadata.get("tenant"), metadata.get("hop")),
                (Some("a"), Some("2"))
            );
            assert_eq!(handler.metadata().get("hop"), None);
            assert_eq!(
                read(&call.to_block().unwrap().unwrap()),
                (metadata.clone(), trace)
            );
        }
    }

    #[test]
    fn what_hooks_add_to_a_job_leaves_unknown_entries_as_they_are() {
        let mut sent = traced().to_block().unwrap().unwrap().to_vec();
        sent.extend_from_slice(extensions::tests::UNKNOWN);
        let sent = Bytes::from(sent);
        let with = |value: String| {
            let hooks = Carried::from_block(&sent).unwrap().shared();
            let mut added = hooks.metadata().clone();
            added.insert("tenant", value);
            hooks.add(added);
            hooks.block_with_added(sent.clone())
        };
        let block = with("a".to_owned()).unwrap();
        assert!(block.ends_with(extensions::tests::UNKNOWN));
        let (metadata, trace) = read(&block);
        assert_eq!((metadata.get("tenant"), trace), (Some("a"), Some(TRACE)));
        let room = MAX_BLOCK - extensions::ENTRY_HEADER - 2 - "tenant".len() - 3;
        let error = with("v".repeat(room)).unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
        let unchanged = Carried::from_block(&sent).unwrap();
        assert_eq!(unchanged.block_with_added(sent.clone()).unwrap(), sent);
    }

    #[test]
    fn a_trace_context_that_does_not_fit_is_left_out() {
        let mut carried = traced();
        // A header, a number of entries, and two lengths, of which the second has three bytes.
        let longest = MAX_BLOCK - extensions::ENTRY_HEADER - 1 - 2 - 3;
        insert(&mut carried, "k", &"v".repeat(longest));
        let block = carried.to_block().unwrap().unwrap();
        assert_eq!(block.len(), MAX_BLOCK);
        assert_eq!(read(&block).1, None);
        insert(&mut carried, "k", &"v".repeat(longest - trace::ENTRY));
        let block = carried.to_block().unwrap().unwrap();
        assert_eq!(block.len(), MAX_BLOCK);
        assert_eq!(read(&block).1, Some(TRACE));
    }

    #[test]
    fn a_trace_context_that_makes_no_sense_is_none() {
        for bytes in [&[1; 24][..], &[1; 26], &[0; 25], &[]] {
            let mut block = BytesMut::new();
            extensions::put(&mut block, kind::TRACE, bytes);
            assert_eq!(read(&block), (Metadata::default(), None));
        }
    }
}
