//! Many nodes that register at once: the time until every view is complete, the bytes sent, and the memory of the
//! master.

use std::{fmt, time::Instant};

use crate::{
    Failure,
    process::{Heartbeat, Site},
    processor::processor_time,
    stats::{median, ratio},
    traffic::Sockets,
    usage,
};

/// Every worker links to each hub.
const HUBS: usize = 10;
/// Processes that the nodes are spread over; the master has one of its own.
const CREWS: usize = 4;
/// The most memory that the master may need, in KiB.
const MASTER_LIMIT: f64 = 128.0 * 1024.0;

/// How much is measured.
pub(crate) struct Extent {
    /// The smaller number of nodes, for comparison.
    pub(crate) few: usize,
    pub(crate) many: usize,
    pub(crate) rounds: usize,
}

/// The results for one number of nodes, one value per round.
#[derive(Default)]
struct Figures {
    nodes: usize,
    /// The time until every worker is linked to every hub.
    seconds: Vec<f64>,
    /// The processor time of the master in that period.
    master_seconds: Vec<f64>,
    /// Sent by the master, in KiB.
    master_sent: Vec<f64>,
    /// Sent by all processes, in KiB.
    all_sent: Vec<f64>,
    /// Memory of the master without a node, at the end, and at its peak, in KiB.
    master_before: Vec<f64>,
    master_resident: Vec<f64>,
    master_peak: Vec<f64>,
}

pub(crate) struct Registered {
    few: Figures,
    many: Figures,
}

/// Measures both numbers of nodes alternately.
pub(crate) fn measure(extent: &Extent) -> Result<Registered, Failure> {
    let figures = |nodes| Figures {
        nodes,
        ..Figures::default()
    };
    let (mut few, mut many) = (figures(extent.few), figures(extent.many));
    for round in 1..=extent.rounds {
        for figures in [&mut few, &mut many] {
            eprintln!(
                "scale: {} nodes register at once, round {round} of {}",
                figures.nodes, extent.rounds
            );
            figures.round()?;
        }
    }
    Ok(Registered { few, many })
}

/// The share of the crew with this index.
fn share(of: usize, crew: usize) -> usize {
    of / CREWS + usize::from(crew < of % CREWS)
}

impl Figures {
    fn round(&mut self) -> Result<(), Failure> {
        let workers = self.nodes - HUBS;
        // A listener and a connection to the master per node, both ends of all links at most, and a reserve.
        let files = self.nodes.div_ceil(CREWS) * 2 + 2 * workers * HUBS / CREWS + 1_000;
        let mut site = Site::start(CREWS, files, Heartbeat::Usual)?;
        let master = site.master.pid();
        let before = usage::memory(master)?;
        let spent = processor_time(master)?;
        let begun = Instant::now();
        for (number, crew) in site.crews.iter_mut().enumerate() {
            let (hubs, workers) = (share(HUBS, number), share(workers, number));
            crew.tell(&format!("start {hubs} {workers} linked {HUBS}"))?;
        }
        let mut ports = vec![site.port];
        for crew in &mut site.crews {
            for port in crew.answer()? {
                ports.push(u16::try_from(port)?);
            }
        }
        self.seconds.push(begun.elapsed().as_secs_f64());
        let spent = processor_time(master)? - spent;
        self.master_seconds.push(spent.as_secs_f64());
        let sockets = Sockets::at(&ports)?;
        self.master_sent
            .push(sockets.sent_from(site.port) as f64 / 1024.0);
        self.all_sent.push(sockets.sent() as f64 / 1024.0);
        let after = usage::memory(master)?;
        self.master_before.push(before.resident);
        self.master_resident.push(after.resident);
        self.master_peak.push(after.peak);
        Ok(())
    }

    fn ms_per_node(&self) -> f64 {
        median(&self.seconds) * 1e3 / self.nodes as f64
    }

    /// The highest peak of all rounds.
    fn peak(&self) -> f64 {
        self.master_peak.iter().copied().fold(0.0, f64::max)
    }
}

impl Registered {
    pub(crate) fn ratios(&self) {
        let nodes = self.many.nodes.to_string();
        let of = |metric| [("nodes", nodes.as_str()), ("metric", metric)];
        let peak = self.many.peak();
        ratio("register", &of("master_kib"), "limit", peak, MASTER_LIMIT);
        ratio(
            "register",
            &of("ms_per_node"),
            &format!("{}-nodes", self.few.nodes),
            self.many.ms_per_node(),
            self.few.ms_per_node(),
        );
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Nodes that register at once, {HUBS} of them hubs")?;
        for figures in [&self.few, &self.many] {
            writeln!(
                f,
                "  {:>5} nodes: all {} links up after {:.2} s, {:.2} ms a node; the master took {:.0} ms of processor",
                figures.nodes,
                (figures.nodes - HUBS) * HUBS,
                median(&figures.seconds),
                figures.ms_per_node(),
                median(&figures.master_seconds) * 1e3,
            )?;
            writeln!(
                f,
                "               sent: by the master {:.0} KiB, by all {:.0} KiB; master: {:.0} KiB before, {:.0} KiB after, {:.0} KiB at most",
                median(&figures.master_sent),
                median(&figures.all_sent),
                median(&figures.master_before),
                median(&figures.master_resident),
                figures.peak(),
            )?;
        }
        Ok(())
    }
}
