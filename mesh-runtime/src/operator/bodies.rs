//! The arguments and answers of the built-in commands. They travel as JSON, so that fields can be added: readers ignore
//! those that they do not know. `docs/protocol.md`, section 13, lists them. Times are in milliseconds, points in time
//! since 1970.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::serve::Operated;
use crate::{
    id::NodeId,
    millis,
    schema::{SchemaDescription, hex_u64},
};

/// A node, or another member of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// Its node type. Empty for a master.
    #[serde(rename = "type")]
    pub node_type: String,
    /// Its instance id.
    pub instance: String,
}

impl From<&NodeId> for Member {
    fn from(id: &NodeId) -> Self {
        Self {
            node_type: id.node_type.to_string(),
            instance: id.instance.to_string(),
        }
    }
}

/// The answer of `describe`: who answers, and what it can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Who answers.
    pub member: Member,
    /// The version of mesh-runtime.
    pub runtime: String,
    /// When it was started.
    pub started_ms: u64,
    /// How long it has been running.
    pub uptime_ms: u64,
    /// Its schema, with the structures of all types.
    pub schema: SchemaDescription,
}

impl Description {
    /// That of a node or master of this version. May take long the first time.
    pub(super) fn of(operated: &dyn Operated) -> Self {
        let started_ms = operated.started_ms();
        let now = millis::since_1970(SystemTime::now());
        Self {
            member: operated.member(),
            runtime: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms,
            uptime_ms: now.saturating_sub(started_ms),
            schema: SchemaDescription::clone(&operated.schema().get()),
        }
    }
}

/// The answer of `stats`: how much is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Stats {
    /// The links of a node, or the registered nodes of a master.
    pub links: usize,
    /// The operators and observers that are connected.
    pub operators: usize,
    /// The calls that the node makes.
    pub calls: usize,
    /// The handlers that are running.
    pub handlers: usize,
    /// The queues of the node's queued commands.
    pub queues: Vec<QueueCounts>,
}

/// How full a queue is, in [`Stats`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct QueueCounts {
    /// The command.
    pub command: String,
    /// Whether each instance has its own queue by the schema: a `queued broadcast` command.
    pub of_instance: bool,
    /// Whether all instances of the node type share this queue. Otherwise these are the jobs of this instance.
    pub shared: bool,
    /// Jobs that could run now.
    pub waiting: u64,
    /// Jobs whose time has not come.
    pub delayed: u64,
    /// Jobs that are running.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// Whether the dead letters are those of all instances, though each may have its own queue.
    pub dead_shared: bool,
    /// How long the oldest of the waiting jobs has waited.
    pub oldest_ms: Option<u64>,
    /// Whether the queue is paused.
    pub paused: bool,
    /// The engine failed, and the counts are 0. The text is empty for observers.
    pub error: Option<String>,
}

/// The answer of `links`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Links {
    /// The links of a node, or the registered nodes of a master.
    pub links: Vec<LinkState>,
}

/// A link of a node, or a registered node of a master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LinkState {
    /// The other end.
    pub peer: Member,
    /// `host:port`. Of a link: where it was dialled, or from where. Of a registered node: where it can be dialled; empty
    /// if it cannot.
    pub addr: String,
    /// Who dialled. `None` if a master says it.
    pub dialled: Option<bool>,
    /// When the other end was started.
    pub started_ms: u64,
    /// The other end takes no new calls.
    #[serde(default)]
    pub draining: bool,
    /// The calls to the other end that wait for their answer.
    #[serde(default)]
    pub in_flight: usize,
    /// The other end gets no balanced calls for so long, because calls to it failed. 0: the next call decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_ms: Option<u64>,
    /// Nothing is heard of the other end although calls are in flight, so new balanced calls go elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// The answer of `health`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// What it is doing.
    pub status: HealthStatus,
    /// Whether the master has this node in its registry; `None` if a master says it.
    pub registered: Option<bool>,
    /// The node types that this node dials, and to none of whose instances it has a link.
    #[serde(default)]
    pub unlinked: Vec<String>,
    /// The version of mesh-runtime.
    #[serde(default)]
    pub runtime: String,
    /// [`Schema::fingerprint`](crate::schema::Schema::fingerprint) of its schema. In JSON: hexadecimal text. 0 if it does
    /// not say so.
    #[serde(default, with = "hex_u64")]
    pub schema: u64,
    /// The same of the commands of its own node type, with the structures of their types: what its callers depend on.
    #[serde(default, with = "hex_u64")]
    pub commands: u64,
    /// When it was started.
    #[serde(default)]
    pub started_ms: u64,
    /// The time of its clock.
    #[serde(default)]
    pub now_ms: u64,
}

/// What a node or master is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthStatus {
    /// It works.
    #[default]
    Ok,
    /// It shuts down: it takes no new calls.
    Draining,
    /// A newer node with the same instance id has taken its place.
    Replaced,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// The arguments of `events`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EventsArgs {
    /// Only events with a greater number.
    pub(crate) since: u64,
    /// How long to wait if there are none, at most.
    pub(crate) wait_ms: u64,
}

/// The answer of `events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventList {
    /// The events, the oldest first.
    pub events: Vec<EventRecord>,
    /// The number of the last event there is. It is what to ask for next.
    pub last: u64,
    /// How many events after the given number are no longer there.
    #[serde(default)]
    pub missed: u64,
    /// When the process was started. The numbers begin with 1 again in each process.
    #[serde(default)]
    pub started_ms: u64,
}

/// Something that happened to a node or master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventRecord {
    /// Its number. The first event of a process has number 1.
    pub number: u64,
    /// When it happened.
    pub at_ms: u64,
    /// What happened.
    pub kind: EventKind,
    /// The other end of the link, or the node that came or went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Member>,
    /// The address of the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addr: Option<String>,
    /// Why. Not told to observers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The master has this node in its registry.
    Registered,
    /// The connection to the master is lost.
    MasterLost,
    /// A link is up.
    LinkUp,
    /// A link is gone.
    LinkDown,
    /// A peer or the master has refused this node.
    Refused,
    /// An instance that this node calls gets no balanced calls for a while, because calls to it failed.
    InstanceRests,
    /// An instance that rested gets calls again.
    InstanceBack,
    /// Nothing is heard of an instance that this node calls: new balanced calls go to others.
    InstanceSilent,
    /// An instance that was silent is heard again.
    InstanceHeard,
    /// A newer node with the same instance id has replaced this node.
    Replaced,
    /// A master has registered a node.
    NodeUp,
    /// A node has left a master.
    NodeDown,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

impl EventKind {
    /// Those that this version knows, and their names, as in JSON.
    pub(super) const NAMED: [(Self, &'static str); 12] = [
        (Self::Registered, "registered"),
        (Self::MasterLost, "master_lost"),
        (Self::LinkUp, "link_up"),
        (Self::LinkDown, "link_down"),
        (Self::Refused, "refused"),
        (Self::InstanceRests, "instance_rests"),
        (Self::InstanceBack, "instance_back"),
        (Self::InstanceSilent, "instance_silent"),
        (Self::InstanceHeard, "instance_heard"),
        (Self::Replaced, "replaced"),
        (Self::NodeUp, "node_up"),
        (Self::NodeDown, "node_down"),
    ];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        let mut named = Self::NAMED.iter();
        named
            .find(|(kind, _)| *kind == self)
            .map_or("other", |(_, name)| name)
    }
}

/// Which jobs of a queue, in the arguments of `queue list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobsIn {
    /// Those that could run now.
    Waiting,
    /// Those whose time has not come.
    Delayed,
    /// Those that are running.
    Running,
    /// The dead letters.
    Dead,
    /// Elsewhere: something that this version does not know.
    #[serde(other)]
    Other,
}

/// The arguments of the commands for queues. Each uses some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct QueueArgs {
    /// The queued command.
    pub(crate) command: String,
    /// `queue list`: which jobs.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub(crate) jobs_in: Option<JobsIn>,
    /// `queue list`: how many jobs at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<usize>,
    /// `queue list`: how many jobs to leave out first.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) skip: usize,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    /// `queue requeue`, `queue purge`: all dead letters.
    pub(crate) all: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The answer of `queue list`, and of `queue get` with one job or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Jobs {
    /// The jobs: dead letters and delayed jobs from the oldest on, waiting ones in the order in which they will run.
    pub jobs: Vec<JobView>,
}

/// A job of a queue, or a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub job: String,
    /// Where it is.
    #[serde(rename = "in")]
    pub jobs_in: JobsIn,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was queued.
    pub enqueued_ms: u64,
    /// When it may run, of a delayed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
    /// When it came to the dead letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub died_ms: Option<u64>,
    /// The error of the last attempt, of a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The instance whose queue it was in, of a dead letter of a `queued broadcast` command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Its arguments as JSON: an object with an entry for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<String>,
    /// Why there are no arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_error: Option<String>,
}

/// The answer of the commands that change queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Changed {
    /// How many jobs.
    pub(crate) jobs: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_called_as_in_json() {
        for (kind, name) in EventKind::NAMED {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!(kind.name(), name);
        }
    }
}
