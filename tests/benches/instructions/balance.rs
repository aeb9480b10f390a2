//! The choice of the instance for a call, by each policy and by key, among 1, 10 and 100 instances.

use gungraun::{library_benchmark, library_benchmark_group};
use mesh_runtime::{
    __bench::{Instances, Picked},
    Balance, NodeType,
};

use crate::serve::Desk;

library_benchmark_group!(
    name = pick,
    benchmarks = [round_robin, least_in_flight, random, by_key]
);

/// Linked instances. One choice has already been made, because the first one seeds the thread's random numbers.
fn linked(count: usize) -> Instances {
    let instances = Instances::linked(Desk::SPEC, count);
    for policy in [Balance::RoundRobin, Balance::LeastInFlight, Balance::Random] {
        assert!(instances.pick(policy).is_some(), "there are instances");
    }
    instances
}

/// Checks that an instance was chosen.
fn chosen((picked, _): (Option<Picked>, Instances)) {
    assert!(picked.is_some(), "no instance was chosen");
}

#[library_benchmark]
#[bench::links_1(args = (1), setup = linked, teardown = chosen)]
#[bench::links_10(args = (10), setup = linked, teardown = chosen)]
#[bench::links_100(args = (100), setup = linked, teardown = chosen)]
fn round_robin(instances: Instances) -> (Option<Picked>, Instances) {
    (instances.pick(Balance::RoundRobin), instances)
}

#[library_benchmark]
#[bench::links_1(args = (1), setup = linked, teardown = chosen)]
#[bench::links_10(args = (10), setup = linked, teardown = chosen)]
#[bench::links_100(args = (100), setup = linked, teardown = chosen)]
fn least_in_flight(instances: Instances) -> (Option<Picked>, Instances) {
    (instances.pick(Balance::LeastInFlight), instances)
}

#[library_benchmark]
#[bench::links_1(args = (1), setup = linked, teardown = chosen)]
#[bench::links_10(args = (10), setup = linked, teardown = chosen)]
#[bench::links_100(args = (100), setup = linked, teardown = chosen)]
fn random(instances: Instances) -> (Option<Picked>, Instances) {
    (instances.pick(Balance::Random), instances)
}

#[library_benchmark]
#[bench::links_1(args = (1), setup = linked, teardown = chosen)]
#[bench::links_10(args = (10), setup = linked, teardown = chosen)]
#[bench::links_100(args = (100), setup = linked, teardown = chosen)]
fn by_key(instances: Instances) -> (Option<Picked>, Instances) {
    (instances.pick_by_key(b"customer-4711"), instances)
}
