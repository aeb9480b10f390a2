//! `mesh top`: load and durations, as a table once, as JSON, and live on a terminal.

use tokio::task::JoinSet;

use crate::support::{Mesh, Terminal, Trio, v1, within};

/// Calls `total` again and again, until it is dropped.
fn load(trio: &Trio) -> JoinSet<()> {
    let billing = trio.gateway.client::<v1::Billing>();
    let mut load = JoinSet::new();
    load.spawn(async move { while billing.total().await.is_ok() {} });
    load
}

/// Whether a line of the screen has this name and a rate that is not 0.
fn has_rate(screen: &str, name: &str) -> bool {
    let mut lines = screen.lines();
    let line = lines.find(|line| line.split_whitespace().next() == Some(name));
    let rate = line.and_then(|line| line.split_whitespace().nth(1));
    rate.is_some_and(|rate| rate != "0" && rate.starts_with(|c: char| c.is_ascii_digit()))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_is_printed() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let _load = load(&trio);
        let once = ["top", "--once", "--interval", "500ms"];
        let table = mesh.cli(&once).run().await.ok();
        assert!(table.line("Shop: 3 nodes, ").ends_with(" errors/s"));
        let heading = table.line("COMMAND");
        assert!(heading.contains("CALLS/S"), "{heading}");
        assert!(has_rate(&table.stdout, "Billing.total"), "{table:#?}");
        table
            .says("\nBilling.charge ")
            .says("\nAudit.record (jobs) ");
        let audit = [&once[..], &["Audit"]].concat();
        let audit = mesh.cli(&audit).run().await.ok();
        assert!(!audit.stdout.contains("Billing."), "{audit:#?}");
        let unknown = mesh.cli(&["top", "Audti", "--once"]).run().await;
        unknown.ends_with(1).tells("there are Audit, ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_printed_as_json() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&["no ink"]).await;
        let _load = load(&trio);
        let once = ["top", "--once", "--interval", "500ms", "--json"];
        let table = mesh.cli(&once).run().await.ok().json();
        assert_eq!(table["mesh"], "Shop");
        assert_eq!(table["nodes"], 3);
        assert_eq!(table["master_lost"], false);
        assert!(table["calls_per_s"].as_f64() > Some(0.0), "{table:#}");
        let commands = table["commands"].as_array().expect("a list");
        let find = |command: &str, kind: &str| {
            let mut commands = commands.iter();
            let is_it = |row: &&serde_json::Value| row["command"] == command && row["kind"] == kind;
            commands.find(is_it).expect("a row of the command")
        };
        let total = find("total", "call");
        assert_eq!(total["type"], "Billing");
        assert!(total["calls_per_s"].as_f64() > Some(0.0), "{total:#}");
        assert_eq!(total["errors_per_s"], 0.0);
        assert!(total["p50_ms"].as_f64() <= total["p99_ms"].as_f64());
        assert_eq!(total["instances"][0]["instance"], "b1");
        assert_eq!(total["instances"][0]["answered"], true);
        assert_eq!(find("record", "job")["dead"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_goes_on_line_by_line() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let top = ["top", "--json", "--interval", "200ms"];
        let mut top = mesh.cli(&top).start();
        for _ in 0..2 {
            let line = top.line(|_| true).await;
            let table: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
            assert_eq!(table["nodes"], 3);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_there_is_no_live_table() {
    within(async {
        let mesh = Mesh::start().await;
        let top = mesh.cli(&["top"]).run().await.ends_with(2);
        top.tells("needs a terminal").tells("--once prints");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_table_is_filtered_and_left_by_keys() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let _load = load(&trio);
        let top = mesh.cli(&["top", "--interval", "200ms"]);
        let mut terminal = Terminal::start(&top);
        let has_total = |screen: &str| has_rate(screen, "Billing.total");
        terminal.shows("the rate of Billing.total", has_total).await;
        assert!(terminal.is_alternate_screen());
        let screen = terminal.screen();
        for part in ["Shop  3 nodes", "CALLS/S▼", "Billing.charge", "q quit"] {
            assert!(screen.contains(part), "{part:?} is not in\n{screen}");
        }

        terminal.press("/").await;
        terminal.shows_text("type a part of a name").await;
        terminal.press("TOTAL").await;
        terminal.shows_text("filter: TOTAL").await;
        let only_total = |screen: &str| has_total(screen) && !screen.contains("Billing.charge");
        terminal.shows("only Billing.total", only_total).await;
        terminal.press("\r").await;
        terminal.shows_text("Enter instances").await;
        // Into the selected command, which is the only one.
        terminal.press("\r").await;
        terminal.shows_text("instances of Billing.total").await;
        let is_listed = |screen: &str| screen.contains("INSTANCE") && has_rate(screen, "b1");
        terminal.shows("the instance b1", is_listed).await;
        terminal.press("\u{1b}").await;
        terminal.shows_text("Billing.charge").await;

        terminal.press("s").await;
        terminal.shows_text("ERR/S▼").await;
        terminal.press("p").await;
        terminal.shows_text("paused").await;
        terminal.press("?").await;
        terminal
            .shows_text("list the instances of the command")
            .await;
        terminal.press(" ").await;
        let is_gone = |screen: &str| !screen.contains("list the instances of the command");
        terminal.shows("no help", is_gone).await;

        terminal.press("q").await;
        let left = terminal.end().await;
        assert_eq!(left.code, Some(0), "{left:?}");
        assert!(!left.alternate_screen && !left.cursor_is_hidden, "{left:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_the_live_table_and_gives_the_terminal_back() {
    within(async {
        let mesh = Mesh::start().await;
        let mut terminal = Terminal::start(&mesh.cli(&["top"]));
        terminal.shows_text("no node is registered").await;
        // In raw mode it is a key.
        terminal.press("\u{3}").await;
        let left = terminal.end().await;
        assert_eq!(left.code, Some(0), "{left:?}");
        assert!(!left.alternate_screen && !left.cursor_is_hidden, "{left:?}");
    })
    .await;
}
