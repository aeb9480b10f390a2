//! The shop with its real processes: what it prints, how it ends, and that it leaves no process behind.
#![cfg(unix)]

mod by_hand;
mod ends;
mod process;
mod run;
