//! How calls are made: a fixed number at once, each caller one after the other; or at a fixed rate, whether or not they
//! return.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{Failure, payload::Payload, sides::cpu_time, stats::Latencies};

/// Anything that sends back what it gets. A clone is another caller of the same peer.
pub(crate) trait Echo<P = Bytes>: Clone + Send + Sync + 'static {
    fn echo(&mut self, payload: P) -> impl Future<Output = Result<P, Failure>> + Send;
}

/// The result of one round.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) per_s: f64,
    pub(crate) latencies: Latencies,
    /// Processor time of all that took part, in microseconds per call, which is milliseconds per thousand calls.
    pub(crate) cpu_us: f64,
}

/// Calls from `inflight` callers for this long. Must run on the client's thread.
pub(crate) async fn closed<P: Payload, E: Echo<P>>(
    echo: E,
    payload: P,
    inflight: usize,
    span: Duration,
    other: Option<u32>,
) -> Result<Round, Failure> {
    let cpu = cpu_time(other)?;
    let begun = Instant::now();
    let callers = (0..inflight).map(|_| {
        let (mut echo, payload) = (echo.clone(), payload.clone());
        tokio::spawn(async move {
            let mut spans = Vec::new();
            let mut last = Instant::now();
            while last - begun < span {
                let answer = echo.echo(payload.clone()).await?;
                if answer.len() != payload.len() {
                    return Err(Failure::from("an echo of another length"));
                }
                let now = Instant::now();
                spans.push(now - last);
                last = now;
            }
            Ok(spans)
        })
    });
    let mut latencies = Latencies::default();
    let mut calls = 0;
    for caller in join_all(callers).await {
        for span in caller?? {
            latencies.push(span);
            calls += 1;
        }
    }
    let (span, cpu) = (begun.elapsed(), cpu_time(other)?.saturating_sub(cpu));
    Ok(Round {
        per_s: f64::from(calls) / span.as_secs_f64(),
        latencies,
        cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(calls),
    })
}

/// Maximum number of open calls in [`open`]. A further call waits, and its wait is included in its time.
const MAX_OPEN: usize = 4096;

/// Starts `rate` calls per second for this long, each in a task of its own, in a burst each millisecond. A call's time
/// counts from when it was due. Must run on the client's thread.
pub(crate) async fn open<E: Echo>(
    echo: E,
    bytes: usize,
    rate: usize,
    span: Duration,
    other: Option<u32>,
) -> Result<Round, Failure> {
    let payload = Bytes::from(vec![7; bytes]);
    let room = std::sync::Arc::new(Semaphore::new(MAX_OPEN));
    let burst = (rate / 1000).max(1);
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    let mut round = Round::default();
    let mut answered = 0;
    let cpu = cpu_time(other)?;
    let begun = Instant::now();
    loop {
        let due = ticks.tick().await.into_std();
        if begun.elapsed() >= span {
            break;
        }
        for _ in 0..burst {
            let permit = std::sync::Arc::clone(&room).acquire_owned().await?;
            let (mut echo, payload) = (echo.clone(), payload.clone());
            calls.spawn(async move {
                let answer = echo.echo(payload).await;
                drop(permit);
                answer.map(|_| due.elapsed())
            });
        }
        while let Some(call) = calls.try_join_next() {
            round.latencies.push(call??);
            answered += 1;
        }
    }
    while let Some(call) = calls.join_next().await {
        round.latencies.push(call??);
        answered += 1;
    }
    round.per_s = f64::from(answered) / begun.elapsed().as_secs_f64();
    round.cpu_us = cpu_time(other)?.saturating_sub(cpu).as_secs_f64() * 1e6 / f64::from(answered);
    Ok(round)
}
