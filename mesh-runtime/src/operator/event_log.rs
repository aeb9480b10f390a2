//! The last events of a node or master, with numbers, for operators who ask for those since a number.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::bodies::{EventKind, EventList, EventRecord, Member};
use crate::millis;

/// How many events are kept.
const BACKLOG: usize = 1024;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 256;

/// The events.
#[derive(Debug)]
pub(crate) struct EventLog {
    records: Mutex<VecDeque<EventRecord>>,
    /// How many events of each kind there were.
    counts: Mutex<BTreeMap<&'static str, u64>>,
    /// The number of the last event.
    last: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self {
            records: Mutex::default(),
            counts: Mutex::new(EventKind::NAMED.map(|(_, name)| (name, 0)).into()),
            last: watch::Sender::new(0),
        }
    }

    /// Adds an event. The oldest goes if there are too many.
    pub(crate) fn add(
        &self,
        kind: EventKind,
        peer: Option<Member>,
        addr: Option<&str>,
        reason: Option<String>,
    ) {
        *self.kinds().entry(kind.name()).or_default() += 1;
        let mut records = self.records();
        let number = *self.last.borrow() + 1;
        if records.len() == BACKLOG {
            records.pop_front();
        }
        records.push_back(EventRecord {
            number,
            at_ms: millis::since_1970(SystemTime::now()),
            kind,
            peer,
            addr: addr.map(shortened),
            reason: reason.as_deref().map(shortened),
        });
        self.last.send_replace(number);
    }

    /// How many events of each kind there were.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.kinds().clone()
    }

    /// The events with a greater number.
    pub(crate) fn since(&self, since: u64) -> EventList {
        let records = self.records();
        let last = *self.last.borrow();
        let events: Vec<EventRecord> = records
            .iter()
            .filter(|record| record.number > since)
            .cloned()
            .collect();
        let there = events.len() as u64;
        EventList {
            events,
            last,
            missed: last.saturating_sub(since).saturating_sub(there),
            started_ms: 0,
        }
    }

    /// Waits until there is an event with a greater number, for so long at most.
    pub(crate) async fn wait(&self, since: u64, longest: Duration) {
        let mut last = self.last.subscribe();
        // The sender lives as long as this log.
        let _ = tokio::time::timeout(longest, last.wait_for(|last| *last > since)).await;
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<EventRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(log: &EventLog) {
        log.add(
            EventKind::Refused,
            None,
            Some("a:1"),
            Some("x".repeat(2 * MAX_REASON)),
        );
    }

    #[test]
    fn the_last_events_are_kept_and_the_others_are_counted() {
        let log = EventLog::new();
        assert_eq!(log.since(0), EventList::default());
        for _ in 0..BACKLOG + 10 {
            add(&log);
        }
        let all = log.since(0);
        assert_eq!((all.events.len(), all.missed), (BACKLOG, 10));
        assert_eq!(all.events[0].number, 11);
        assert_eq!(all.last, BACKLOG as u64 + 10);
        assert_eq!(all.events[0].reason.as_ref().unwrap().len(), MAX_REASON);
        let rest = log.since(all.last - 2);
        assert_eq!((rest.events.len(), rest.missed), (2, 0));
        assert_eq!(log.counts()["refused"], BACKLOG as u64 + 10);
        assert_eq!(log.counts()["link_up"], 0);
        let none = log.since(u64::MAX);
        assert_eq!((none.events.len(), none.missed), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_next_event_or_with_its_time() {
        let log = EventLog::new();
        log.wait(0, Duration::from_secs(1)).await;
        let waiting = log.wait(0, Duration::MAX);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        add(&log);
        waiting.await;
    }
}
