//! What it costs the master that a node joins or leaves, as the mesh grows: one that concerns everybody, and one that
//! concerns nobody.

use std::{fmt, thread, time::Duration};

use crate::{
    Failure,
    fit::exponent,
    process::{Heartbeat, Process, Site},
    stats::{median, number, ratio},
    traffic::Sockets,
    usage,
};

/// What the master still does when all have heard of a change, such as reading what they acknowledge, is done by then.
const REST: Duration = Duration::from_millis(30);
/// Workers that join or leave in one window: one alone takes too little to be measured.
const QUIET: usize = 10;

/// How much is measured.
pub(crate) struct Extent {
    /// How many workers are there already.
    pub(crate) workers: &'static [usize],
    /// Hubs that join and leave, one after the other, and so many times [`QUIET`] workers.
    pub(crate) times: usize,
}

/// The cost of one join or leave.
#[derive(Clone, Copy)]
struct Cost {
    /// Processor time of the master, in microseconds.
    micros: f64,
    /// Bytes that the master sent.
    bytes: f64,
}

/// What was measured with one number of workers.
struct Figures {
    workers: usize,
    join: Cost,
    leave: Cost,
    quiet_join: Cost,
    quiet_leave: Cost,
}

pub(crate) struct Joins(Vec<Figures>);

/// Measures one mesh that grows.
pub(crate) fn measure(extent: &Extent) -> Result<Joins, Failure> {
    let most = extent.workers.last().copied().unwrap_or(0);
    let files = most * (3 + extent.times) + 1_000;
    let mut site = Site::start(2, files, Heartbeat::Rare)?;
    // One hub is always there, so that a worker's view is not empty.
    let (joining, _) = site.crews.split_first_mut().ok_or("no crew")?;
    joining.ask("start 1 0")?;
    let mut there = 0;
    let mut measured = Vec::new();
    for &workers in extent.workers {
        eprintln!("scale: joins and leaves with {workers} workers there");
        let [_, crowd] = site.crews.as_mut_slice() else {
            return Err("two crews were started".into());
        };
        crowd.ask(&format!("start 0 {} linked 1", workers - there))?;
        there = workers;
        measured.push(one_size(&mut site, workers, extent)?);
    }
    Ok(Joins(measured))
}

fn one_size(site: &mut Site, workers: usize, extent: &Extent) -> Result<Figures, Failure> {
    let Site {
        master,
        port,
        crews,
    } = site;
    let [joining, crowd] = crews.as_mut_slice() else {
        return Err("two crews were started".into());
    };
    let meter = Meter {
        master: master.pid(),
        port: *port,
    };
    // Longer here: what the growth has left is done.
    thread::sleep(REST * 20);
    let mut hubs = 1;
    let join = meter.median(extent.times, 1, || {
        hubs += 1;
        joining.ask("start 1 0")?;
        crowd.ask(&format!("linked {hubs}"))?;
        Ok(())
    })?;
    let leave = meter.median(extent.times, 1, || each(1, joining, "stop 1 0"))?;
    let quiet_join = meter.median(extent.times, QUIET, || {
        each(QUIET, joining, "start 0 1 linked 1")
    })?;
    let quiet_leave = meter.median(extent.times, QUIET, || each(QUIET, joining, "stop 0 1"))?;
    Ok(Figures {
        workers,
        join,
        leave,
        quiet_join,
        quiet_leave,
    })
}

fn each(times: usize, crew: &mut Process, what: &str) -> Result<(), Failure> {
    for _ in 0..times {
        crew.ask(what)?;
    }
    Ok(())
}

/// Tells what the master used for something.
struct Meter {
    master: u32,
    port: u16,
}

impl Meter {
    /// The cost of one of the `things` that `work` does, as the median of so many windows. All that the master does in
    /// a window counts, its pings to idle connections too: these come in bursts every 5 s, which the median passes over.
    fn median(
        &self,
        windows: usize,
        things: usize,
        mut work: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Cost, Failure> {
        let (mut micros, mut bytes) = (Vec::new(), Vec::new());
        for _ in 0..windows {
            let sent = Sockets::at(&[self.port])?;
            let spent = usage::processor_time(self.master)?;
            work()?;
            thread::sleep(REST);
            let spent = usage::processor_time(self.master)? - spent;
            let sent = Sockets::at(&[self.port])?.sent_since(&sent, self.port);
            micros.push(spent.as_secs_f64() * 1e6 / things as f64);
            bytes.push(sent as f64 / things as f64);
        }
        Ok(Cost {
            micros: median(&micros),
            bytes: median(&bytes),
        })
    }
}

impl Joins {
    pub(crate) fn ratios(&self) {
        let grown = |cost: fn(&Figures) -> f64| {
            let costs = self.0.iter();
            let costs = costs.map(|figures| (figures.workers as f64, cost(figures)));
            exponent(&costs.collect::<Vec<_>>())
        };
        let told = |metric, cost| {
            ratio("register", &[("metric", metric)], "told", grown(cost), 1.0);
        };
        told("join_exponent", |figures| figures.join.micros);
        told("leave_exponent", |figures| figures.leave.micros);
        told("join_bytes_exponent", |figures| figures.join.bytes);
        told("leave_bytes_exponent", |figures| figures.leave.bytes);
        let (Some(least), Some(most)) = (self.0.first(), self.0.last()) else {
            return;
        };
        let constant = |metric, cost: fn(&Figures) -> f64| {
            let of = [
                ("nodes", most.workers.to_string()),
                ("metric", String::from(metric)),
            ];
            let of = of.each_ref().map(|(name, value)| (*name, value.as_str()));
            ratio("register", &of, "constant", cost(most), cost(least));
        };
        constant("quiet_join_us", |figures| figures.quiet_join.micros);
        constant("quiet_leave_us", |figures| figures.quiet_leave.micros);
    }
}

impl fmt::Display for Joins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "One join or leave: processor time of the master, and bytes that it sends to those who are told"
        )?;
        let cost = |cost: Cost| format!("{} us, {} B", number(cost.micros), number(cost.bytes));
        for figures in &self.0 {
            writeln!(
                f,
                "  {:>4} workers there   hub: joins {}; leaves {}   worker: joins {} us; leaves {} us",
                figures.workers,
                cost(figures.join),
                cost(figures.leave),
                number(figures.quiet_join.micros),
                number(figures.quiet_leave.micros),
            )?;
        }
        Ok(())
    }
}
