//! The log of this process, for tests to read. All tests of a binary share one log: each looks for words of its own.

use std::{
    io,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

static LINES: Mutex<String> = Mutex::new(String::new());
static GROWN: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::Sender::new(()));

/// Starts the log, once.
pub(crate) fn start() {
    static STARTED: LazyLock<()> = LazyLock::new(|| {
        tracing_subscriber::fmt()
            .with_env_filter("mesh_runtime=info")
            .with_ansi(false)
            .with_writer(Writer)
            .init();
    });
    *STARTED;
}

fn lines() -> MutexGuard<'static, String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(words: &[&str]) -> Option<String> {
    lines()
        .lines()
        .find(|line| words.iter().all(|word| line.contains(word)))
        .map(str::to_owned)
}

/// Waits for a line with all these words in it.
pub(crate) async fn line(words: &[&str]) -> String {
    let mut grown = GROWN.subscribe();
    loop {
        if let Some(line) = find(words) {
            return line;
        }
        let waiting = tokio::time::timeout(super::NEVER / 2, grown.changed());
        if waiting.await.is_err() {
            panic!("no line with {words:?} in the log:\n{}", lines());
        }
    }
}

#[derive(Clone, Copy)]
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lines().push_str(&String::from_utf8_lossy(bytes));
        GROWN.send_replace(());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}
