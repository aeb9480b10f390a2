//! Values to bytes, frames to envelopes, envelopes to sealed envelopes; and back.

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group};
use mesh_runtime::{
    __bench::{self as mesh, Calls, OpenedEnvelope, OpeningEnd, SealingEnd, Unsealed},
    CodecError,
};

use crate::sample::{Order, order, payload};

library_benchmark_group!(name = codec, benchmarks = [encode, decode]);
library_benchmark_group!(name = envelope, benchmarks = [fill, seal, open, frames]);

/// Checks that the counted code succeeded.
fn worked<T, E: std::fmt::Debug, Kept>((result, _): (Result<T, E>, Kept)) {
    if let Err(error) = result {
        panic!("what was counted has failed: {error:?}");
    }
}

#[library_benchmark]
#[bench::bytes_64(args = (64), setup = order, teardown = worked)]
#[bench::bytes_1024(args = (1024), setup = order, teardown = worked)]
fn encode(order: Order) -> (Result<Bytes, CodecError>, Order) {
    (mesh::encode(&order), order)
}

#[library_benchmark]
#[bench::bytes_64(args = (64), setup = payload, teardown = worked)]
#[bench::bytes_1024(args = (1024), setup = payload, teardown = worked)]
fn decode(payload: Bytes) -> (Result<Order, CodecError>, Bytes) {
    (mesh::decode(&payload), payload)
}

/// Calls, and an envelope with room for them.
fn calls(count: u64, bytes: usize) -> (Unsealed, Calls) {
    let calls = Calls::new(count, &payload(bytes));
    (Unsealed::with_room_for(&calls), calls)
}

#[library_benchmark]
#[bench::calls_1_of_64(args = (1, 64), setup = calls)]
#[bench::calls_16_of_64(args = (16, 64), setup = calls)]
#[bench::calls_1_of_1024(args = (1, 1024), setup = calls)]
fn fill((envelope, calls): (Unsealed, Calls)) -> (Unsealed, Calls) {
    (envelope.push(&calls), calls)
}

/// An envelope with one call in it, and the cipher that seals it.
fn unsealed(bytes: usize) -> (Unsealed, SealingEnd) {
    let (envelope, calls) = calls(1, bytes);
    (envelope.push(&calls), mesh::ends().0)
}

#[library_benchmark]
#[bench::bytes_64(args = (64), setup = unsealed, teardown = worked)]
#[bench::bytes_1024(args = (1024), setup = unsealed, teardown = worked)]
#[bench::bytes_65536(args = (65_536), setup = unsealed, teardown = worked)]
fn seal((envelope, mut sealing): (Unsealed, SealingEnd)) -> (Result<Bytes, String>, SealingEnd) {
    (envelope.seal(&mut sealing), sealing)
}

/// A sealed envelope, and the cipher that opens it.
fn sealed(count: u64, bytes: usize) -> (Bytes, OpeningEnd) {
    let (mut sealing, opening) = mesh::ends();
    let (envelope, calls) = calls(count, bytes);
    let sealed = envelope.push(&calls).seal(&mut sealing);
    (sealed.expect("the first envelope is sealed"), opening)
}

#[library_benchmark]
#[bench::bytes_64(args = (1, 64), setup = sealed, teardown = worked)]
#[bench::bytes_1024(args = (1, 1024), setup = sealed, teardown = worked)]
#[bench::bytes_65536(args = (1, 65_536), setup = sealed, teardown = worked)]
fn open(
    (sealed, mut opening): (Bytes, OpeningEnd),
) -> (Result<OpenedEnvelope, String>, OpeningEnd) {
    (OpenedEnvelope::open(sealed, &mut opening), opening)
}

/// An opened envelope.
fn opened(count: u64, bytes: usize) -> OpenedEnvelope {
    let (sealed, mut opening) = sealed(count, bytes);
    OpenedEnvelope::open(sealed, &mut opening).expect("it was sealed for this end")
}

/// Checks that all frames were decoded.
fn all_decoded(frames: Result<usize, String>) {
    assert!(matches!(frames, Ok(1 | 16)), "{frames:?}");
}

#[library_benchmark]
#[bench::calls_1_of_64(args = (1, 64), setup = opened, teardown = all_decoded)]
#[bench::calls_16_of_64(args = (16, 64), setup = opened, teardown = all_decoded)]
#[bench::calls_1_of_65536(args = (1, 65_536), setup = opened, teardown = all_decoded)]
fn frames(opened: OpenedEnvelope) -> Result<usize, String> {
    opened.decode()
}
