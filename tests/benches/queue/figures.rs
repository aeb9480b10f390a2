//! The results, as medians and ratios.

use std::fmt;

use crate::stats::{Latencies, median, ratio};

/// All results under one setting of Redis. Rates are per second, one per round.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) redis_benchmark: Vec<f64>,
    pub(crate) accepted: Vec<f64>,
    pub(crate) one_node: Vec<f64>,
    pub(crate) two_nodes: Vec<f64>,
    pub(crate) from_call: Latencies,
    pub(crate) ping: Latencies,
}

impl Figures {
    pub(crate) fn ratios(&self) {
        let accepted = median(&self.accepted);
        let one = median(&self.one_node);
        ratio(
            "accept",
            &[],
            "redis-benchmark",
            accepted,
            median(&self.redis_benchmark),
        );
        ratio("work", &[], "accept", one, accepted);
        ratio("two-nodes", &[], "one-node", median(&self.two_nodes), one);
        ratio(
            "idle-start",
            &[],
            "ping",
            self.from_call.at(0.5),
            self.ping.at(0.5),
        );
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rate = |what: &str, rates: &[f64]| {
            let (least, most) = rates
                .iter()
                .fold((f64::MAX, 0.0_f64), |(least, most), rate| {
                    (least.min(*rate), most.max(*rate))
                });
            writeln!(
                f,
                "  {what:<44} {:>9.0}/s  ({least:.0} to {most:.0})",
                median(rates)
            )
        };
        rate("redis-benchmark -c 64 XADD", &self.redis_benchmark)?;
        rate("jobs accepted, 64 callers", &self.accepted)?;
        rate("jobs worked off, one node", &self.one_node)?;
        rate("jobs worked off, two nodes", &self.two_nodes)?;
        for (what, spans) in [
            ("from the call to the handler, idle", &self.from_call),
            ("PING by the same client", &self.ping),
        ] {
            writeln!(
                f,
                "  {what:<44} p50 {:.0} us, p99 {:.0} us",
                spans.at(0.5),
                spans.at(0.99)
            )?;
        }
        Ok(())
    }
}
