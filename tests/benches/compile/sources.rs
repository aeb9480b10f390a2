//! The two crates that are compiled, as text: the same 200 methods on the same types, once as one `mesh_schema!` and
//! once as 20 `tarpc::service` traits. Writes nothing and builds nothing.
//!
//! Each crate has three files. `types.rs` is the same in both. `schema.rs` contains only what the macros expand, so
//! that its lines can be counted. `main.rs` implements every handler and calls every method once.

use std::fmt::Write;

/// The number of node types, and of services.
pub(crate) const SERVICES: usize = 20;

/// The methods of each of them. `{n}` stands for the service's number, with two digits.
pub(crate) const METHODS: [Method; 10] = [
    Method {
        name: "create",
        args: &[("order", "Order{n}", "Order{n}::default()")],
        answer: "Result<Receipt{n}, Fault{n}>",
        body: "Ok(Receipt{n} { id: order.id, total: order.total() })",
    },
    Method {
        name: "find",
        args: &[("id", "u64", "1")],
        answer: "Option<Order{n}>",
        body: "Some(Order{n} { id, ..Order{n}::default() })",
    },
    Method {
        name: "update",
        args: &[
            ("id", "u64", "1"),
            ("order", "Order{n}", "Order{n}::default()"),
        ],
        answer: "Result<Receipt{n}, Fault{n}>",
        body: "Ok(Receipt{n} { id, total: order.total() })",
    },
    Method {
        name: "remove",
        args: &[("id", "u64", "1")],
        answer: "Result<(), Fault{n}>",
        body: "if id == 0 { Err(Fault{n}::Unknown { id }) } else { Ok(()) }",
    },
    Method {
        name: "list",
        args: &[("from", "u32", "0"), ("limit", "u32", "10")],
        answer: "Vec<Order{n}>",
        body: "vec![Order{n}::default(); limit.saturating_sub(from) as usize]",
    },
    Method {
        name: "count",
        args: &[],
        answer: "u64",
        body: "MARK",
    },
    Method {
        name: "rename",
        args: &[
            ("id", "u64", "1"),
            ("name", "String", "String::from(\"name\")"),
        ],
        answer: "bool",
        body: "id != 0 && !name.is_empty()",
    },
    Method {
        name: "price",
        args: &[
            ("order", "Order{n}", "Order{n}::default()"),
            ("currency", "String", "String::from(\"EUR\")"),
        ],
        answer: "Result<u64, Fault{n}>",
        body: "if currency.is_empty() { Err(Fault{n}::Refused(currency)) } else { Ok(order.total()) }",
    },
    Method {
        name: "note",
        args: &[("text", "String", "String::from(\"text\")")],
        answer: "Receipt{n}",
        body: "Receipt{n} { id: text.len() as u64, total: 0 }",
    },
    Method {
        name: "merge",
        args: &[
            ("left", "Order{n}", "Order{n}::default()"),
            ("right", "Order{n}", "Order{n}::default()"),
        ],
        answer: "Order{n}",
        body: "Order{n} { id: left.id, note: right.note, lines: left.lines }",
    },
];

/// The total number of methods.
pub(crate) const COMMANDS: usize = SERVICES * METHODS.len();

/// One method: name, type and value of each argument; return type; body of its handler.
pub(crate) struct Method {
    name: &'static str,
    args: &'static [(&'static str, &'static str, &'static str)],
    answer: &'static str,
    body: &'static str,
}

impl Method {
    fn declared_args(&self) -> String {
        let args: Vec<_> = self
            .args
            .iter()
            .map(|(name, ty, _)| format!("{name}: {ty}"))
            .collect();
        args.join(", ")
    }

    fn values(&self) -> String {
        let values: Vec<_> = self.args.iter().map(|(_, _, value)| *value).collect();
        values.join(", ")
    }
}

/// One crate.
pub(crate) struct Crate {
    /// Its package name.
    pub(crate) name: &'static str,
    /// Its dependencies in addition to tokio and serde, as lines of its manifest.
    pub(crate) dependencies: String,
    /// `schema.rs`.
    pub(crate) schema: String,
    /// `main.rs`.
    pub(crate) main: String,
}

/// `types.rs`: three types per service, as a typical service of ten methods has them.
pub(crate) fn types() -> String {
    let mut text = String::from(
        "//! What travels.\n\nuse serde::{Deserialize, Serialize};\n\n\
         #[derive(Debug, Clone, Serialize, Deserialize)]\n\
         pub struct Line { pub sku: String, pub count: u32, pub cents: u64 }\n",
    );
    for n in numbers() {
        add(
            &mut text,
            &n,
            "
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Order{n} { pub id: u64, pub note: Option<String>, pub lines: Vec<Line> }

impl Order{n} {
    pub fn total(&self) -> u64 { self.lines.iter().map(|line| line.cents * u64::from(line.count)).sum() }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt{n} { pub id: u64, pub total: u64 }

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Fault{n} { Unknown { id: u64 }, Refused(String) }
",
        );
    }
    text
}

/// One schema of 20 node types, and a node type that calls all of them.
pub(crate) fn mesh(runtime: &str) -> Crate {
    let mut schema = String::from(
        "use mesh_runtime::mesh_schema;\n\nuse crate::types::*;\n\nmesh_schema! {\n    pub mesh Everything;\n\n    \
         node Gateway { connect: any; }\n",
    );
    let mut main = format!("{MESH_MAIN}{}", all_calls("&master, &gateway, &keys"));
    for n in numbers() {
        add(
            &mut schema,
            &n,
            "\n    node Service{n} {\n        allow: [Gateway];\n\n",
        );
        add(&mut main, &n, "\nimpl Service{n}Handler for Server {\n");
        for method in &METHODS {
            let (name, args, answer) = (method.name, method.declared_args(), method.answer);
            add(
                &mut schema,
                &n,
                &format!("        balanced fn {name}({args}) -> {answer};\n"),
            );
            add(
                &mut main,
                &n,
                &format!(
                    "    async fn {name}(&self, _: Context<Service{{n}}>, {args}) -> {answer} {{\n        {}\n    }}\n",
                    method.body
                ),
            );
        }
        schema.push_str("    }\n");
        add(
            &mut main,
            &n,
            "}

async fn call_{n}(master: &Master, gateway: &Node<Gateway>, keys: &Keys) -> Result<(), Failure> {
    let service = Service{n}::node(Server).keys(keys).master(master.addr()).bind(\"127.0.0.1:0\").start().await?;
    gateway.ready::<Service{n}>(1).await?;
    let client = gateway.client::<Service{n}>();
",
        );
        for method in &METHODS {
            let (name, values) = (method.name, method.values());
            add(
                &mut main,
                &n,
                &format!("    client.{name}({values}).await?;\n"),
            );
        }
        main.push_str("    service.shutdown().await;\n    Ok(())\n}\n");
    }
    schema.push_str("}\n");
    Crate {
        name: "compile-mesh",
        dependencies: format!("mesh-runtime = {{ path = {runtime:?} }}\n"),
        schema,
        main,
    }
}

const MESH_MAIN: &str = "mod schema;
mod types;

use mesh_runtime::{Context, Keys, Master, Node};
use schema::*;
use types::*;

type Failure = Box<dyn std::error::Error>;

const MARK: u64 = 0;

struct Server;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let keys = Keys::new(\"everything\", \"any text, the longer the better\");
    let master = Everything::master().keys(&keys).bind(\"127.0.0.1:0\").without_discovery().start().await?;
    let gateway = Gateway::node().keys(&keys).master(master.addr()).bind(\"127.0.0.1:0\").start().await?;
";

/// 20 services, each with its own listener and connection.
pub(crate) fn tarpc() -> Crate {
    let mut schema = String::from("use crate::types::*;\n");
    let mut main = format!("{TARPC_MAIN}{}", all_calls(""));
    for n in numbers() {
        add(
            &mut schema,
            &n,
            "\n#[tarpc::service]\npub trait Service{n} {\n",
        );
        add(&mut main, &n, "\nimpl Service{n} for Server {\n");
        for method in &METHODS {
            let (name, args, answer) = (method.name, method.declared_args(), method.answer);
            add(
                &mut schema,
                &n,
                &format!("    async fn {name}({args}) -> {answer};\n"),
            );
            add(
                &mut main,
                &n,
                &format!(
                    "    async fn {name}(self, _: Context, {args}) -> {answer} {{\n        {}\n    }}\n",
                    method.body
                ),
            );
        }
        schema.push_str("}\n");
        add(
            &mut main,
            &n,
            "}

async fn call_{n}() -> Result<(), Failure> {
    let mut listener = tcp::listen(\"127.0.0.1:0\", Bincode::default).await?;
    let addr = listener.local_addr();
    tokio::spawn(async move {
        while let Some(Ok(transport)) = listener.next().await {
            let requests = BaseChannel::with_defaults(transport).execute(Service{n}::serve(Server));
            tokio::spawn(requests.for_each(|request| async move {
                tokio::spawn(request);
            }));
        }
    });
    let transport = tcp::connect(addr, Bincode::default).await?;
    let client = Service{n}Client::new(client::Config::default(), transport).spawn();
",
        );
        for method in &METHODS {
            let values = match method.values() {
                values if values.is_empty() => values,
                values => format!(", {values}"),
            };
            let name = method.name;
            add(
                &mut main,
                &n,
                &format!("    client.{name}(context::current(){values}).await?;\n"),
            );
        }
        main.push_str("    Ok(())\n}\n");
    }
    Crate {
        name: "compile-tarpc",
        dependencies: String::from(
            "futures = \"0.3\"\n\
             tarpc = { version = \"0.38\", features = [\"serde-transport\", \"serde-transport-bincode\", \"tcp\"] }\n",
        ),
        schema,
        main,
    }
}

const TARPC_MAIN: &str = "mod schema;
mod types;

use futures::StreamExt;
use schema::*;
use tarpc::{
    client,
    context::{self, Context},
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};
use types::*;

type Failure = Box<dyn std::error::Error>;

const MARK: u64 = 0;

#[derive(Clone)]
struct Server;

#[tokio::main]
async fn main() -> Result<(), Failure> {
";

/// The rest of `main`: each service's calls, one after the other.
fn all_calls(args: &str) -> String {
    let mut text = String::new();
    for n in numbers() {
        add(&mut text, &n, &format!("    call_{{n}}({args}).await?;\n"));
    }
    let _ = write!(
        text,
        "    println!(\"called {COMMANDS} methods\");\n    Ok(())\n}}\n"
    );
    text
}

fn numbers() -> impl Iterator<Item = String> {
    (0..SERVICES).map(|n| format!("{n:02}"))
}

/// Appends a snippet with the service's number filled in.
fn add(text: &mut String, n: &str, piece: &str) {
    text.push_str(&piece.replace("{n}", n));
}
