//! The messages between node and master, which travel inside `Control` frames.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{codec, extensions};
use crate::{
    error::CodecError,
    id::{BootEpoch, NodeId},
};

/// The longest control message, in bytes.
pub(crate) const MAX_CONTROL: usize = 64 * 1024;

/// The maximum number of peers in one part of a view.
pub(crate) const PEERS_PER_PART: usize = 64;

/// The longest host name or address, in bytes.
pub(crate) const MAX_HOST: usize = 255;

/// From a node to the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToMaster {
    /// Adds this node to the registry. It is the node's first message.
    Register {
        /// The host that other nodes are to dial. If `None`, the address that the master sees.
        host: Option<String>,
        /// The port that other nodes are to dial. 0 if nobody can: the node is then in nobody's view.
        port: u16,
    },
    /// Asks for the whole view again, because a change was missed.
    ViewRequest,
    /// This node takes no new calls. The master is to announce it to nobody any more.
    Draining,
}

/// From the master to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToNode {
    /// The node is in the registry.
    Registered {
        /// The host that other nodes are told to dial.
        host: String,
    },
    /// All nodes that this node may dial, in parts. `last` marks the last part.
    View {
        /// The master's boot epoch. Change numbers are comparable only within one epoch.
        epoch: BootEpoch,
        /// The number of the last change that is included in this view.
        seq: u64,
        peers: Vec<PeerEntry>,
        last: bool,
    },
    /// One change. Its number is one higher than that of the previous change or view.
    Change {
        epoch: BootEpoch,
        seq: u64,
        change: Change,
    },
}

/// A change to the set of nodes that a node may dial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// A node has registered, or registered again.
    Up(PeerEntry),
    /// A node is gone or draining, and must not be dialled any more. An existing link to it stays open.
    Down(NodeId),
}

/// A node that may be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerEntry {
    pub(crate) node: NodeId,
    pub(crate) epoch: BootEpoch,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Encodes a control message. Its extension block is empty: nothing is in it yet.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Bytes, CodecError> {
    codec::encode(message, MAX_CONTROL)
}

/// Decodes a control message, and skips the extension block behind it.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (message, block) = codec::decode_prefix(bytes)?;
    extensions::check(block).map_err(|error| CodecError::Decode(error.to_string()))?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_view_with_the_longest_names_fits_a_message() {
        let peer = PeerEntry {
            node: NodeId::new("x".repeat(256), "y".repeat(128)),
            epoch: BootEpoch {
                started_ms: u64::MAX,
                random: u64::MAX,
            },
            host: "z".repeat(MAX_HOST),
            port: u16::MAX,
        };
        let view = ToNode::View {
            epoch: peer.epoch,
            seq: u64::MAX,
            peers: vec![peer; PEERS_PER_PART],
            last: true,
        };
        let bytes = encode(&view).unwrap();
        assert_eq!(decode::<ToNode>(&bytes).unwrap(), view);
    }
    #[test]
    fn an_extension_block_of_unknown_types_is_skipped() {
        let message = ToMaster::ViewRequest;
        let mut bytes = encode(&message).unwrap().to_vec();
        bytes.extend_from_slice(extensions::tests::UNKNOWN);
        assert_eq!(decode::<ToMaster>(&bytes).unwrap(), message);
        bytes.pop();
        assert!(decode::<ToMaster>(&bytes).is_err());
    }
}
