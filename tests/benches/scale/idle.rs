//! The memory that an idle link holds, on either side of it.

use std::{fmt, thread, time::Duration};

use crate::{
    Failure,
    process::{Heartbeat, Site},
    stats::ratio,
    usage::{self, Memory},
};

/// Long enough for heartbeats (2 s) and pings (5 s) on every link.
const SETTLE: Duration = Duration::from_secs(6);
/// The most memory that a link may hold, in KiB.
const LIMIT: f64 = 64.0;

/// Memory of a process with one link, and with all links.
struct Side {
    one: Memory,
    all: Memory,
}

pub(crate) struct Idle {
    links: usize,
    accepted: Side,
    dialled: Side,
}

/// Measures one node that accepts this many links, and one that dials as many. The other ends are in another process.
pub(crate) fn measure(links: usize) -> Result<Idle, Failure> {
    eprintln!("scale: a hub accepts {links} links, which then do nothing");
    let accepted = one_side(links, "start 1 0", "start 0 1 linked 1", |links| {
        (
            format!("start 0 {links} linked 1"),
            String::from("linked 0"),
        )
    })?;
    eprintln!("scale: a worker dials {links} hubs; the links then do nothing");
    let dialled = one_side(links, "start 0 1", "start 1 0", |links| {
        (format!("start {links} 0"), format!("linked {}", links + 1))
    })?;
    Ok(Idle {
        links,
        accepted,
        dialled,
    })
}

/// The memory of a process whose one node has links to nodes of another process. The first link exists before the
/// memory is first read, so that the code that links use and other one-time memory of a process are not counted.
fn one_side(
    links: usize,
    node: &str,
    first: &str,
    rest: impl Fn(usize) -> (String, String),
) -> Result<Side, Failure> {
    // Each of the many nodes needs a listener, a connection to the master and a link.
    let mut site = Site::start(2, 4 * links + 500, Heartbeat::Usual)?;
    let [alone, others] = site.crews.as_mut_slice() else {
        return Err("two crews were started".into());
    };
    alone.ask(node)?;
    others.ask(first)?;
    alone.ask("linked 1")?;
    thread::sleep(SETTLE);
    let one = usage::memory(alone.pid())?;
    let (start, linked) = rest(links);
    others.ask(&start)?;
    alone.ask(&linked)?;
    thread::sleep(SETTLE);
    let all = usage::memory(alone.pid())?;
    Ok(Side { one, all })
}

impl Idle {
    fn kib(&self, side: &Side) -> f64 {
        (side.all.resident - side.one.resident) / self.links as f64
    }

    pub(crate) fn ratios(&self) {
        for (name, side) in [("accepted", &self.accepted), ("dialled", &self.dialled)] {
            let of = [("side", name), ("metric", "kib")];
            ratio("idle-link", &of, "limit", self.kib(side), LIMIT);
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Links that do nothing")?;
        for (name, side) in [("accepted", &self.accepted), ("dialled", &self.dialled)] {
            writeln!(
                f,
                "  {name:<9} {:.1} KiB a link: the process holds {:.0} KiB with 1, {:.0} KiB with {}",
                self.kib(side),
                side.one.resident,
                side.all.resident,
                self.links + 1
            )?;
        }
        Ok(())
    }
}
