//! `shop run`: starts every process of the shop, waits for the gateway to do its work, and ends all of them.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use clap::Args;
use mesh_runtime::Keys;
use mesh_shop::orders::ReadError;

use crate::{
    error::ShopError,
    fleet::{Fleet, Plan},
    gateway::PaceArgs,
    output::complain,
    stop::Stop,
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The file of orders: CSV with the columns id, customer, item, quantity and cents
    #[arg(value_name = "CSV")]
    csv: PathBuf,

    #[command(flatten)]
    pace: PaceArgs,

    /// Print the process id of each child to standard error, for tests
    #[arg(long, hide = true)]
    print_pids: bool,
}

/// What is started in addition to the master and the gateway: the subcommand, and how many.
const SERVICES: [(&str, usize); 3] = [("stock", 2), ("billing", 2), ("audit", 1)];

/// First callers, then callees, then the master, so that each can finish what it is doing.
const END_ORDER: [&str; 5] = ["gateway", "billing", "stock", "audit", "master"];

pub(crate) async fn run(args: RunArgs, stop: Stop) -> Result<(), ShopError> {
    check_csv(&args.csv)?;
    // Keys for this run only. Passed in the environment, because others can see a command line.
    let environment = vec![
        ("MESH_PUBLIC_KEY", "shop-run".to_owned()),
        ("MESH_PRIVATE_KEY", Keys::generate()),
        ("MESH_BIND", "127.0.0.1:0".to_owned()),
    ];
    let mut fleet = Fleet::new(environment, args.print_pids)?;
    // The gateway enforces the time limit itself, and reports how far it got. This one is for the case that it cannot.
    let mut stop = stop.within(Duration::from_secs(args.pace.within + 60));
    let outcome = tokio::select! {
        outcome = work(&mut fleet, &args) => outcome,
        why = stop.asked() => Err(ShopError::Stopped(why)),
    };
    let ended = fleet.end(&END_ORDER).await;
    match (&outcome, ended) {
        (Ok(()), ended) => ended,
        (Err(_), Ok(())) => outcome,
        (Err(_), Err(also)) => {
            complain(&format!("shop: {also}"));
            outcome
        }
    }
}

/// Starts all processes, and waits until the gateway succeeds, or any process fails or ends early.
async fn work(fleet: &mut Fleet, args: &RunArgs) -> Result<(), ShopError> {
    let master = fleet.start_master(Plan::new("master", "master")).await?;
    fleet.set("MESH_MASTER", master);
    for (kind, number) in SERVICES {
        for instance in (1..=number).map(|number| format!("{kind}-{number}")) {
            let plan = Plan::new(&instance, kind).args(["--instance", &instance]);
            fleet.start(plan)?;
        }
    }
    let gateway = Plan::new("gateway", "gateway")
        .args(["--instance", "gateway"])
        .args([
            "--stocks",
            &how_many("stock"),
            "--billings",
            &how_many("billing"),
        ])
        .args([
            "--at-once",
            &args.pace.at_once.to_string(),
            "--within",
            &args.pace.within.to_string(),
        ])
        .args([OsStr::new("--"), args.csv.as_os_str()])
        .stdout(Stdio::inherit());
    fleet.start(gateway)?;
    match fleet.next_end().await {
        Some((name, Ok(status))) if name == "gateway" => match status.success() {
            true => Ok(()),
            false => Err(ShopError::Gateway { status }),
        },
        Some((name, Ok(status))) => Err(ShopError::EndedEarly { name, status }),
        Some((name, Err(error))) => Err(ShopError::BadEnd {
            name,
            how: error.to_string(),
        }),
        // Cannot happen before the gateway's exit has been reported.
        None => Err(ShopError::BadEnd {
            name: "gateway".to_owned(),
            how: "its end was not seen".to_owned(),
        }),
    }
}

fn how_many(kind: &str) -> String {
    let number = SERVICES
        .iter()
        .find(|(service, _)| *service == kind)
        .map_or(0, |(_, number)| *number);
    number.to_string()
}

/// Checks that the file can be read before anything is started. Only a plain file is opened: the gateway must be the
/// only reader of a pipe.
fn check_csv(path: &Path) -> Result<(), ReadError> {
    let cannot = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(cannot)?;
    if metadata.is_dir() {
        return Err(cannot(std::io::ErrorKind::IsADirectory.into()));
    }
    if metadata.is_file() {
        File::open(path).map_err(cannot)?;
    }
    Ok(())
}

impl Plan {
    fn new(name: &str, subcommand: &str) -> Self {
        Self {
            name: name.to_owned(),
            args: vec![subcommand.into()],
            stdout: Stdio::null(),
        }
    }

    fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    fn stdout(mut self, stdout: Stdio) -> Self {
        self.stdout = stdout;
        self
    }
}
