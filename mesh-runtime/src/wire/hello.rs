//! What the two messages of a handshake say: who is there, and why a link is refused.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    error::Refusal,
    id::{BootEpoch, InstanceId, NodeId},
};

/// The longest name of a mesh or node type, in bytes.
pub(super) const MAX_NAME: usize = 256;
/// The maximum number of commands of one node type.
pub(super) const MAX_COMMANDS: usize = 4096;

/// What a member is to the other end of a link. With shared keys any member can claim any of them.
pub(crate) mod role {
    /// A node of the type that it names.
    pub(crate) const NODE: u8 = 0;
    /// The master.
    pub(crate) const MASTER: u8 = 1;
    /// An operator, who looks at nodes and masters and steers them.
    pub(crate) const OPERATOR: u8 = 2;
    /// An observer, who looks at nodes and masters, but sees no arguments and no texts of errors.
    pub(crate) const OBSERVER: u8 = 3;
}

/// The features of this implementation: none yet.
pub(crate) const FEATURES: u64 = 0;

/// How the initiator introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Operators and observers may leave it empty.
    pub(crate) mesh: String,
    /// What the initiator is: see [`role`].
    pub(crate) role: u8,
    /// Empty unless it is a node.
    pub(crate) node_type: String,
    pub(crate) instance: InstanceId,
    pub(crate) epoch: BootEpoch,
    pub(crate) target: Target,
    pub(crate) schema: SchemaDigest,
    /// What the initiator can do beyond this version of the protocol. Unknown bits mean nothing.
    pub(crate) features: u64,
    /// The extension block behind the rest of the message.
    #[serde(skip)]
    pub(crate) extensions: Bytes,
}

/// The peer that the initiator wants to reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    Master,
    Node(NodeId),
}

/// How the responder introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// What the responder is: see [`role`].
    pub(crate) role: u8,
    /// Empty unless it is a node.
    pub(crate) node_type: String,
    pub(crate) instance: InstanceId,
    pub(crate) epoch: BootEpoch,
    pub(crate) schema: SchemaDigest,
    /// What the responder can do beyond this version of the protocol. Unknown bits mean nothing.
    pub(crate) features: u64,
    /// The extension block behind the rest of the message.
    #[serde(skip)]
    pub(crate) extensions: Bytes,
}

/// What a side reveals of its schema: enough to check, for each command, whether both sides declare it alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SchemaDigest {
    /// The fingerprint of the whole schema. A difference here alone never causes a refusal.
    pub(crate) fingerprint: u64,
    /// The id and fingerprint of each command that the sender serves.
    pub(crate) commands: Vec<(u32, u64)>,
}

impl SchemaDigest {
    fn is_valid(&self) -> bool {
        self.commands.len() <= MAX_COMMANDS
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME
}

/// Only a node has a node type.
fn is_member(role: u8, node_type: &str, instance: &InstanceId) -> bool {
    let named = match role {
        role::NODE => is_name(node_type),
        _ => node_type.is_empty(),
    };
    named && instance.is_valid()
}

fn is_node(node_type: &str, instance: &InstanceId) -> bool {
    is_name(node_type) && instance.is_valid()
}

impl Hello {
    /// Whether it is that of a member that looks at nodes and masters.
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.role, role::OPERATOR | role::OBSERVER)
    }

    fn names_mesh(&self) -> bool {
        is_name(&self.mesh) || (self.is_operator() && self.mesh.is_empty())
    }

    pub(super) fn is_valid(&self) -> bool {
        let target = match &self.target {
            Target::Master => true,
            Target::Node(node) => is_node(&node.node_type, &node.instance),
        };
        self.names_mesh()
            && is_member(self.role, &self.node_type, &self.instance)
            && target
            && self.schema.is_valid()
    }
}

impl Welcome {
    pub(super) fn is_valid(&self) -> bool {
        is_member(self.role, &self.node_type, &self.instance) && self.schema.is_valid()
    }
}

/// The payload of the second message.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum SecondMessage {
    Welcome(Welcome),
    Refused { code: u8, text: String },
}

/// The code of a refusal on the wire. Codes never change their meaning.
pub(super) fn refusal_code(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::WrongKey => 1,
        Refusal::Version => 2,
        Refusal::WrongMesh => 3,
        Refusal::UnknownNodeType => 4,
        Refusal::NotAllowed => 5,
        Refusal::WrongTarget => 6,
        Refusal::Replaced => 7,
        Refusal::Duplicate => 8,
        Refusal::ShuttingDown => 9,
        Refusal::Full => 10,
        Refusal::Malformed => 11,
        Refusal::HandshakeKind => 12,
        Refusal::Role => 13,
    }
}

pub(super) fn refusal_from_code(code: u8) -> Option<Refusal> {
    Some(match code {
        1 => Refusal::WrongKey,
        2 => Refusal::Version,
        3 => Refusal::WrongMesh,
        4 => Refusal::UnknownNodeType,
        5 => Refusal::NotAllowed,
        6 => Refusal::WrongTarget,
        7 => Refusal::Replaced,
        8 => Refusal::Duplicate,
        9 => Refusal::ShuttingDown,
        10 => Refusal::Full,
        11 => Refusal::Malformed,
        12 => Refusal::HandshakeKind,
        13 => Refusal::Role,
        _ => return None,
    })
}
