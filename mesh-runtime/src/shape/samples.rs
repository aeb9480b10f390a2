//! The sample values for a leaf, which are tried one after another until the type accepts one.
//!
//! The first of each list suits most types. The rest are for types that validate: identifiers, dates, addresses.
//! If a change in here makes a type accept a sample for the first time, the fingerprints of commands with that type
//! change, so users notice it.

/// In ascending order from the second on, so that the integers that fit a type are the first ones of the list.
const INTEGERS: [u64; 12] = [
    1,
    0,
    2,
    3,
    10,
    100,
    1_000,
    1_970,
    10_000,
    1_000_000,
    1_000_000_000,
    1_700_000_000,
];

/// The number of sample integers that are at most `max`.
pub(super) fn integers(max: u128) -> usize {
    INTEGERS
        .iter()
        .take_while(|&&sample| u128::from(sample) <= max)
        .count()
}

pub(super) fn integer<T: TryFrom<u64> + Default>(index: usize) -> T {
    let sample = INTEGERS.get(index).copied().unwrap_or_default();
    T::try_from(sample).unwrap_or_default()
}

pub(super) const BOOLS: [bool; 2] = [false, true];

pub(super) const FLOATS: [f32; 4] = [1.0, 0.0, 0.5, 100.0];

pub(super) const CHARS: [char; 3] = ['a', 'A', '0'];

/// Lengths of the samples for byte strings, which consist of zero bytes.
pub(super) const BYTES: [usize; 10] = [0, 16, 4, 6, 8, 12, 20, 24, 32, 64];

pub(super) const TEXTS: [&str; 40] = [
    "",
    "a",
    "0",
    "1",
    "A",
    "aaaaaaaa",
    "1970-01-01",
    "00:00:00",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00",
    "1970-01-01 00:00:00",
    "1970-01-01T00:00:00+00:00[UTC]",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "127.0.0.0/8",
    "00:00:00:00:00:00",
    "http://a.b/",
    "a.b",
    "a@b.cd",
    "/",
    "0.0.0",
    "1.0",
    "1s",
    "PT1S",
    "UTC",
    "en",
    "en-US",
    "DE",
    "USD",
    "+10000000000",
    "text/plain",
    "GET",
    "#000000",
    "{}",
    "null",
    "00000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
];
