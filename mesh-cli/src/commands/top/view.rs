//! Draws the table. It only reads the state.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line as TextLine, Span},
    widgets::{Block, Cell, Clear, Paragraph, Row, Table, TableState},
};

use super::{
    cells,
    keys::HELP,
    state::{self, COLUMNS, Column, Line, State},
};

/// The smallest terminal in which the table makes sense.
pub(super) const MIN_WIDTH: u16 = 80;
pub(super) const MIN_HEIGHT: u16 = 8;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
const ALARM: Style = Style::new().fg(Color::Red);

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        let text = format!("too small: this needs {MIN_WIDTH} × {MIN_HEIGHT}. q quits");
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let [header, what, table, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(totals(state)), header);
    frame.render_widget(Paragraph::new(listed(state)), what);
    draw_table(frame, state, table);
    frame.render_widget(Paragraph::new(keys(state)), footer);
    if state.help {
        draw_help(frame, area);
    }
}

/// The mesh as a whole.
fn totals(state: &State) -> TextLine<'static> {
    let totals = &state.totals;
    let mut spans = vec![
        Span::styled(state.mesh.clone(), BOLD),
        Span::raw(format!("  {}", cells::nodes(totals))),
    ];
    if totals.unreachable > 0 {
        let text = format!("  {} unreachable", totals.unreachable);
        spans.push(Span::styled(text, ALARM));
    }
    if totals.no_metrics > 0 {
        spans.push(Span::raw(format!("  {} no metrics", totals.no_metrics)));
    }
    let calls = cells::rate(totals.calls_per_s);
    let errors = cells::rate(totals.errors_per_s);
    spans.push(Span::raw(format!("  {calls} calls/s  {errors} errors/s")));
    if totals.master_lost {
        spans.push(Span::styled("  master does not answer", ALARM));
    }
    if state.paused {
        spans.push(Span::styled("  paused", BOLD));
    }
    TextLine::from(spans)
}

/// What is listed: all commands or the instances of one, and by which filter.
fn listed(state: &State) -> TextLine<'static> {
    let what = match &state.inside {
        Some(key) => format!("instances of {}", state::name(key)),
        None => "commands".to_owned(),
    };
    let mut spans = vec![Span::styled(what, DIM)];
    if state.filtering {
        spans.push(Span::raw(format!("  filter: {}▏", state.filter)));
    } else if !state.filter.is_empty() {
        spans.push(Span::raw(format!("  filter: {}", state.filter)));
    }
    TextLine::from(spans)
}

fn draw_table(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let lines = state.lines();
    let mut selection = TableState::new().with_selected(state.place(&lines));
    let widths = COLUMNS.map(|column| width(column, state.inside.is_some()));
    let rows = lines.iter().map(row);
    let table = Table::new(rows, widths)
        .header(Row::new(COLUMNS.map(|column| heading(state, column))).style(BOLD))
        .row_highlight_style(SELECTED)
        .column_spacing(1);
    frame.render_stateful_widget(table, area, &mut selection);
    if lines.is_empty() {
        let below = Rect {
            y: area.y.saturating_add(1),
            height: area.height.saturating_sub(1).min(1),
            ..area
        };
        frame.render_widget(Paragraph::new(nothing(state)), below);
    }
}

/// Why there are no lines.
fn nothing(state: &State) -> &'static str {
    if !state.filter.is_empty() {
        "nothing has this text in its name: Esc clears the filter"
    } else if state.totals.nodes == 0 {
        "no node is registered"
    } else if state.inside.is_some() {
        "this command is no longer there: Esc lists the others"
    } else {
        "no command is known yet"
    }
}

fn row(line: &Line) -> Row<'static> {
    let has_errors = line.figures.errors_per_s.is_some_and(|errors| errors > 0.0);
    Row::new(COLUMNS.map(|column| {
        let cell = cell(cells::text(line, column), column);
        match column {
            Column::Errors if has_errors => cell.style(ALARM),
            _ => cell,
        }
    }))
}

fn heading(state: &State, column: Column) -> Cell<'static> {
    let heading = match (column, state.inside.is_some()) {
        (Column::Name, true) => "INSTANCE",
        (Column::Instances, true) => "STATE",
        _ => cells::heading(column),
    };
    let mark = match (column == state.sort, state.reversed) {
        (false, _) => "",
        (true, false) => "▼",
        (true, true) => "▲",
    };
    cell(format!("{heading}{mark}"), column)
}

/// Names are on the left, figures on the right.
fn cell(text: String, column: Column) -> Cell<'static> {
    let line = TextLine::from(text);
    Cell::new(match column {
        Column::Name => line,
        _ => line.right_aligned(),
    })
}

fn width(column: Column, of_instances: bool) -> Constraint {
    match column {
        Column::Name => Constraint::Min(12),
        Column::Calls => Constraint::Length(8),
        Column::Errors => Constraint::Length(7),
        Column::P50 | Column::P99 | Column::InFlight => Constraint::Length(7),
        Column::Waiting | Column::Dead => Constraint::Length(6),
        Column::Instances if of_instances => Constraint::Length(11),
        Column::Instances => Constraint::Length(6),
    }
}

fn keys(state: &State) -> TextLine<'static> {
    let text = if state.filtering {
        "type a part of a name   Enter done   Esc clear"
    } else if state.inside.is_some() {
        "Esc back   s sort   r reverse   / filter   p pause   ? help   q quit"
    } else {
        "Enter instances   s sort   r reverse   / filter   p pause   ? help   q quit"
    };
    TextLine::styled(text, DIM)
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let lines = HELP.iter().map(|(key, what)| {
        TextLine::from(vec![
            Span::styled(format!(" {key:<9} "), BOLD),
            Span::raw(*what),
        ])
    });
    let lines: Vec<TextLine<'_>> = lines.collect();
    // The keys, and the border around them.
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let area = area.centered(Constraint::Length(60), Constraint::Length(height));
    frame.render_widget(Clear, area);
    let help = Paragraph::new(lines).block(Block::bordered().title(" Keys "));
    frame.render_widget(help, area);
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::commands::top::state::tests::state;

    /// What is on a terminal of this size.
    fn drawn(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    fn line_with(screen: &str, text: &str) -> String {
        let mut lines = screen.lines();
        lines
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text:?} is not in:\n{screen}"))
            .to_owned()
    }

    #[test]
    fn the_table_has_a_line_for_each_command() {
        let screen = drawn(&state(), 100, 12);
        let header = line_with(&screen, "Shop");
        assert!(header.contains("2 nodes  1 unreachable"), "{header}");
        assert!(header.contains("11 calls/s  0 errors/s"), "{header}");
        line_with(&screen, "CALLS/S▼");
        let charge = line_with(&screen, "Billing.charge");
        assert!(charge.contains(" 10 "), "{charge}");
        assert!(charge.contains("1/2"), "{charge}");
        let jobs = line_with(&screen, "Billing.export (jobs)");
        assert!(jobs.contains("1,234"), "{jobs}");
    }

    #[test]
    fn the_instances_of_a_command_are_listed_also_those_without_an_answer() {
        let mut state = state();
        state.enter();
        let screen = drawn(&state, 100, 12);
        line_with(&screen, "instances of Billing.charge");
        line_with(&screen, "INSTANCE");
        assert!(line_with(&screen, "b1").contains("ok"));
        assert!(line_with(&screen, "b2").contains("unreachable"));
    }

    #[test]
    fn help_filter_pause_and_a_lost_master_are_seen() {
        let mut state = state();
        state.paused = true;
        state.totals.master_lost = true;
        state.filter = "xyz".to_owned();
        let screen = drawn(&state, 100, 14);
        assert!(line_with(&screen, "paused").contains("master does not answer"));
        line_with(&screen, "filter: xyz");
        line_with(&screen, "nothing has this text in its name");
        state.help = true;
        line_with(&drawn(&state, 100, 14), "list the instances");
    }

    #[test]
    fn the_selected_line_is_on_the_screen() {
        let mut state = state();
        let row = state.rows[0].clone();
        for number in 0..100 {
            let mut row = row.clone();
            row.key.command = format!("other_{number:03}");
            state.rows.push(row);
        }
        state.sort = Column::Name;
        state.move_by(1_000);
        line_with(&drawn(&state, 100, 12), "Billing.other_099");
    }

    #[test]
    fn every_size_can_be_drawn() {
        let mut state = state();
        state.help = true;
        for (width, height) in [(1, 1), (10, 3), (79, 8), (80, 8), (81, 24), (300, 100)] {
            drawn(&state, width, height);
        }
        assert!(drawn(&state, 60, 20).contains("too small"));
        assert!(drawn(&State::new("Shop"), 80, 24).contains("no node is registered"));
    }
}
