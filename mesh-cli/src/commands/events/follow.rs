//! Follows events: one task asks the master for its nodes, and one task for each source waits for its next events.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use mesh_runtime::operator::{EventList, LinkState, Operator, OperatorBuilder};
use tokio::{
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{MASTER, Wanted, line::Line};
use crate::{
    context::Context,
    error::{Result, chain},
    fleet::{Fleet, MAX_DIALLING, Process, dial, full_name},
};

/// How often the master is asked for its nodes, and how soon a source that is lost is tried again.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a source waits for its next event before it answers that there is none.
const WAIT: Duration = Duration::from_secs(20);
/// The pause after an answer without events, so that a source that does not wait is not asked in a busy loop.
const PAUSE: Duration = Duration::from_millis(200);
/// How much news may wait to be printed. Then the sources wait.
const BACKLOG: usize = 256;
/// How many sources are remembered that the master no longer lists.
const MAX_REMEMBERED: usize = 4_096;

/// How far the events of a source are known.
#[derive(Clone, Copy, Default)]
pub(super) struct Position {
    /// When the process was started: numbers begin anew in each.
    started_ms: u64,
    /// The number of the last event.
    last: u64,
    /// Events before this time are left out of the first answer. They are old ones of a source that could not be asked
    /// when the command began.
    from_ms: u64,
}

/// By source.
pub(super) type Positions = HashMap<String, Position>;

impl From<&EventList> for Position {
    fn from(list: &EventList) -> Self {
        Self {
            started_ms: list.started_ms,
            last: list.last,
            from_ms: 0,
        }
    }
}

/// What the tasks tell.
enum News {
    /// There is a connection with the master.
    Master(Operator),
    /// The nodes that the master lists.
    Listed(Vec<LinkState>),
    /// Events of a source, or its answer that there are none.
    Events(String, EventList),
    /// A source does not answer, and why.
    Lost(String, String),
}

/// Prints events as they come, until it is dropped. Of sources without a position, those from the given time on.
pub(super) async fn follow(
    fleet: Fleet,
    context: &Context,
    wanted: Wanted,
    positions: Positions,
    from_ms: u64,
) -> Result<()> {
    let (sender, mut news) = mpsc::channel(BACKLOG);
    let mut followed = Followed {
        wanted,
        as_json: context.json,
        operators: fleet.operators().clone(),
        node_timeout: fleet.settings().node_timeout,
        dialling: Arc::new(Semaphore::new(MAX_DIALLING)),
        sender: sender.clone(),
        tasks: JoinSet::new(),
        master: None,
        running: HashMap::new(),
        positions,
        from_ms,
        lost: HashSet::new(),
    };
    followed.tasks.spawn(list_nodes(fleet, sender));
    loop {
        tokio::select! {
            Some(news) = news.recv() => followed.hear(news)?,
            // Tasks that have ended are forgotten.
            Some(_) = followed.tasks.join_next() => {}
        }
    }
}

/// Tells which nodes there are. If the master is lost, connects to it again.
async fn list_nodes(mut fleet: Fleet, news: mpsc::Sender<News>) {
    loop {
        let master = News::Master(fleet.master.clone());
        if news.send(master).await.is_err() {
            return;
        }
        let why = loop {
            match fleet.nodes().await {
                Ok(nodes) => {
                    if news.send(News::Listed(nodes)).await.is_err() {
                        return;
                    }
                }
                Err(error) => break error.what().to_owned(),
            }
            sleep(INTERVAL).await;
        };
        let lost = News::Lost(MASTER.to_owned(), why);
        if news.send(lost).await.is_err() {
            return;
        }
        loop {
            sleep(INTERVAL).await;
            if fleet.reconnect().await.is_ok() {
                break;
            }
        }
    }
}

/// Tells the events of a source until it is lost.
async fn source(
    name: String,
    operator: Operator,
    mut position: Position,
    news: mpsc::Sender<News>,
) {
    // The first answer comes at once. It says whether the process is still the one whose position is known.
    let mut wait = Duration::ZERO;
    loop {
        let mut list = match operator.events(position.last, wait).await {
            Ok(list) => list,
            Err(error) => {
                // If nobody listens, the command ends.
                let _ = news.send(News::Lost(name, chain(&error))).await;
                return;
            }
        };
        if position.last > 0 && list.started_ms != position.started_ms {
            // Another process, whose numbers began anew.
            position = Position::default();
            continue;
        }
        wait = WAIT;
        leave_out_old(&mut list, position.from_ms);
        position = Position::from(&list);
        let is_empty = list.events.is_empty();
        if news.send(News::Events(name.clone(), list)).await.is_err() {
            return;
        }
        if is_empty {
            sleep(PAUSE).await;
        }
    }
}

/// Leaves out the events before a time, and how many there once were.
fn leave_out_old(list: &mut EventList, from_ms: u64) {
    if from_ms > 0 {
        list.events.retain(|event| event.at_ms >= from_ms);
        list.missed = 0;
    }
}

/// The task of a source. Of a node also for which process it is.
struct Running {
    process: Option<Process>,
    task: AbortHandle,
}

/// What is followed.
struct Followed {
    wanted: Wanted,
    as_json: bool,
    operators: OperatorBuilder,
    node_timeout: Duration,
    /// Bounds how many nodes are dialled at once.
    dialling: Arc<Semaphore>,
    sender: mpsc::Sender<News>,
    /// All tasks. They end with this struct.
    tasks: JoinSet<()>,
    /// The connection with the master, once there is one.
    master: Option<Operator>,
    /// The tasks of the sources.
    running: HashMap<String, Running>,
    positions: Positions,
    /// From when on those are told whose position is not known.
    from_ms: u64,
    /// The sources that were told to be lost.
    lost: HashSet<String>,
}

impl Followed {
    fn hear(&mut self, news: News) -> Result<()> {
        match news {
            News::Master(operator) => {
                self.master = Some(operator);
                self.stop(MASTER);
                self.follow_master();
                if self.wanted.master() {
                    return Ok(());
                }
                self.back(MASTER)
            }
            News::Listed(nodes) => {
                self.forget_unlisted(&nodes);
                self.running
                    .retain(|_, running| !running.task.is_finished());
                self.follow_master();
                self.follow_nodes(nodes);
                Ok(())
            }
            News::Events(name, list) => {
                self.back(&name)?;
                self.print(name, &list)
            }
            News::Lost(name, why) => self.is_lost(name, why),
        }
    }

    /// Starts a task for the master, if its events are wanted and it has none.
    fn follow_master(&mut self) {
        if !self.wanted.master() || self.running.contains_key(MASTER) {
            return;
        }
        let Some(operator) = self.master.clone() else {
            return;
        };
        let position = self.position(MASTER);
        let events = source(MASTER.to_owned(), operator, position, self.sender.clone());
        let task = self.tasks.spawn(events);
        let running = Running {
            process: None,
            task,
        };
        self.running.insert(MASTER.to_owned(), running);
    }

    /// Starts a task for each node that has none.
    fn follow_nodes(&mut self, nodes: Vec<LinkState>) {
        for node in self.wanted.among(nodes) {
            let name = full_name(&node.peer);
            let process = Some(Process::of(&node));
            if let Some(running) = self.running.get(&name) {
                if running.process == process {
                    continue;
                }
                // The node was started again.
                self.stop(&name);
            }
            let task = self.follow_node(name.clone(), node);
            self.running.insert(name, Running { process, task });
        }
    }

    /// Ends the task of a source.
    fn stop(&mut self, name: &str) {
        if let Some(running) = self.running.remove(name) {
            running.task.abort();
        }
    }

    fn follow_node(&mut self, name: String, node: LinkState) -> AbortHandle {
        let position = self.position(&name);
        let operators = self.operators.clone();
        let limit = self.node_timeout;
        let dialling = Arc::clone(&self.dialling);
        let news = self.sender.clone();
        self.tasks.spawn(async move {
            let permit = dialling.acquire().await;
            let dialled = dial(&operators, &node, limit).await;
            drop(permit);
            match dialled {
                Ok(operator) => source(name, operator, position, news).await,
                Err(error) => {
                    // If nobody listens, the command ends.
                    let _ = news.send(News::Lost(name, chain(&error))).await;
                }
            }
        })
    }

    fn position(&self, name: &str) -> Position {
        let known = self.positions.get(name).copied();
        known.unwrap_or(Position {
            from_ms: self.from_ms,
            ..Position::default()
        })
    }

    fn print(&mut self, name: String, list: &EventList) -> Result<()> {
        if list.missed > 0 {
            let reason = format!("{} events were no longer kept", list.missed);
            Line::here(&name, "missed", Some(reason)).print(self.as_json)?;
        }
        // The task before may have told some of them already.
        let known = self.position(&name);
        let is_same = known.started_ms == list.started_ms;
        let new = list.events.iter();
        for event in new.filter(|event| !is_same || event.number > known.last) {
            Line::of(&name, event).print(self.as_json)?;
        }
        self.positions.insert(name, Position::from(list));
        Ok(())
    }

    fn back(&mut self, name: &str) -> Result<()> {
        if self.lost.remove(name) {
            return Line::here(name, "back", None).print(self.as_json);
        }
        Ok(())
    }

    /// Says once that a source is lost.
    fn is_lost(&mut self, name: String, why: String) -> Result<()> {
        if self.lost.contains(&name) {
            return Ok(());
        }
        Line::here(&name, "lost", Some(why)).print(self.as_json)?;
        self.lost.insert(name);
        Ok(())
    }

    /// Keeps what is remembered of sources that may come back within its bound.
    fn forget_unlisted(&mut self, nodes: &[LinkState]) {
        if self.positions.len().max(self.lost.len()) < MAX_REMEMBERED.max(2 * nodes.len()) {
            return;
        }
        let mut listed: HashSet<String> = nodes.iter().map(|node| full_name(&node.peer)).collect();
        listed.insert(MASTER.to_owned());
        self.positions.retain(|name, _| listed.contains(name));
        self.lost.retain(|name| listed.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_events_of_a_source_that_could_not_be_asked_at_first_are_left_out() {
        let list = || -> EventList {
            serde_json::from_value(json!({
                "events": [
                    {"number": 8, "at_ms": 10, "kind": "registered"},
                    {"number": 9, "at_ms": 20, "kind": "link_up"},
                ],
                "last": 9, "missed": 7, "started_ms": 1,
            }))
            .unwrap()
        };
        let mut late = list();
        leave_out_old(&mut late, 20);
        assert_eq!(late.events.len(), 1);
        assert_eq!((late.events[0].number, late.missed, late.last), (9, 0, 9));
        let mut known = list();
        leave_out_old(&mut known, Position::from(&list()).from_ms);
        assert_eq!(known, list());
    }
}
