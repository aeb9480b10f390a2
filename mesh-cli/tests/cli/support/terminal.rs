//! The command on a terminal: what it shows, and keys that are pressed.

use std::time::Duration;

use pty_process::{Pty, Size};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
    time::timeout,
};

use super::Cli;

const ROWS: u16 = 30;
const COLUMNS: u16 = 120;

/// How long the command may take to show something, or to end.
const LIMIT: Duration = Duration::from_secs(30);

/// A terminal on which the command runs.
pub(crate) struct Terminal {
    pty: Pty,
    parser: vt100::Parser,
    child: Child,
}

/// How a terminal was left.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) code: Option<i32>,
    pub(crate) alternate_screen: bool,
    pub(crate) cursor_is_hidden: bool,
}

impl Terminal {
    /// Starts the command.
    pub(crate) fn start(cli: &Cli) -> Self {
        let (pty, pts) = pty_process::open().expect("a pseudo-terminal");
        pty.resize(Size::new(ROWS, COLUMNS)).expect("its size");
        let command = pty_process::Command::from(cli.command());
        let child = command.env("TERM", "xterm-256color").spawn(pts);
        Self {
            pty,
            parser: vt100::Parser::new(ROWS, COLUMNS, 0),
            child: child.expect("the command starts"),
        }
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// Whether the screen is one of its own, which the terminal forgets at the end.
    pub(crate) fn is_alternate_screen(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Waits until the screen is as wanted.
    pub(crate) async fn shows(&mut self, what: &str, is_shown: impl Fn(&str) -> bool) {
        let shown = timeout(LIMIT, async {
            while !is_shown(&self.screen()) {
                assert!(self.read().await, "the command has ended");
            }
        })
        .await;
        assert!(
            shown.is_ok(),
            "{what} is not on the screen:\n{}",
            self.screen()
        );
    }

    /// Waits until a text is on the screen.
    pub(crate) async fn shows_text(&mut self, text: &str) {
        self.shows(text, |screen| screen.contains(text)).await;
    }

    /// Presses keys.
    pub(crate) async fn press(&mut self, keys: &str) {
        let pressed = self.pty.write_all(keys.as_bytes()).await;
        pressed.expect("the command reads keys");
    }

    /// Waits until the command has ended.
    pub(crate) async fn end(mut self) -> Left {
        let ended = timeout(LIMIT, async {
            while self.read().await {}
            self.child.wait().await
        });
        let status = ended.await.expect("the command ends in time");
        let screen = self.parser.screen();
        Left {
            code: status.expect("it can be waited for").code(),
            alternate_screen: screen.alternate_screen(),
            cursor_is_hidden: screen.hide_cursor(),
        }
    }

    /// Reads some output. `false` if there is no more, which Linux tells by an error.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.pty.read(&mut bytes).await {
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.parser.process(&bytes[..length]);
                true
            }
        }
    }
}
