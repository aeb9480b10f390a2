//! Maintains one queue while this process leases from it: renews leases, removes consumers that are gone, and lets jobs
//! run when their time has come.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{queue_entry::Core, scripts, values::millis};
use crate::{backoff::Backoff, queue::QueueError};

/// Renewals in the time of a lease.
const RENEWALS: u32 = 3;
/// A consumer without jobs is gone after so many leases, and this at least: it would have read several times. One that
/// was only quiet comes back with its next read.
const GONE_LEASES: u32 = 2;
const GONE: Duration = Duration::from_secs(5);
/// The pause after a failure to let jobs run: full jitter, of a step that doubles from the first to the longest.
const RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// Runs until it is stopped.
pub(super) async fn keep(core: Arc<Core>, stop: CancellationToken) {
    let mut renewal = interval(core.settings.lease / RENEWALS);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = core.due.subscribe();
    let mut backoff = Backoff::new(RETRY, MAX_RETRY);
    loop {
        let next = *due.borrow_and_update();
        let promotion = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            () = stop.cancelled() => return,
            _ = renewal.tick() => renew(&core).await,
            () = promotion => promote(&core, &mut backoff).await,
            changed = due.changed() => changed.map_err(|_| QueueError::Closed),
        };
        if let Err(error) = done {
            tracing::debug!(queue = %core.name, %error, "the queue could not be looked after");
        }
    }
}

async fn renew(core: &Core) -> Result<(), QueueError> {
    let keys = &core.keys;
    let mut call = scripts::RENEW.prepare_invoke();
    call.key(&keys.jobs).key(&keys.instances);
    call.arg(&core.consumer).arg(&keys.instance);
    call.arg(millis(
        core.settings.lease.saturating_mul(GONE_LEASES).max(GONE),
    ));
    call.arg(core.to_renew());
    let lost: Vec<String> = core.invoke(&call).await?;
    core.forget(&lost);
    Ok(())
}

/// The next time is known only after this one: until then there is none.
async fn promote(core: &Core, backoff: &mut Backoff) -> Result<(), QueueError> {
    core.due.send_replace(None);
    let keys = &core.keys;
    let mut call = scripts::PROMOTE.prepare_invoke();
    call.key(&keys.jobs).key(&keys.later).key(&keys.paused);
    match core.invoke(&call).await {
        Ok(next) => {
            backoff.reset();
            core.note_due(next);
            Ok(())
        }
        Err(error) => {
            core.note_at(Instant::now() + backoff.next());
            Err(error)
        }
    }
}
