//! What is seen of the table: which rows, in which order, and which one is selected.

use std::cmp::Ordering;

use super::rates::{Answered, Figures, Instance, Key, Kind, Row, Totals};
use crate::output::plain;

/// The longest filter, in characters.
const MAX_FILTER: usize = 100;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Calls,
    Errors,
    P50,
    P99,
    InFlight,
    Waiting,
    Dead,
    Instances,
}

/// The columns, from left to right.
pub(super) const COLUMNS: [Column; 9] = [
    Column::Name,
    Column::Calls,
    Column::Errors,
    Column::P50,
    Column::P99,
    Column::InFlight,
    Column::Waiting,
    Column::Dead,
    Column::Instances,
];

/// All that is drawn.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) mesh: String,
    pub(super) rows: Vec<Row>,
    pub(super) totals: Totals,
    pub(super) sort: Column,
    pub(super) reversed: bool,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) filtering: bool,
    pub(super) paused: bool,
    pub(super) help: bool,
    /// The command whose instances are listed.
    pub(super) inside: Option<Key>,
    /// The line that is selected, among those that are listed.
    selected: Option<Id>,
}

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    Command(Key),
    Instance(String),
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) id: Id,
    pub(super) name: String,
    /// How many instances there are, or how the instance is.
    pub(super) instances: String,
    pub(super) figures: Figures,
    /// By what the last column is sorted.
    rank: u64,
}

impl State {
    pub(super) fn new(mesh: &str) -> Self {
        Self {
            mesh: mesh.to_owned(),
            rows: Vec::new(),
            totals: Totals::default(),
            sort: Column::Calls,
            reversed: false,
            filter: String::new(),
            filtering: false,
            paused: false,
            help: false,
            inside: None,
            selected: None,
        }
    }

    /// The lines that are listed, in order.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = match &self.inside {
            Some(key) => {
                // None, if there is no such row any more.
                let opened = self.rows.iter().filter(|row| row.key == *key);
                let instances = opened.flat_map(|row| &row.instances);
                instances.map(of_instance).collect()
            }
            None => self.rows.iter().map(of_command).collect(),
        };
        let filter = self.filter.to_lowercase();
        lines.retain(|line| line.name.to_lowercase().contains(&filter));
        lines.sort_by(|one, other| {
            let order = self.order(one, other);
            if self.reversed {
                order.reverse()
            } else {
                order
            }
        });
        lines
    }

    /// The place of the selected line among these. The first, if it is not among them.
    pub(super) fn place(&self, lines: &[Line]) -> Option<usize> {
        let selected = lines
            .iter()
            .position(|line| Some(&line.id) == self.selected.as_ref());
        selected.or((!lines.is_empty()).then_some(0))
    }

    /// Selects the line that is so many lines further down, or up.
    pub(super) fn move_by(&mut self, lines_down: isize) {
        let lines = self.lines();
        let Some(place) = self.place(&lines) else {
            return;
        };
        let last = lines.len().saturating_sub(1);
        let place = place.saturating_add_signed(lines_down).min(last);
        self.selected = lines.get(place).map(|line| line.id.clone());
    }

    /// Lists the instances of the selected command.
    pub(super) fn enter(&mut self) {
        let lines = self.lines();
        let selected = self.place(&lines).and_then(|place| lines.get(place));
        if let Some(Id::Command(key)) = selected.map(|line| &line.id) {
            self.inside = Some(key.clone());
            self.selected = None;
            self.filter.clear();
        }
    }

    /// Lists the commands again.
    pub(super) fn leave(&mut self) {
        self.selected = self.inside.take().map(Id::Command);
        self.filter.clear();
    }

    /// Sorts by the next column.
    pub(super) fn sort_by_next(&mut self) {
        let place = COLUMNS.iter().position(|column| *column == self.sort);
        let next = place.map_or(0, |place| (place + 1) % COLUMNS.len());
        self.sort = COLUMNS.get(next).copied().unwrap_or(Column::Calls);
        self.reversed = false;
    }

    /// Adds a character to the filter.
    pub(super) fn add_to_filter(&mut self, char: char) {
        if !char.is_control() && self.filter.chars().count() < MAX_FILTER {
            self.filter.push(char);
        }
    }

    /// Names from A to Z, figures from the greatest on. What is not known comes last.
    fn order(&self, one: &Line, other: &Line) -> Ordering {
        let figure = |line: &Line| figure(line, self.sort);
        let by_figure = figure(other).total_cmp(&figure(one));
        by_figure.then_with(|| one.name.cmp(&other.name))
    }
}

/// A figure by which lines are sorted. The same for all lines, if they are sorted by name.
fn figure(line: &Line, column: Column) -> f64 {
    let Figures {
        calls_per_s,
        errors_per_s,
        p50,
        p99,
        in_flight,
        waiting,
        dead,
    } = &line.figures;
    let count = |count: &Option<u64>| count.map(|count| count as f64);
    let figure = match column {
        Column::Name => None,
        Column::Calls => *calls_per_s,
        Column::Errors => *errors_per_s,
        Column::P50 => p50.map(|p50| p50.as_secs_f64()),
        Column::P99 => p99.map(|p99| p99.as_secs_f64()),
        Column::InFlight => count(in_flight),
        Column::Waiting => count(waiting),
        Column::Dead => count(dead),
        Column::Instances => Some(line.rank as f64),
    };
    figure.unwrap_or(-1.0)
}

/// What a command is called in the table.
pub(super) fn name(key: &Key) -> String {
    let jobs = match key.kind {
        Kind::Call => "",
        Kind::Job => " (jobs)",
    };
    plain(&format!("{}.{}{jobs}", key.node_type, key.command))
}

fn of_command(row: &Row) -> Line {
    let (answered, all) = (row.answered(), row.instances.len());
    Line {
        id: Id::Command(row.key.clone()),
        name: name(&row.key),
        instances: if answered == all {
            all.to_string()
        } else {
            format!("{answered}/{all}")
        },
        figures: row.figures.clone(),
        rank: all as u64,
    }
}

fn of_instance(instance: &Instance) -> Line {
    let (how, rank) = match instance.answered {
        Answered::Yes => ("ok", 0),
        Answered::NoMetrics => ("no metrics", 1),
        Answered::No => ("unreachable", 2),
    };
    Line {
        id: Id::Instance(instance.instance.clone()),
        name: plain(&instance.instance),
        instances: how.to_owned(),
        figures: instance.figures.clone(),
        rank,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::commands::top::rates::tests::{after, command, heard, sample, silent};

    /// `Billing.charge` with 10 calls/s on two instances, one of which is silent; `Billing.export` with 1 call/s, and
    /// its jobs.
    pub(crate) fn state() -> State {
        let start = Instant::now();
        let at = |at: Instant, charges: u64, exports: u64| {
            let commands = json!([
                command("charge", "server", charges, 0),
                command("export", "server", exports, 0),
                command("export", "job", 1, 0),
            ]);
            let queues =
                json!([{"command": "export", "shared": true, "waiting": 1_234, "dead": 5}]);
            sample(vec![heard("b1", at, commands, queues), silent("b2")])
        };
        let before = at(start, 5, 0);
        let now = at(start + Duration::from_secs(1), 15, 1);
        let mut state = State::new("Shop");
        state.rows = after(&before).rows(&now);
        state.totals = Totals::of(&now, &state.rows);
        state
    }

    fn names(state: &State) -> Vec<String> {
        let lines = state.lines().into_iter();
        lines.map(|line| line.name).collect()
    }

    fn selected(state: &State) -> String {
        let lines = state.lines();
        lines[state.place(&lines).unwrap()].name.clone()
    }

    #[test]
    fn lines_are_sorted_by_the_column_and_reversed() {
        let mut state = state();
        let by_calls = ["Billing.charge", "Billing.export", "Billing.export (jobs)"];
        assert_eq!(names(&state), by_calls);
        state.reversed = true;
        assert_eq!(names(&state)[2], "Billing.charge");
        state.reversed = false;
        state.sort = Column::Waiting;
        assert_eq!(names(&state)[0], "Billing.export (jobs)");
        for _ in COLUMNS {
            state.sort_by_next();
        }
        assert_eq!(state.sort, Column::Waiting);
    }

    #[test]
    fn the_selection_stays_with_its_command() {
        let mut state = state();
        assert_eq!(selected(&state), "Billing.charge");
        state.move_by(1);
        assert_eq!(selected(&state), "Billing.export");
        state.reversed = true;
        assert_eq!(selected(&state), "Billing.export");
        state.move_by(100);
        assert_eq!(selected(&state), "Billing.charge");
        state.move_by(-100);
        assert_eq!(selected(&state), "Billing.export (jobs)");
    }

    #[test]
    fn the_filter_finds_parts_of_names() {
        let mut state = state();
        "EXPORT".chars().for_each(|char| state.add_to_filter(char));
        assert_eq!(names(&state).len(), 2);
        state.add_to_filter('x');
        assert_eq!(state.place(&state.lines()), None);
        state.move_by(1);
        (0..1_000).for_each(|_| state.add_to_filter('x'));
        assert_eq!(state.filter.len(), MAX_FILTER);
    }

    #[test]
    fn a_command_is_entered_and_left() {
        let mut state = state();
        state.enter();
        assert_eq!(names(&state), ["b1", "b2"]);
        assert_eq!(state.lines()[1].instances, "unreachable");
        state.enter();
        assert_eq!(names(&state), ["b1", "b2"]);
        state.leave();
        assert_eq!(selected(&state), "Billing.charge");
    }

    #[test]
    fn of_a_command_that_is_gone_nothing_is_listed() {
        let mut state = state();
        state.enter();
        let charge = state.rows.remove(0);
        assert!(names(&state).is_empty());
        state.move_by(1);
        state.enter();
        assert_eq!(state.inside, Some(charge.key));
        state.leave();
        assert_eq!(names(&state).len(), 2);
    }

    #[test]
    fn names_do_not_steer_the_terminal() {
        let mut state = state();
        state.rows[0].key.node_type = "Bil\u{1b}[2Jling".to_owned();
        state.rows[0].instances[0].instance = "b\u{202e}1".to_owned();
        assert_eq!(names(&state)[0], "Bil\u{fffd}[2Jling.charge");
        state.enter();
        assert_eq!(names(&state)[0], "b\u{fffd}1");
    }
}
