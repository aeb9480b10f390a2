//! What travels with a call besides its arguments, in its extension block: metadata and a trace context.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{
    error::CodecError,
    metadata::Metadata,
    trace::{self, TraceContext},
    wire::extensions::MAX_BLOCK,
};

/// What a call carries, and the calls that its handler makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) metadata: Metadata,
    /// Behind a pointer, because few calls have one and all of them move this.
    pub(crate) trace: Option<Arc<TraceContext>>,
}

impl Carried {
    /// The extension block of a call. `None` if there is nothing in it. A trace context for which there is no room is
    /// left out.
    ///
    /// # Errors
    /// If the metadata exceeds its limits.
    pub(crate) fn to_block(&self) -> Result<Option<Bytes>, CodecError> {
        if self.metadata.is_empty() && self.trace.is_none() {
            return Ok(None);
        }
        let mut block = BytesMut::new();
        self.metadata.put(&mut block)?;
        if let Some(trace) = &self.trace
            && block.len() + trace::ENTRY <= MAX_BLOCK
        {
            trace.put(&mut block);
        }
        Ok((!block.is_empty()).then(|| block.freeze()))
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
        Ok(Self {
            metadata: Metadata::from_block(block)?,
            trace: TraceContext::from_block(block).map(Arc::new),
        })
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

    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let mut carried = Carried {
            metadata: Metadata::default(),
            trace: Some(Arc::new(TRACE)),
        };
        let alone = carried.to_block().unwrap().unwrap();
        carried.metadata.insert("tenant", "a");
        let both = carried.to_block().unwrap().unwrap();
        vec![
            ("extensions.trace", alone.to_vec()),
            ("extensions.metadata-and-trace", both.to_vec()),
        ]
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        assert_eq!(Carried::default().to_block().unwrap(), None);
        assert_eq!(Carried::from_block(b"").unwrap(), Carried::default());
        let mut carried = Carried {
            metadata: Metadata::default(),
            trace: Some(Arc::new(TRACE)),
        };
        for _ in 0..2 {
            let block = carried.to_block().unwrap().unwrap();
            assert_eq!(Carried::from_block(&block).unwrap(), carried);
            carried.metadata.insert("tenant", "a");
        }
    }

    #[test]
    fn a_trace_context_that_does_not_fit_is_left_out() {
        let mut carried = Carried {
            metadata: Metadata::default(),
            trace: Some(Arc::new(TRACE)),
        };
        // A header, a number of entries, and two lengths, of which the second has three bytes.
        let longest = MAX_BLOCK - extensions::ENTRY_HEADER - 1 - 2 - 3;
        carried.metadata.insert("k", "v".repeat(longest));
        let block = carried.to_block().unwrap().unwrap();
        assert_eq!(block.len(), MAX_BLOCK);
        assert_eq!(Carried::from_block(&block).unwrap().trace, None);
        carried
            .metadata
            .insert("k", "v".repeat(longest - trace::ENTRY));
        let block = carried.to_block().unwrap().unwrap();
        assert_eq!(block.len(), MAX_BLOCK);
        assert_eq!(
            Carried::from_block(&block).unwrap().trace.as_deref(),
            Some(&TRACE)
        );
    }

    #[test]
    fn a_trace_context_that_makes_no_sense_is_none() {
        for bytes in [&[1; 24][..], &[1; 26], &[0; 25], &[]] {
            let mut block = BytesMut::new();
            extensions::put(&mut block, kind::TRACE, bytes);
            assert_eq!(Carried::from_block(&block).unwrap(), Carried::default());
        }
    }
}
