//! Why a process of the shop fails, and with which exit code.

use std::{io, process::ExitStatus, time::Duration};

use mesh_runtime::{CallError, Incomplete, NotReady, StartError};
use mesh_shop::{checkout::CheckoutError, orders::ReadError};

use crate::{stop::Why, totals::Mismatch};

/// Why a process of the shop fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopError {
    #[error("{0}")]
    Orders(#[from] ReadError),
    #[error("{who} did not start: {source}")]
    Start { who: String, source: StartError },
    #[error("{0} (are all processes running, with the same keys and the same master?)")]
    NotReady(#[from] NotReady),
    #[error("{first}{}", and_more(.others))]
    Failed {
        first: Box<CheckoutError>,
        others: usize,
    },
    #[error("{what}: {source}")]
    Call {
        what: &'static str,
        source: CallError,
    },
    #[error("{what}: {source}")]
    Gather {
        what: &'static str,
        source: Incomplete,
    },
    #[error("the sums do not add up: {0}")]
    Mismatch(#[from] Mismatch),
    #[error("{0}; {1} orders were not placed, and {2} were given up halfway")]
    GaveUp(Why, usize, usize),
    #[error("{0}")]
    Stopped(Why),
    #[error("{name} could not be started: {source}")]
    Spawn { name: String, source: io::Error },
    #[error("{name} ended too early ({status}): the run failed")]
    EndedEarly { name: String, status: ExitStatus },
    #[error("{name} did not tell its address within {after:?}")]
    NoAddress { name: String, after: Duration },
    #[error("{name} did not end well: {how}")]
    BadEnd { name: String, how: String },
    /// The gateway has already reported what was wrong.
    #[error("the gateway failed ({status})")]
    Gateway { status: ExitStatus },
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
}

fn and_more(number: &usize) -> String {
    match number {
        0 => String::new(),
        more => format!(" ({more} more orders failed)"),
    }
}

impl ShopError {
    /// 2 if the input is wrong, 128 plus the signal's number if a signal ended the process, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Orders(_) => 2,
            Self::GaveUp(why, ..) | Self::Stopped(why) => why.exit_code(),
            Self::Gateway { status } => {
                match status.code().and_then(|code| u8::try_from(code).ok()) {
                    None | Some(0) => 1,
                    Some(code) => code,
                }
            }
            _ => 1,
        }
    }
}
