//! Rendezvous hashing (highest random weight), as the protocol has it: which instance a key belongs to. Every caller in
//! every language and version gets the same answer, so the bytes that go in and the arithmetic are fixed.

use std::hash::Hasher;

use fnv::FnvHasher;

use crate::id::InstanceId;

/// A key or an instance id as a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hashed(u64);

impl Hashed {
    /// Of an encoded key.
    pub(crate) fn key(encoded: &[u8]) -> Self {
        Self(fnv1a(encoded))
    }

    /// Of an instance id. FNV-1a alone hardly changes its high bits with the last byte, in which ids mostly differ.
    pub(crate) fn instance(id: &InstanceId) -> Self {
        Self(mixed(fnv1a(id.as_str().as_bytes())))
    }
}

/// How much an instance wants a key: the one with the greatest weight has it. When an instance leaves, the order of the
/// others is as before, so only its own keys move.
pub(crate) fn weight(key: Hashed, instance: Hashed) -> u64 {
    mixed(key.0 ^ instance.0)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// The finalizer of MurmurHash3 for 64 bits: each bit of the input changes half of the output's.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Weights of keys at instances, 8 bytes each, little-endian.
    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let weight = |key: &[u8], instance: &str| {
            let weight = weight(Hashed::key(key), Hashed::instance(&instance.into()));
            weight.to_le_bytes().to_vec()
        };
        vec![
            ("route.empty-key.billing-1", weight(b"", "billing-1")),
            (
                "route.u64-4711.billing-1",
                weight(b"\xfb\x67\x12", "billing-1"),
            ),
            (
                "route.u64-4711.billing-2",
                weight(b"\xfb\x67\x12", "billing-2"),
            ),
            (
                "route.string-day.billing-1",
                weight(b"\x03day", "billing-1"),
            ),
            ("route.string-day.umlaut", weight(b"\x03day", "b\u{fc}ro")),
        ]
    }

    #[test]
    fn keys_that_count_up_are_spread_evenly_over_instances_that_count_up() {
        for instances in [2, 3, 10, 100] {
            let hashed: Vec<_> = (1..=instances)
                .map(|number| Hashed::instance(&format!("billing-{number}").as_str().into()))
                .collect();
            let each = 1_000;
            let mut counts = vec![0_f64; instances];
            for key in 0..(each * instances) as u32 {
                let key = Hashed::key(&key.to_le_bytes());
                let (chosen, _) = hashed
                    .iter()
                    .enumerate()
                    .max_by_key(|(_, instance)| weight(key, **instance))
                    .unwrap();
                counts[chosen] += 1.0;
            }
            // Pearson's test: the mean of the statistic is one less than the instances, and six standard deviations
            // above it are far beyond what chance does.
            let expected = each as f64;
            let square = |count: &f64| (count - expected).powi(2) / expected;
            let statistic: f64 = counts.iter().map(square).sum();
            let freedom = (instances - 1) as f64;
            assert!(
                statistic < freedom + 6.0 * (2.0 * freedom).sqrt(),
                "{instances} instances: {statistic}, {counts:?}"
            );
        }
    }
}
