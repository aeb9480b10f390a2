//! What the examples of one situation each print, and how they end. Each runs in a process of its own: this test, started
//! again. So they need not be built before, and what is run is never out of date.

use std::{
    env,
    error::Error,
    process::{Command, exit},
    thread,
    time::Duration,
};

#[path = "../examples/chat.rs"]
mod chat;
#[cfg(feature = "http")]
#[path = "../examples/http_edge.rs"]
mod http_edge;
#[path = "../examples/rolling_upgrade.rs"]
mod rolling_upgrade;
#[path = "../examples/scatter_gather.rs"]
mod scatter_gather;
#[path = "../examples/worker_pool.rs"]
mod worker_pool;

/// The variable that tells the other process which example to run.
const EXAMPLE: &str = "SITUATION";
/// Longer than any example takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the other process runs. Without the variable it is no test, and does nothing.
#[test]
fn the_other_process() {
    let Ok(example) = env::var(EXAMPLE) else {
        return;
    };
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        eprintln!("it has not ended within {PATIENCE:?}");
        exit(2);
    });
    let ended: Result<(), Box<dyn Error>> = match example.as_str() {
        "chat" => chat::main(),
        #[cfg(feature = "http")]
        "http_edge" => http_edge::main(),
        "rolling_upgrade" => rolling_upgrade::main(),
        "scatter_gather" => scatter_gather::main(),
        "worker_pool" => worker_pool::main(),
        _ => Err(format!("there is no example {example}").into()),
    };
    // The status that the example itself would end with, before the test harness says anything more.
    match ended {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("Error: {error:?}");
            exit(1);
        }
    }
}

/// Runs an example, which must succeed, and returns what it prints.
fn printed_by(example: &str) -> String {
    let this = env::current_exe().expect("this test has a file");
    let mut command = Command::new(this);
    command.args(["--exact", "the_other_process", "--nocapture"]);
    // With a single thread, the harness would begin a line that the example then continues.
    command.args(["--test-threads", "2"]);
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("MESH_") {
            command.env_remove(variable);
        }
    }
    let output = command.env(EXAMPLE, example).output();
    let output = output.expect("this test can be started again");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{printed}\n{errors}",
        output.status
    );
    let (_, printed) = printed
        .split_once("running 1 test\n")
        .expect("the harness begins with this line");
    printed.to_owned()
}

#[cfg(feature = "http")]
#[test]
fn a_request_brings_its_deadline_and_its_trace() {
    let expected = r#"Greeter: traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
GET /greet/Ada within 5000 ms: HTTP/1.1 200 OK "Hello, Ada!"
Greeter: traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
GET /greet/sloth within 200 ms: HTTP/1.1 504 Gateway Timeout ""
ok: the deadline of a request is that of its call
"#;
    assert_eq!(printed_by("http_edge"), expected);
}

#[test]
fn a_pool_runs_all_jobs_and_keeps_the_one_that_cannot_succeed() {
    let expected = "\
the queue is in memory
30 jobs are queued
29 jobs are done, by 3 workers
picture 13 is a dead letter after 1 attempt: there is no such picture
ok: no job is lost, and none is tried in vain
";
    assert_eq!(printed_by("worker_pool"), expected);
}

#[test]
fn a_search_says_who_is_missing_and_who_has_failed() {
    let expected = "\
shard-1 has found The Sea-Wolf
shard-4 has found The Sea | The Sea, the Sea
shard-2 is missing
shard-3 has failed: the handler panicked on Shard/shard-3: the index is damaged
for those who need all: of 4 instances, 1 failed and 1 did not answer in time
ok: 3 titles from 2 of 4 shards
";
    assert_eq!(printed_by("scatter_gather"), expected);
}

#[test]
fn during_an_upgrade_calls_go_to_those_that_declare_the_same() {
    let expected = r#"a new caller, while all instances are old:
  whoami: old
  incompatible: every linked instance declares Users.find otherwise, or not at all
  incompatible: every linked instance declares Users.count otherwise, or not at all
with one instance of each version:
  whoami: {"new", "old"}, in turn
  find: old callers get User { name: "user 2" }
  find: new callers get User { name: "user 2", email: "2@users.example" }
  count: 1
an old caller, while all instances are new:
  whoami: new
  incompatible: every linked instance declares Users.find otherwise, or not at all
ok: what changed fails or finds its like, and the rest works
"#;
    assert_eq!(printed_by("rolling_upgrade"), expected);
}

#[test]
fn everybody_in_a_chat_hears_all_others() {
    let expected = "\
ada hears bob: hello from bob
ada hears eve: hello from eve
bob hears ada: hello from ada
bob hears eve: hello from eve
eve hears ada: hello from ada
eve hears bob: hello from bob
ok: 6 lines are heard, and nobody hears itself
";
    assert_eq!(printed_by("chat"), expected);
}
