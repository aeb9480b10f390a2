//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::State;

/// How many lines a page has.
const PAGE: isize = 10;

/// Whether to go on after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Quit,
}

/// The keys, for the help.
pub(super) const HELP: [(&str, &str); 9] = [
    ("↑ ↓ j k", "select a line"),
    ("Enter", "list the instances of the command"),
    ("Esc", "back to the commands; clears the filter"),
    ("s", "sort by the next column"),
    ("r", "reverse the order"),
    ("/", "filter by text: Enter ends it, Esc clears it"),
    ("p", "pause"),
    ("?", "this help"),
    ("q Ctrl-C", "quit"),
];

/// Changes the state as the key says.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Next {
    if key.kind == KeyEventKind::Release {
        return Next::GoOn;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Next::Quit,
            _ => Next::GoOn,
        };
    }
    if state.filtering {
        type_filter(state, key.code);
        return Next::GoOn;
    }
    if state.help {
        state.help = false;
        return Next::GoOn;
    }
    match key.code {
        KeyCode::Char('q') => return Next::Quit,
        KeyCode::Up | KeyCode::Char('k') => state.move_by(-1),
        KeyCode::Down | KeyCode::Char('j') => state.move_by(1),
        KeyCode::PageUp => state.move_by(-PAGE),
        KeyCode::PageDown => state.move_by(PAGE),
        KeyCode::Home => state.move_by(isize::MIN),
        KeyCode::End => state.move_by(isize::MAX),
        KeyCode::Enter => state.enter(),
        KeyCode::Esc => back(state),
        KeyCode::Char('s') => state.sort_by_next(),
        KeyCode::Char('r') => state.reversed = !state.reversed,
        KeyCode::Char('/') => state.filtering = true,
        KeyCode::Char('p') => state.paused = !state.paused,
        KeyCode::Char('?') => state.help = true,
        _ => {}
    }
    Next::GoOn
}

fn type_filter(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Enter => state.filtering = false,
        KeyCode::Esc => {
            state.filtering = false;
            state.filter.clear();
        }
        KeyCode::Backspace => {
            state.filter.pop();
        }
        KeyCode::Char(char) => state.add_to_filter(char),
        _ => {}
    }
}

/// The filter is cleared first, and then the instances are left.
fn back(state: &mut State) {
    if !state.filter.is_empty() {
        state.filter.clear();
    } else if state.inside.is_some() {
        state.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::top::state::{Column, tests::state};

    fn press_all(state: &mut State, codes: &[KeyCode]) {
        for code in codes {
            let key = KeyEvent::new(*code, KeyModifiers::NONE);
            assert_eq!(press(state, key), Next::GoOn);
        }
    }

    fn selected(state: &State) -> String {
        let lines = state.lines();
        lines[state.place(&lines).unwrap()].name.clone()
    }

    #[test]
    fn q_and_ctrl_c_quit_and_q_is_a_letter_in_a_filter() {
        let mut state = state();
        let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(&mut state, q), Next::Quit);
        assert_eq!(press(&mut state, ctrl_c), Next::Quit);
        press_all(&mut state, &[KeyCode::Char('/'), KeyCode::Char('q')]);
        assert_eq!(state.filter, "q");
        assert_eq!(press(&mut state, ctrl_c), Next::Quit);
    }

    #[test]
    fn arrows_and_letters_select() {
        let mut state = state();
        press_all(&mut state, &[KeyCode::Down, KeyCode::Char('j')]);
        assert_eq!(selected(&state), "Billing.export (jobs)");
        press_all(&mut state, &[KeyCode::Up, KeyCode::Char('k')]);
        assert_eq!(selected(&state), "Billing.charge");
        press_all(&mut state, &[KeyCode::End]);
        assert_eq!(selected(&state), "Billing.export (jobs)");
        press_all(&mut state, &[KeyCode::Home]);
        assert_eq!(selected(&state), "Billing.charge");
    }

    #[test]
    fn a_filter_is_typed_kept_and_cleared() {
        let mut state = state();
        let typed = [
            KeyCode::Char('/'),
            KeyCode::Char('e'),
            KeyCode::Char('x'),
            KeyCode::Char('y'),
            KeyCode::Backspace,
            KeyCode::Enter,
        ];
        press_all(&mut state, &typed);
        assert_eq!((&*state.filter, state.filtering), ("ex", false));
        press_all(&mut state, &[KeyCode::Esc]);
        assert_eq!(state.filter, "");
        press_all(&mut state, &typed[..2]);
        press_all(&mut state, &[KeyCode::Esc]);
        assert_eq!((&*state.filter, state.filtering), ("", false));
    }

    #[test]
    fn enter_goes_in_and_escape_comes_back() {
        let mut state = state();
        press_all(&mut state, &[KeyCode::Enter]);
        assert_eq!(selected(&state), "b1");
        press_all(&mut state, &[KeyCode::Esc]);
        assert_eq!(selected(&state), "Billing.charge");
        press_all(&mut state, &[KeyCode::Esc]);
        assert_eq!(selected(&state), "Billing.charge");
    }

    #[test]
    fn the_order_the_pause_and_the_help_are_switched() {
        let mut state = state();
        press_all(&mut state, &[KeyCode::Char('s'), KeyCode::Char('r')]);
        assert_eq!((state.sort, state.reversed), (Column::Errors, true));
        press_all(&mut state, &[KeyCode::Char('p'), KeyCode::Char('?')]);
        assert!(state.paused && state.help);
        press_all(&mut state, &[KeyCode::Char('p')]);
        assert!(state.paused && !state.help);
    }
}
