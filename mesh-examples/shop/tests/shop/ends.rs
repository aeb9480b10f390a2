//! However a run ends, no process is left behind.

use std::collections::HashMap;

use crate::process::{Process, all_end, many_orders, runs, send};

/// A run with more orders than it can finish, interrupted in the middle, and its children.
fn busy(name: &str) -> (Process, HashMap<String, u32>) {
    let path = many_orders(name);
    let mut run = Process::start(["run".as_ref(), "--print-pids".as_ref(), path.as_os_str()]);
    let children = run.children();
    run.stderr.wait_for("places ");
    for (name, pid) in &children {
        assert!(runs(*pid), "{name} runs");
    }
    (run, children)
}

#[test]
fn no_child_outlives_a_parent_that_is_killed() {
    let (mut run, children) = busy("killed.csv");
    run.signal("KILL");
    run.end();
    all_end(&children);
}

#[test]
fn ctrl_c_on_a_terminal_ends_all_processes_in_good_order() {
    let (mut run, children) = busy("ctrl_c.csv");
    run.signal_group("INT");
    let status = run.end();
    let said = run.stderr.all();
    assert_eq!(status.code(), Some(130), "{said:#?}");
    assert!(
        said.contains(&"shop: stopped by Ctrl-C".to_owned()),
        "{said:#?}"
    );
    // The gateway reports how far it got, and no order was left half placed: those that had begun were finished.
    assert!(
        said.iter()
            .any(|line| line.contains("and 0 were given up halfway")),
        "{said:#?}"
    );
    all_end(&children);
}

#[test]
fn sigterm_to_the_parent_alone_ends_all_processes() {
    let (mut run, children) = busy("sigterm.csv");
    run.signal("TERM");
    let status = run.end();
    assert_eq!(status.code(), Some(143), "{:#?}", run.stderr.all());
    all_end(&children);
}

#[test]
fn a_run_that_takes_too_long_is_given_up_and_says_so() {
    let path = many_orders("too_long.csv");
    let args = ["run", "--print-pids", "--within", "1"].map(AsRef::as_ref);
    let mut run = Process::start(args.into_iter().chain([path.as_os_str()]));
    let children = run.children();
    let status = run.end();
    let said = run.stderr.all();
    assert_eq!(status.code(), Some(1), "{said:#?}");
    let complaint = "shop: the time is up (see --within)";
    assert!(
        said.iter().any(|line| line.starts_with(complaint)),
        "{said:#?}"
    );
    all_end(&children);
}

#[test]
fn a_child_that_dies_early_fails_the_run_by_its_name() {
    let (mut run, children) = busy("child_dies.csv");
    send("KILL", &children["billing-2"].to_string());
    let status = run.end();
    let said = run.stderr.all();
    assert_eq!(status.code(), Some(1), "{said:#?}");
    assert!(
        said.iter()
            .any(|line| line.starts_with("shop: billing-2 ended too early")),
        "{said:#?}"
    );
    assert!(
        !run.stdout
            .all()
            .iter()
            .any(|line| line.starts_with("SHOP ")),
        "there is no report"
    );
    all_end(&children);
}
