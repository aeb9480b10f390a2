//! A received call, through the dispatcher, a task and the handler, to its reply.

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group};
use mesh_runtime::{
    __bench::{Served, Unsealed},
    Context, NodeDeclaration, NodeType, mesh_schema,
};
use tokio::runtime::{Builder, Runtime};

use crate::sample::{Order, payload};

library_benchmark_group!(name = dispatch, benchmarks = [call]);

mesh_schema! {
    pub mesh Counted;

    node Shop { connect: [Desk]; }

    node Desk {
        allow: [Shop];
        balanced fn echo(order: Order) -> Order;
    }
}

struct Echo;

impl DeskHandler for Echo {
    async fn echo(&self, _cx: Context<Desk>, order: Order) -> Order {
        order
    }
}

/// A node on a runtime with one thread, and the call to serve.
struct Ready {
    runtime: Runtime,
    node: Served,
    command: u32,
    args: Bytes,
}

impl Ready {
    fn answer(&mut self) -> Option<Unsealed> {
        let call = self.node.call(self.command, self.args.clone());
        self.runtime.block_on(call).ok().flatten()
    }
}

/// The node has already served a few calls, so that one-time work is done.
fn ready(bytes: usize) -> Ready {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("there is a runtime");
    let node = runtime.block_on(Served::start(Desk::node(Echo), Shop::NAME));
    let mut ready = Ready {
        runtime,
        node: node.expect("the node may have this link"),
        command: Desk::SPEC.commands[0].id,
        args: payload(bytes),
    };
    for _ in 0..3 {
        check((ready.answer(), &ready));
    }
    ready
}

fn check((answer, asked): (Option<Unsealed>, &Ready)) {
    let answer = answer.and_then(Unsealed::answer);
    assert_eq!(answer.as_ref(), Some(&asked.args), "the answer is wrong");
}

/// Checks that the counted code produced the reply.
fn answered((answer, asked): (Option<Unsealed>, Ready)) {
    check((answer, &asked));
}

#[library_benchmark]
#[bench::bytes_64(args = (64), setup = ready, teardown = answered)]
#[bench::bytes_1024(args = (1024), setup = ready, teardown = answered)]
fn call(mut ready: Ready) -> (Option<Unsealed>, Ready) {
    (ready.answer(), ready)
}
