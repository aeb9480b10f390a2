//! Entry points for the instruction-count benchmarks in `tests/benches/instructions`. The steps of a call are private;
//! each function here calls one of them and adds nothing. Exists only with the feature `bench`; not API.
//!
//! The preparation, such as building an envelope that is then sealed, is here too, but is not counted. It gives the
//! counted functions the same input as in a running node. No sockets are opened.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    access::{Mesh, NodeType},
    balance::{Balance, Placing},
    callee::{Callee, CalleeOptions, Instance},
    error::CodecError,
    hook::Hooks,
    id::{BootEpoch, NodeId},
    keys::Keys,
    link::{
        channel::{Channel, Receiver, next_envelope},
        link::{Link, LinkHost, Peer, Role},
    },
    local::{LocalNode, LocalOptions},
    node::{
        NodeBuilder,
        config::Config,
        core::{NodeCore, Parts},
        events::EventSender,
    },
    queue::{MemoryQueue, NodeQueues},
    retry::RetryBudget,
    schema::{Fingerprints, NodeSpec, Schema},
    serve::Dispatcher,
    verdict::{Ends, Verdicts},
    wire::{
        cipher::{Direction, Opener, Sealer},
        codec::{self, MAX_PAYLOAD},
        envelope::{Envelope, EnvelopeBuilder},
        frame::{FirstPart, Frame},
        status::Status,
    },
};

/// Encodes arguments or an answer.
///
/// # Errors
/// If the value cannot be encoded.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
    codec::encode(value, MAX_PAYLOAD)
}

/// Decodes arguments or an answer.
///
/// # Errors
/// If the bytes are not such a value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode(bytes)
}

/// The sealing end of a link.
pub struct SealingEnd(Sealer);

/// The opening end of a link.
pub struct OpeningEnd(Opener);

/// Both ends of one direction of a link, with a fixed key.
#[must_use]
pub fn ends() -> (SealingEnd, OpeningEnd) {
    let key = Zeroizing::new([7; 32]);
    let direction = Direction::FromInitiator;
    (
        SealingEnd(Sealer::new(&key, direction)),
        OpeningEnd(Opener::new(&key, direction)),
    )
}

/// Calls to be sent.
pub struct Calls(Vec<Frame>);

impl Calls {
    /// `count` calls with this payload, which must fit one frame.
    #[must_use]
    pub fn new(count: u64, payload: &Bytes) -> Self {
        Self(
            (0..count)
                .map(|call| call_frame(call, 1, payload.clone()))
                .collect(),
        )
    }
}

fn call_frame(call: u64, command: u32, payload: Bytes) -> Frame {
    Frame::Call {
        call,
        command,
        deadline_ms: 3000,
        part: FirstPart::whole(payload),
    }
}

/// An envelope before sealing.
pub struct Unsealed(EnvelopeBuilder);

impl Unsealed {
    /// An empty envelope with room for `calls`.
    #[must_use]
    pub fn with_room_for(calls: &Calls) -> Self {
        let room = calls.0.iter().map(Frame::encoded_len).sum();
        Self(EnvelopeBuilder::with_capacity(room))
    }

    /// Writes the calls into it, as long as it has room.
    #[must_use]
    pub fn push(mut self, calls: &Calls) -> Self {
        for frame in &calls.0 {
            if !self.0.push(frame) {
                break;
            }
        }
        self
    }

    /// Seals it.
    ///
    /// # Errors
    /// If the cipher fails.
    pub fn seal(self, sealing: &mut SealingEnd) -> Result<Bytes, String> {
        let sealed = self.0.seal(0, &mut sealing.0);
        sealed.map_err(|error| error.to_string())
    }

    /// The answer in it, if there is one and it is a success. Used to check that the counted code has worked.
    #[must_use]
    pub fn answer(self) -> Option<Bytes> {
        let (mut sealing, mut opening) = ends();
        let sealed = self.seal(&mut sealing).ok()?;
        let mut opened = OpenedEnvelope::open(sealed, &mut opening).ok()?;
        match opened.0.frames.next()? {
            Ok(Frame::Reply {
                status: Status::Ok,
                part,
                ..
            }) => Some(part.payload),
            _ => None,
        }
    }
}

/// An envelope that was opened, its frames not decoded yet.
pub struct OpenedEnvelope(Envelope);

impl OpenedEnvelope {
    /// Opens an envelope.
    ///
    /// # Errors
    /// If it was not sealed by the other end, or is out of order.
    pub fn open(sealed: Bytes, opening: &mut OpeningEnd) -> Result<Self, String> {
        let opened = Envelope::open(sealed, &mut opening.0);
        opened.map(Self).map_err(|error| error.to_string())
    }

    /// Decodes its frames, and returns how many there are.
    ///
    /// # Errors
    /// If one of them is broken.
    pub fn decode(mut self) -> Result<usize, String> {
        self.0.frames.try_fold(0, |count, frame| match frame {
            Ok(_) => Ok(count + 1),
            Err(error) => Err(error.to_string()),
        })
    }
}

/// The linked instances of a node type, as its callers see them.
pub struct Instances {
    callee: Arc<Callee>,
    command: u32,
}

/// The link that a call goes over.
pub struct Picked(#[expect(dead_code, reason = "held, not read")] Arc<Instance>);

impl Instances {
    /// `count` instances. Their links have no other end, but all of them can be chosen.
    #[must_use]
    pub fn linked(spec: &'static NodeSpec, count: usize) -> Self {
        let host: Weak<dyn LinkHost> = Weak::<NodeCore>::new();
        let link = |number| {
            let id = NodeId::new(spec.name, format!("instance-{number:03}"));
            link(id, Channel::new(), Weak::clone(&host), no_commands())
        };
        // Nothing runs on it, since nothing is called.
        #[expect(clippy::expect_used, reason = "it opens nothing that could fail")]
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let options = {
            let _entered = runtime.enter();
            callee_options(&EventSender::new())
        };
        let callee = Arc::new(Callee::new(spec, options, CancellationToken::new()));
        callee.set_links((0..count).map(link).collect());
        Self {
            callee,
            command: spec.commands.first().map_or(0, |command| command.id),
        }
    }

    /// Chooses an instance by a policy.
    #[must_use]
    pub fn pick(&self, policy: Balance) -> Option<Picked> {
        self.place(Placing::Policy(policy))
    }

    /// Chooses the instance of a key.
    #[must_use]
    pub fn pick_by_key(&self, key: &[u8]) -> Option<Picked> {
        self.place(Placing::Key(key))
    }

    fn place(&self, placing: Placing<'_>) -> Option<Picked> {
        let picked = self.callee.pick(self.command, placing, true, |_| true);
        picked.map(|picked| Picked(Arc::clone(&picked.instance)))
    }
}

fn callee_options(events: &EventSender) -> CalleeOptions {
    CalleeOptions {
        ejection: true,
        retry_budget: RetryBudget::default(),
        observer: Arc::new(events.clone()),
        runtime: Handle::current(),
    }
}

/// For links that nothing is called over.
fn no_commands() -> Verdicts {
    static EMPTY: Schema = Schema::new("", "", &[]);
    Verdicts::new(&Ends {
        schema: &EMPTY,
        own: "",
        peer: "",
        known: &[],
        declared: &[],
    })
}

fn link(id: NodeId, channel: Channel, host: Weak<dyn LinkHost>, verdicts: Verdicts) -> Arc<Link> {
    let peer = Peer {
        id,
        epoch: BootEpoch {
            started_ms: 1,
            random: 1,
        },
        addr: String::new(),
        verdicts,
    };
    Link::new(peer, Role::Accepted, channel, Config::default().grant, host)
}

/// A node with one link. The user of this type acts as the other end.
pub struct Served {
    core: Arc<NodeCore>,
    link: Arc<Link>,
    channel: Channel,
    calls: u64,
}

impl Served {
    /// The node, without a server and without a master, and its link to a node of type `caller`.
    ///
    /// # Errors
    /// If the keys cannot be derived, or the link rejects the confirmation.
    pub async fn start<N: NodeType>(node: NodeBuilder<N>, caller: &str) -> Result<Self, String> {
        let keys = Keys::new("bench", Keys::generate()).derive().await;
        let keys = keys.map_err(|error| error.to_string())?;
        let schema = <N::Mesh as Mesh>::SCHEMA;
        let id = NodeId::new(N::NAME, "served");
        let engine = Arc::new(MemoryQueue::new());
        let fingerprints = Fingerprints::known_to(schema, N::NAME).await;
        let queues = NodeQueues::new(
            engine,
            Arc::clone(&keys),
            schema.mesh,
            id.clone(),
            fingerprints.of(N::NAME),
        );
        let events = EventSender::new();
        let options = LocalOptions {
            balance: Balance::default(),
            callees: callee_options(&events),
            hooks: Hooks::default(),
            propagator: None,
        };
        let local = Arc::new(LocalNode::new(id, schema, options));
        let dispatcher = Dispatcher::new(Arc::clone(&local), N::SPEC, node.into_serve(), &queues);
        let core = NodeCore::new(Parts {
            local,
            schema,
            fingerprints,
            config: Config::default(),
            keys: Arc::clone(&keys),
            dispatcher,
            queues,
            events,
        });
        let channel = Channel::new();
        let host = Arc::downgrade(&core);
        let verdicts = Verdicts::new(&Ends {
            schema,
            own: N::NAME,
            peer: caller,
            known: &[],
            declared: &[],
        });
        let link = link(
            NodeId::new(caller, "caller"),
            channel.clone(),
            host,
            verdicts,
        );
        let granted = Config::default().grant;
        link.on_frame(Frame::Confirm {
            calls: granted.calls,
            bytes: granted.bytes,
        })?;
        // The confirmation of this side.
        let _ = next_envelope(&channel);
        Ok(Self {
            core,
            link,
            channel,
            calls: 0,
        })
    }

    /// From the frame of a call, through the dispatcher and the handler, to the envelope with the answer in it; nothing
    /// is sealed or opened. The handler must not wait for anything.
    ///
    /// # Errors
    /// If the frame breaks the protocol.
    pub async fn call(&mut self, command: u32, args: Bytes) -> Result<Option<Unsealed>, String> {
        self.calls += 1;
        self.link.on_frame(call_frame(self.calls, command, args))?;
        while !self.core.local.handlers.is_empty() {
            tokio::task::yield_now().await;
        }
        Ok(next_envelope(&self.channel).map(|(envelope, _)| Unsealed(envelope)))
    }
}
