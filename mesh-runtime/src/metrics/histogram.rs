//! Durations, counted by buckets: a few percent to a fifth wide, and the same in every process of this version.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the buckets of a power of ten begin, in hundredths.
const STEPS: [u64; 14] = [
    100, 125, 150, 175, 200, 250, 300, 350, 400, 500, 600, 700, 800, 900,
];

/// The first bound is 10 µs, the last one 60 s.
const BOUNDS: usize = 95;

/// One more than there are bounds: the last bucket has none.
pub(super) const BUCKETS: usize = BOUNDS + 1;

/// The longest duration of each bucket, in nanoseconds.
const UP_TO_NS: [u64; BOUNDS] = bounds();

const fn bounds() -> [u64; BOUNDS] {
    let mut bounds = [0; BOUNDS];
    let mut decade_ns = 100;
    let mut index = 0;
    while index < BOUNDS {
        bounds[index] = STEPS[index % STEPS.len()] * decade_ns;
        index += 1;
        if index.is_multiple_of(STEPS.len()) {
            decade_ns *= 10;
        }
    }
    bounds
}

/// The bucket of a duration.
#[inline]
pub(super) fn bucket_of(ns: u64) -> usize {
    let Some(first) = FIRST.get(range_of(ns)) else {
        return BOUNDS;
    };
    let mut bucket = usize::from(*first);
    while bucket < BOUNDS && UP_TO_NS[bucket] < ns {
        bucket += 1;
    }
    bucket
}

/// Durations are looked up by ranges that a shift finds: each power of two has four of them.
const RANGES: usize = range_of(UP_TO_NS[BOUNDS - 1]) + 1;

/// The bucket in which each range begins. A range ends in it or in one of the next two.
const FIRST: [u8; RANGES] = first_buckets();

#[inline]
const fn range_of(ns: u64) -> usize {
    // The highest bit, and the two bits below it.
    let ns = ns | 0b100;
    let high = 63 - ns.leading_zeros();
    (high * 4 + ((ns >> (high - 2)) as u32 & 0b11)) as usize
}

const fn first_buckets() -> [u8; RANGES] {
    let mut first = [0; RANGES];
    let mut bucket = 0;
    while bucket < BOUNDS {
        // All ranges behind the one in which this bucket ends begin later.
        let mut range = range_of(UP_TO_NS[bucket]) + 1;
        while range < RANGES {
            first[range] = bucket as u8 + 1;
            range += 1;
        }
        bucket += 1;
    }
    first
}

/// Whether a bucket ends at this duration.
#[cfg(test)]
pub(crate) fn is_bound(ns: u64) -> bool {
    UP_TO_NS.contains(&ns)
}

/// How long calls took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Histogram {
    /// The sum of all durations, in nanoseconds.
    pub sum_ns: u64,
    /// The buckets that are not empty, from the shortest on.
    pub buckets: Vec<Bucket>,
}

/// Durations that are about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bucket {
    /// They are longer than this, in nanoseconds; the first bucket begins at 0.
    pub from_ns: u64,
    /// They are at most this long, in nanoseconds. `None`: there is no limit.
    pub to_ns: Option<u64>,
    /// How many there are.
    pub count: u64,
}

impl Histogram {
    /// Those with these counts, bucket by bucket.
    pub(super) fn new(sum_ns: u64, counts: impl IntoIterator<Item = u64>) -> Self {
        let counted = counts.into_iter().take(BUCKETS).enumerate();
        let buckets = counted.filter(|(_, count)| *count > 0);
        Self {
            sum_ns,
            buckets: buckets
                .map(|(index, count)| Bucket {
                    from_ns: index.checked_sub(1).map_or(0, |before| UP_TO_NS[before]),
                    to_ns: UP_TO_NS.get(index).copied(),
                    count,
                })
                .collect(),
        }
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        sum(&self.buckets)
    }

    /// How many are at most this long, if a bucket ends there.
    pub(crate) fn up_to(&self, ns: u64) -> u64 {
        let is_longer = |bucket: &Bucket| bucket.to_ns.is_none_or(|to| to > ns);
        let end = self.buckets.iter().position(is_longer);
        sum(&self.buckets[..end.unwrap_or(self.buckets.len())])
    }

    /// The mean. `None` if there are no durations.
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum_ns.checked_div(self.count())?;
        Some(Duration::from_nanos(mean))
    }

    /// The duration that a share of `q` of all do not exceed: 0.5 is the median. It is exact to the width of a bucket: a
    /// quarter of the duration at most, or 10 µs. Durations over 60 s count as 60 s. `None` if there are none, or if `q` is not
    /// from 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * count as f64).max(1.0);
        let mut before = 0.0;
        for bucket in &self.buckets {
            let up_to = before + bucket.count as f64;
            if rank <= up_to || Some(bucket) == self.buckets.last() {
                let share = ((rank - before) / bucket.count as f64).clamp(0.0, 1.0);
                let to_ns = bucket.to_ns.unwrap_or(bucket.from_ns);
                let width = to_ns.saturating_sub(bucket.from_ns);
                let within = (share * width as f64) as u64;
                return Some(Duration::from_nanos(bucket.from_ns.saturating_add(within)));
            }
            before = up_to;
        }
        None
    }

    /// What came later than `earlier`, of the same process.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let later = self.buckets.iter().map(|bucket| {
            let mut before = earlier.buckets.iter();
            let before = before.find(|before| before.from_ns == bucket.from_ns);
            Bucket {
                count: bucket
                    .count
                    .saturating_sub(before.map_or(0, |before| before.count)),
                ..*bucket
            }
        });
        Self {
            sum_ns: self.sum_ns.saturating_sub(earlier.sum_ns),
            buckets: later.filter(|bucket| bucket.count > 0).collect(),
        }
    }

    /// Adds the durations of another one.
    pub fn add(&mut self, other: &Self) {
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        for bucket in &other.buckets {
            let place = self
                .buckets
                .binary_search_by_key(&bucket.from_ns, |known| known.from_ns);
            match place {
                Ok(known) => {
                    let count = &mut self.buckets[known].count;
                    *count = count.saturating_add(bucket.count);
                }
                Err(place) => self.buckets.insert(place, *bucket),
            }
        }
    }
}

/// Counts may come from another process, and are what it says.
fn sum(buckets: &[Bucket]) -> u64 {
    let counts = buckets.iter().map(|bucket| bucket.count);
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(durations: &[u64]) -> Histogram {
        let mut counts = [0; BUCKETS];
        durations.iter().for_each(|ns| counts[bucket_of(*ns)] += 1);
        Histogram::new(durations.iter().sum(), counts)
    }

    #[test]
    fn bounds_go_from_10_microseconds_to_60_seconds() {
        assert_eq!(UP_TO_NS[0], 10_000);
        assert_eq!(UP_TO_NS[BOUNDS - 1], 60_000_000_000);
        for pair in UP_TO_NS.windows(2) {
            assert!(pair[0] < pair[1] && pair[1] * 4 <= pair[0] * 5, "{pair:?}");
        }
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(10_000), 0);
        assert_eq!(bucket_of(10_001), 1);
        assert_eq!(bucket_of(60_000_000_000), BOUNDS - 1);
        assert_eq!(bucket_of(u64::MAX), BOUNDS);
    }

    #[test]
    fn each_bucket_ends_at_its_bound() {
        for (bucket, up_to) in UP_TO_NS.into_iter().enumerate() {
            assert_eq!(bucket_of(up_to), bucket);
            assert_eq!(bucket_of(up_to + 1), bucket + 1);
        }
    }

    #[test]
    fn none_has_no_quantiles_and_no_mean() {
        let none = Histogram::default();
        assert_eq!((none.quantile(0.5), none.mean()), (None, None));
        assert_eq!(of(&[1]).quantile(1.5), None);
        assert_eq!(of(&[1]).quantile(f64::NAN), None);
    }

    #[test]
    fn what_is_longer_than_the_last_bound_counts_as_the_last_bound() {
        let minute = Duration::from_secs(60);
        assert_eq!(of(&[u64::MAX / 4]).quantile(0.5), Some(minute));
    }

    #[test]
    fn later_ones_are_those_that_were_not_there_before() {
        let (earlier, all) = (of(&[5, 70_000]), of(&[5, 70_000, 70_000, 2_000_000]));
        assert_eq!(all.since(&earlier), of(&[70_000, 2_000_000]));
    }

    #[test]
    fn counts_that_make_no_sense_do_no_harm() {
        let bucket = |from_ns, to_ns| Bucket {
            from_ns,
            to_ns,
            count: u64::MAX,
        };
        let mut odd = Histogram {
            sum_ns: u64::MAX,
            buckets: vec![bucket(u64::MAX, Some(0)), bucket(7, None)],
        };
        odd.add(&odd.clone());
        assert_eq!(odd.count(), u64::MAX);
        assert!(odd.quantile(0.99).is_some() && odd.mean().is_some());
        assert_eq!(odd.since(&odd), Histogram::default());
    }

    proptest! {
        #[test]
        fn a_bucket_is_the_first_whose_bound_is_not_shorter(
            ns in prop_oneof![0..200_000_u64, 0..100_000_000_000_u64, any::<u64>()],
        ) {
            prop_assert_eq!(bucket_of(ns), UP_TO_NS.partition_point(|up_to| *up_to < ns));
        }

        #[test]
        fn a_quantile_is_within_a_quarter_of_the_true_one(
            mut durations in prop::collection::vec(10_001..60_000_000_000_u64, 1..200),
            q in 0.0..=1.0_f64,
        ) {
            let told = of(&durations).quantile(q).unwrap().as_nanos() as f64;
            durations.sort_unstable();
            let rank = ((q * durations.len() as f64).ceil() as usize).max(1);
            let exact = durations[rank - 1] as f64;
            prop_assert!(told >= exact / 1.26 && told <= exact * 1.26, "{told} for {exact}");
        }

        #[test]
        fn sums_are_those_of_all_durations(
            one in prop::collection::vec(0..u64::MAX / 1_000, 0..50),
            other in prop::collection::vec(0..u64::MAX / 1_000, 0..50),
        ) {
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(sum, of(&[one, other].concat()));
        }
    }
}
