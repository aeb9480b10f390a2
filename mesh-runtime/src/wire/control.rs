//! What node and master say to each other, inside `Control` frames.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::codec;
use crate::{
    error::CodecError,
    id::{BootEpoch, NodeId},
};

/// The longest control message, in bytes.
pub(crate) const MAX_CONTROL: usize = 64 * 1024;

/// The most peers in one part of a view.
pub(crate) const PEERS_PER_PART: usize = 64;

/// The longest host name or address, in bytes.
pub(crate) const MAX_HOST: usize = 255;

/// From a node to the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToMaster {
    /// Enter this node into the registry. The node's first message.
    Register {
        /// The host that others are to dial; if none, the one that the master sees.
        host: Option<String>,
        /// The port that others are to dial.
        port: u16,
    },
    /// Send the whole view again: a change was missed.
    ViewRequest,
    /// This node takes no new calls: tell nobody of it any more.
    Draining,
}

/// From the master to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToNode {
    /// The node is in the registry.
    Registered {
        /// The host that others are told.
        host: String,
    },
    /// All nodes that this node may dial, in parts; the last one says so.
    View {
        /// The master's life that the numbers count in.
        epoch: BootEpoch,
        /// The number of the last change that is in this view.
        seq: u64,
        peers: Vec<PeerEntry>,
        last: bool,
    },
    /// One change. Its number is one more than that of the change, or view, before.
    Change {
        epoch: BootEpoch,
        seq: u64,
        change: Change,
    },
}

/// How the nodes that a node may dial have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// A node has come, or come back.
    Up(PeerEntry),
    /// A node has gone: it is not to be dialled any more. A live link to it stays.
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

/// The bytes of a control message.
pub(crate) fn encode(message: &impl Serialize) -> Result<Bytes, CodecError> {
    codec::encode(message, MAX_CONTROL)
}

/// A control message from its bytes.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, CodecError> {
    codec::decode(bytes)
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
}
