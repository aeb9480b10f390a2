//! The live table: draws what is sampled, and listens to the keys.

use std::{
    io::{self, IsTerminal},
    pin::pin,
    thread,
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::{
        event::{self, Event},
        terminal,
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    keys::{self, Next},
    rates::{Before, Totals},
    sample::Sampler,
    state::State,
    view::{self, MIN_HEIGHT, MIN_WIDTH},
};
use crate::error::{CliError, Result};

/// How many keys may wait for being used.
const MAX_EVENTS: usize = 64;

/// How long to wait for a key before looking whether somebody still listens.
const LISTEN: Duration = Duration::from_millis(100);

/// Gives the terminal back when it is dropped, also after an error.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Checks that there is a terminal, and that it is large enough.
pub(super) fn check_terminal() -> Result<()> {
    let hint = "--once prints a plain table once, --json a line in each interval";
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(
            CliError::usage("the live table needs a terminal, and this is none").hint(hint),
        );
    }
    let (width, height) = terminal::size()?;
    if width < MIN_WIDTH || height < MIN_HEIGHT {
        return Err(CliError::usage(format!(
            "the terminal has {width} × {height} characters, and the live table needs {MIN_WIDTH} × {MIN_HEIGHT}"
        ))
        .hint(hint));
    }
    Ok(())
}

/// Shows the table until somebody quits. Panics give the terminal back, too: ratatui sees to that.
pub(super) async fn run(sampler: Sampler, interval: Duration) -> Result<()> {
    let restore = Restore;
    let terminal = ratatui::try_init()?;
    let state = State::new(sampler.mesh());
    let shown = Screen { terminal, state }.show(sampler, interval).await;
    drop(restore);
    shown
}

/// The terminal, and what is on it.
struct Screen {
    terminal: DefaultTerminal,
    state: State,
}

impl Screen {
    async fn show(mut self, mut sampler: Sampler, interval: Duration) -> Result<()> {
        let mut events = listen();
        let mut terminated = pin!(terminated());
        let mut before = Before::default();
        self.draw()?;
        loop {
            let next = Instant::now() + interval;
            let sample = {
                let mut sampling = pin!(sampler.sample());
                loop {
                    tokio::select! {
                        sample = &mut sampling => break sample,
                        event = events.recv() => {
                            if self.handle(event)? == Next::Quit {
                                return Ok(());
                            }
                        }
                        () = &mut terminated => return Ok(()),
                    }
                }
            };
            if !self.state.paused {
                self.state.rows = before.rows(&sample);
                self.state.totals = Totals::of(&sample, &self.state.rows);
            }
            before.remember(sample);
            self.draw()?;
            let mut waiting = pin!(sleep_until(next));
            loop {
                tokio::select! {
                    () = &mut waiting => break,
                    event = events.recv() => {
                        if self.handle(event)? == Next::Quit {
                            return Ok(());
                        }
                    }
                    () = &mut terminated => return Ok(()),
                }
            }
        }
    }

    /// Does what a key says, and draws again. Without any more events there is nobody who could quit.
    fn handle(&mut self, event: Option<io::Result<Event>>) -> Result<Next> {
        let next = match event.transpose()? {
            Some(Event::Key(key)) => keys::press(&mut self.state, key),
            Some(_) => Next::GoOn,
            None => Next::Quit,
        };
        self.draw()?;
        Ok(next)
    }

    fn draw(&mut self) -> Result<()> {
        let state = &self.state;
        self.terminal.draw(|frame| view::draw(frame, state))?;
        Ok(())
    }
}

/// Reads keys on a thread of its own, which ends soon after nobody listens any more.
fn listen() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, events) = mpsc::channel(MAX_EVENTS);
    thread::spawn(move || {
        while !sender.is_closed() {
            let read = match event::poll(LISTEN) {
                Ok(true) => event::read(),
                Ok(false) => continue,
                Err(error) => Err(error),
            };
            let is_last = read.is_err();
            if sender.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    events
}

/// Waits until the process is asked to end.
#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
