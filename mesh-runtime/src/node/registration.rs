//! Keeps a node registered with its master, and keeps links to the peers that the master announces.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::{
    config::MasterAddr,
    core::NodeCore,
    dialer::{keep_linked, reconnecting},
    events::Event,
};
use crate::{
    close::{CloseCode, CloseReason},
    discovery::{self, DiscoverError},
    error::Refusal,
    id::{BootEpoch, NodeId},
    link::{
        channel::{Channel, Receiver},
        gate::{self, DialError, Dialling},
    },
    repeating::Repeating,
    wire::{
        control::{self, Change, PeerEntry, ToMaster, ToNode},
        frame::Frame,
        hello::{Target, role},
    },
};

/// How many messages of the master may wait to be processed.
const BACKLOG: usize = 4096;

/// The address that a node registers. Without a host, the master uses the host that it sees.
#[derive(Debug, Clone)]
pub(crate) struct Advertised {
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
}

/// How the first attempt to register went.
#[derive(Debug)]
pub(crate) enum FirstAttempt {
    Registered,
    /// The node was refused, and does not try again.
    Refused {
        addr: String,
        refusal: Refusal,
    },
    /// The master could not be reached. The node tries again.
    Unreachable,
}

/// Registers, and registers again whenever the connection is lost, until the node ends or is replaced. Gives up if the
/// node is refused before it was ever registered.
pub(crate) async fn keep_registered(
    core: Arc<NodeCore>,
    master: MasterAddr,
    advertised: Advertised,
    first: oneshot::Sender<FirstAttempt>,
) {
    let mut registration = Registration {
        core: Arc::clone(&core),
        master,
        advertised,
        dialers: HashMap::new(),
        first: Some(first),
        was_registered: false,
        repeating: Repeating::new(),
    };
    tokio::select! {
        () = registration.run() => {}
        () = core.local.closed.cancelled() => {}
        () = core.replaced.cancelled() => {}
    }
}

struct Registration {
    core: Arc<NodeCore>,
    master: MasterAddr,
    advertised: Advertised,
    dialers: HashMap<NodeId, Dialer>,
    first: Option<oneshot::Sender<FirstAttempt>>,
    /// Whether the master has ever registered this node.
    was_registered: bool,
    repeating: Repeating,
}

/// The task that keeps one peer linked. Dropping this ends the task, but not the link.
struct Dialer {
    entry: PeerEntry,
    task: JoinHandle<()>,
}

impl Drop for Dialer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registration {
    async fn run(&mut self) {
        let mut backoff = reconnecting();
        loop {
            match self.connect().await {
                Ok((channel, mut inbox)) => {
                    let _goodbye = Goodbye(channel.clone());
                    let registered = self.follow(&channel, &mut inbox).await;
                    let reason = end_of(&channel);
                    if registered {
                        self.core.local.membership.not_registered(format!(
                            "the connection to the master at {} is lost ({reason})",
                            self.master
                        ));
                        backoff.reset();
                        tracing::warn!(node = %self.core.local.id, reason, "lost the master; links go on");
                        self.core.events.tell(Event::MasterLost { reason });
                    } else if matches!(
                        channel.close_reason(),
                        Some(CloseReason::Goodbye(CloseCode::Replaced))
                    ) {
                        self.on_refused(self.master.to_string(), Refusal::Replaced);
                    } else {
                        self.first_attempt(FirstAttempt::Unreachable);
                    }
                    if matches!(
                        channel.close_reason(),
                        Some(CloseReason::Goodbye(CloseCode::Replaced))
                    ) {
                        self.core.on_replaced();
                    }
                }
                Err(NotConnected::Refused { addr, refusal }) => {
                    if !self.on_refused(addr, refusal) {
                        return;
                    }
                }
                Err(NotConnected::Unreachable { addr, error }) => {
                    let why = format!(
                        "the master at {addr} cannot be reached ({error}): does it run, and is the address right?"
                    );
                    if self.repeating.is_due(&why, Instant::now()) {
                        tracing::warn!(node = %self.core.local.id, "{why} Tries again");
                    }
                    self.core.local.membership.not_registered(why);
                    self.first_attempt(FirstAttempt::Unreachable);
                }
            }
            backoff.wait().await;
        }
    }

    /// Returns whether to try again. If the first attempt is refused, the start fails. If the master could not be reached
    /// before, the node ends. A later refusal may be temporary, for example while the master is being replaced.
    fn on_refused(&mut self, addr: String, refusal: Refusal) -> bool {
        let why = format!("the master at {addr} has refused it ({refusal})");
        if self.repeating.is_due(&why, Instant::now()) {
            tracing::error!(node = %self.core.local.id, master = addr, %refusal, "the master refused this node");
        }
        self.core.local.membership.not_registered(why);
        self.core.events.tell(Event::Refused {
            addr: addr.clone(),
            refusal,
        });
        let may_be_temporary = self.was_registered || refusal.is_temporary();
        if !may_be_temporary {
            self.core.give_up(Some(addr.clone()), refusal);
        }
        let is_first = self.first.is_some();
        self.first_attempt(FirstAttempt::Refused { addr, refusal });
        may_be_temporary && !is_first
    }

    fn first_attempt(&mut self, outcome: FirstAttempt) {
        if let Some(first) = self.first.take() {
            let _ = first.send(outcome);
        }
    }

    async fn connect(&self) -> Result<(Channel, mpsc::Receiver<ToNode>), NotConnected> {
        let (host, port) = match &self.master {
            MasterAddr::Fixed { host, port } => (host, *port),
            MasterAddr::Discover { host, port } => {
                let found = discovery::discover(host, *port, &self.core.keys).await;
                (
                    host,
                    found.map_err(|error| NotConnected::discovery(host, *port, error))?,
                )
            }
        };
        let (messages, inbox) = mpsc::channel(BACKLOG);
        let hello = self.core.hello(Target::Master);
        let dialling = Dialling {
            keys: &self.core.keys,
            hello: &hello,
            pace: self.core.config.pace,
            connections: &self.core.connections,
        };
        let (channel, ()) = gate::dial(host, port, dialling, move |welcome, channel| {
            if welcome.role != role::MASTER {
                return Err(Refusal::WrongTarget);
            }
            channel.send(Frame::Confirm { calls: 0, bytes: 0 });
            let connection: Arc<dyn Receiver> = Arc::new(MasterConnection { messages });
            Ok((connection, ()))
        })
        .await
        .map_err(|error| NotConnected::dialling(host, port, error))?;
        Ok((channel, inbox))
    }

    /// Registers and follows the view until the connection ends. Returns whether the master registered the node.
    async fn follow(&mut self, channel: &Channel, inbox: &mut mpsc::Receiver<ToNode>) -> bool {
        send(
            channel,
            &ToMaster::Register {
                host: self.advertised.host.clone(),
                port: self.advertised.port,
            },
        );
        let mut registered = false;
        let mut view = Viewing::default();
        let mut told_draining = false;
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    None => return registered,
                    Some(ToNode::Registered { host }) => {
                        tracing::info!(node = %self.core.local.id, host, port = self.advertised.port, "registered");
                        registered = true;
                        self.was_registered = true;
                        self.repeating.reset();
                        self.core.local.membership.set_registered();
                        self.core.events.tell(Event::Registered);
                        // This comes last, so that the rest is done when the start returns.
                        self.first_attempt(FirstAttempt::Registered);
                    }
                    Some(ToNode::View { epoch, seq, peers, last }) => {
                        if let Some(peers) = view.part(epoch, seq, peers, last) {
                            self.on_view(peers);
                        }
                    }
                    Some(ToNode::Change { epoch, seq, change }) => match view.step(epoch, seq) {
                        Step::InOrder => self.on_change(change),
                        Step::Gap => {
                            send(channel, &ToMaster::ViewRequest);
                        }
                        Step::Waiting => {}
                    },
                },
                () = channel.closed() => return registered,
                () = self.core.local.draining.cancelled(), if !told_draining => {
                    told_draining = true;
                    send(channel, &ToMaster::Draining);
                }
            }
        }
    }

    fn on_view(&mut self, peers: Vec<PeerEntry>) {
        let mut old = std::mem::take(&mut self.dialers);
        for entry in peers {
            match old.remove(&entry.node) {
                Some(dialer) if dialer.entry == entry => {
                    self.dialers.insert(entry.node.clone(), dialer);
                }
                _ => self.start(entry),
            }
        }
    }

    fn on_change(&mut self, change: Change) {
        match change {
            Change::Up(entry) => {
                if self
                    .dialers
                    .get(&entry.node)
                    .is_none_or(|dialer| dialer.entry != entry)
                {
                    self.start(entry);
                }
            }
            Change::Down(node) => {
                self.dialers.remove(&node);
            }
        }
    }

    fn start(&mut self, entry: PeerEntry) {
        let task = tokio::spawn(keep_linked(Arc::clone(&self.core), entry.clone()));
        self.dialers
            .insert(entry.node.clone(), Dialer { entry, task });
    }
}

fn send(channel: &Channel, message: &ToMaster) {
    match control::encode(message) {
        Ok(payload) => {
            channel.send(Frame::Control { payload });
        }
        Err(error) => tracing::error!(%error, "a message to the master could not be encoded"),
    }
}

fn end_of(channel: &Channel) -> String {
    channel
        .close_reason()
        .map_or_else(|| "the connection ended".into(), ToString::to_string)
}

/// How far a node has followed the master's view: the last change, by its number, and the parts of a view that have
/// arrived.
#[derive(Debug, Default)]
struct Viewing {
    at: Option<(BootEpoch, u64)>,
    parts: Vec<PeerEntry>,
    asked: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    InOrder,
    /// A change was missed: the whole view must be asked for.
    Gap,
    /// The whole view was asked for and is on its way.
    Waiting,
}

impl Viewing {
    /// Takes a part of a view. Returns the whole view once the last part has arrived.
    fn part(
        &mut self,
        epoch: BootEpoch,
        seq: u64,
        peers: Vec<PeerEntry>,
        last: bool,
    ) -> Option<Vec<PeerEntry>> {
        self.parts.extend(peers);
        if !last {
            return None;
        }
        self.at = Some((epoch, seq));
        self.asked = false;
        Some(std::mem::take(&mut self.parts))
    }

    fn step(&mut self, epoch: BootEpoch, seq: u64) -> Step {
        if self
            .at
            .is_some_and(|(own, last)| own == epoch && last + 1 == seq)
        {
            self.at = Some((epoch, seq));
            return Step::InOrder;
        }
        if std::mem::replace(&mut self.asked, true) {
            return Step::Waiting;
        }
        Step::Gap
    }
}

/// Closes the connection to the master when the registration ends.
struct Goodbye(Channel);

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.0.close(CloseReason::Local(CloseCode::ShuttingDown));
    }
}

/// Why there is no connection to the master.
enum NotConnected {
    Refused { addr: String, refusal: Refusal },
    Unreachable { addr: String, error: String },
}

impl NotConnected {
    fn discovery(host: &str, port: u16, error: DiscoverError) -> Self {
        let addr = format!("{host}:{port} (discovery)");
        match error {
            DiscoverError::WrongPublicKey => Self::Refused {
                addr,
                refusal: Refusal::WrongKey,
            },
            error => Self::Unreachable {
                addr,
                error: error.to_string(),
            },
        }
    }

    fn dialling(host: &str, port: u16, error: DialError) -> Self {
        let addr = format!("{host}:{port}");
        match error {
            DialError::Refused { refusal, .. } => Self::Refused { addr, refusal },
            error => Self::Unreachable {
                addr,
                error: error.to_string(),
            },
        }
    }
}

/// Receives the frames of the master.
struct MasterConnection {
    messages: mpsc::Sender<ToNode>,
}

impl Receiver for MasterConnection {
    fn on_frame(&self, frame: Frame) -> Result<(), String> {
        match frame {
            Frame::Confirm { .. } => Ok(()),
            Frame::Control { payload } => {
                let message = control::decode(&payload).map_err(|error| error.to_string())?;
                self.messages
                    .try_send(message)
                    .map_err(|_| "the master sends more than this node can follow".into())
            }
            other => Err(format!(
                "a frame that a master has no use for: {}",
                other.name()
            )),
        }
    }

    fn on_closed(&self, _reason: &CloseReason) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: BootEpoch = BootEpoch {
        started_ms: 1,
        random: 1,
    };

    #[test]
    fn changes_in_order_pass_and_a_gap_asks_for_the_view_once() {
        let mut view = Viewing::default();
        assert!(view.part(EPOCH, 5, Vec::new(), true).is_some());
        assert_eq!(view.step(EPOCH, 6), Step::InOrder);
        assert_eq!(view.step(EPOCH, 8), Step::Gap);
        assert_eq!(view.step(EPOCH, 9), Step::Waiting);
        assert!(view.part(EPOCH, 9, Vec::new(), true).is_some());
        assert_eq!(view.step(EPOCH, 10), Step::InOrder);
    }

    #[test]
    fn a_change_of_another_life_of_the_master_is_a_gap() {
        let mut view = Viewing::default();
        view.part(EPOCH, 5, Vec::new(), true);
        let restarted = BootEpoch {
            started_ms: 2,
            random: 1,
        };
        assert_eq!(view.step(restarted, 6), Step::Gap);
    }

    #[test]
    fn a_view_is_whole_with_its_last_part() {
        let mut view = Viewing::default();
        let peer = |name: &str| PeerEntry {
            node: NodeId::new("B", name),
            epoch: EPOCH,
            host: "h".into(),
            port: 1,
        };
        assert!(view.part(EPOCH, 1, vec![peer("a")], false).is_none());
        assert_eq!(
            view.part(EPOCH, 1, vec![peer("b")], true)
                .map(|peers| peers.len()),
            Some(2)
        );
    }
}
