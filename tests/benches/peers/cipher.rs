//! The rate that the cipher alone allows: each call passes it four times (sealed and opened, both ways), on two
//! threads.

use std::{
    thread,
    time::{Duration, Instant},
};

use dryoc::classic::crypto_secretbox::crypto_secretbox_detached;

use crate::Failure;

/// Payload that is sealed at once: as much as fits into one frame.
const CHUNK: usize = 64 * 1024;

/// Calls per second, if only the cipher took time.
pub(crate) fn calls_per_s(bytes: usize, span: Duration) -> Result<f64, Failure> {
    let passes = || move || passes(bytes, span);
    let (one, two) = (thread::spawn(passes()), thread::spawn(passes()));
    let joined = |thread: thread::JoinHandle<Result<f64, Failure>>| {
        thread
            .join()
            .map_err(|_| "the cipher's thread has panicked")?
    };
    Ok((joined(one)? + joined(two)?) / 4.0)
}

/// Passes per second over this many bytes, on this thread.
fn passes(bytes: usize, span: Duration) -> Result<f64, Failure> {
    let (key, nonce, payload) = ([7; 32], [0; 24], vec![7; bytes]);
    let (mut sealed, mut tag) = (vec![0; CHUNK], [0; 16]);
    let begun = Instant::now();
    let mut passes = 0;
    while begun.elapsed() < span {
        for chunk in payload.chunks(CHUNK) {
            crypto_secretbox_detached(&mut sealed, &mut tag, chunk, &nonce, &key)?;
        }
        passes += 1;
    }
    Ok(f64::from(passes) / begun.elapsed().as_secs_f64())
}
