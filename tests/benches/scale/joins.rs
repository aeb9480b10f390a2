//! What it costs the master that a node joins or leaves, as the mesh grows: for a node that all others are told about,
//! and for one that no other is told about.

use std::{fmt, thread, time::Duration};

use crate::{
    Failure,
    fit::exponent,
    process::{Heartbeat, Site},
    processor::processor_time,
    stats::{median, number, ratio},
    traffic::Sockets,
};

/// Time for the master to finish the work that is left when all nodes have been told of a change, such as reading
/// acknowledgements.
const REST: Duration = Duration::from_millis(30);
/// Workers that join or leave in one window: one alone takes too little time to be measured.
const QUIET: usize = 10;

/// How much is measured.
pub(crate) struct Extent {
    /// How many workers are already there.
    pub(crate) workers: &'static [usize],
    /// How many hubs join and leave, one after the other. [`QUIET`] workers join and leave the same number of times.
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

/// Measures one growing mesh.
pub(crate) fn measure(extent: &Extent) -> Result<Joins, Failure> {
    let most = extent.workers.last().copied().unwrap_or(0);
    let files = most * (3 + extent.times) + 1_000;
    let mut site = Site::start(2, files, Heartbeat::Rare)?;
    // One hub always exists, so that a worker's view is not empty.
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
    // A longer rest here: the work that the growth has caused must finish.
    thread::sleep(REST * 20);
    let mut joins = Costs::default();
    for joined in 1..=extent.times {
        let window = meter.window()?;
        joining.ask("start 1 0")?;
        crowd.ask(&format!("linked {}", joined + 1))?;
        joins.push(window.end(1)?);
    }
    let mut leaves = Costs::default();
    for left in 1..=extent.times {
        let window = meter.window()?;
        joining.tell("stop 1 0")?;
        crowd.ask(&format!("parted {}", extent.times + 1 - left))?;
        leaves.push(window.end(1)?);
        // The hub is still closing its connections, and some of them take a while.
        joining.answer()?;
    }
    let mut quiet = |what: &str| -> Result<Cost, Failure> {
        let mut costs = Costs::default();
        for _ in 0..extent.times {
            let window = meter.window()?;
            for _ in 0..QUIET {
                joining.ask(what)?;
            }
            costs.push(window.end(QUIET)?);
        }
        Ok(costs.median())
    };
    Ok(Figures {
        workers,
        join: joins.median(),
        leave: leaves.median(),
        quiet_join: quiet("start 0 1 linked 1")?,
        quiet_leave: quiet("stop 0 1")?,
    })
}

/// Reads what the master has used.
struct Meter {
    master: u32,
    port: u16,
}

impl Meter {
    fn window(&self) -> Result<Window<'_>, Failure> {
        Ok(Window {
            sent: Sockets::at(&[self.port])?,
            spent: processor_time(self.master)?,
            meter: self,
        })
    }
}

/// A period in which something happens. Everything that the master does in it counts, including the traffic that keeps
/// idle connections alive. That traffic comes in bursts every few seconds, which the median of several windows ignores.
struct Window<'a> {
    meter: &'a Meter,
    sent: Sockets,
    spent: Duration,
}

impl Window<'_> {
    /// The cost of each of the `things` that happened.
    fn end(self, things: usize) -> Result<Cost, Failure> {
        thread::sleep(REST);
        let Meter { master, port } = *self.meter;
        let spent = processor_time(master)? - self.spent;
        let sent = Sockets::at(&[port])?.sent_since(&self.sent, port);
        Ok(Cost {
            micros: spent.as_secs_f64() * 1e6 / things as f64,
            bytes: sent as f64 / things as f64,
        })
    }
}

/// The costs of several windows.
#[derive(Default)]
struct Costs {
    micros: Vec<f64>,
    bytes: Vec<f64>,
}

impl Costs {
    fn push(&mut self, cost: Cost) {
        self.micros.push(cost.micros);
        self.bytes.push(cost.bytes);
    }

    fn median(&self) -> Cost {
        Cost {
            micros: median(&self.micros),
            bytes: median(&self.bytes),
        }
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
