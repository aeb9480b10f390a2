//! Texts of others do not steer the terminal: answers, errors and arguments with control characters in them.

use serde_json::json;

use crate::support::{Done, GHOST, Mesh, args, is_harmless, within};

/// Clears the screen in two ways, and turns the direction of writing.
const EVIL: &str = "\u{1b}[2Jevil\u{9b}2J\u{202e}";

/// Nothing of it is obeyed by a terminal.
#[track_caller]
fn is_shown(done: &Done) {
    let shown = is_harmless(&done.stdout) && is_harmless(&done.stderr);
    assert!(shown, "{done:#?}");
    assert!(done.stdout.contains("evil") || done.stderr.contains("evil"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_steer_the_terminal() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let mut args = args("ada");
        args["order"]["note"] = json!(EVIL);
        let args = args.to_string();
        let nothing: &[&str] = &[];
        for more in [nothing, &["--json"], &["--all"]] {
            let call = [&["call", "Billing.charge", &args][..], more].concat();
            let done = mesh.cli(&call).run().await.ok();
            is_shown(&done);
            if more.is_empty() {
                // In JSON, what is replaced is still told.
                assert_eq!(done.json()["Ok"]["note"], EVIL);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_handlers_do_not_steer_the_terminal() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let mut args = args(GHOST);
        args["order"]["note"] = json!(EVIL);
        let args = args.to_string();
        let nothing: &[&str] = &[];
        for more in [nothing, &["--all"], &["--all", "--json"]] {
            let call = [&["call", "Billing.charge", &args][..], more].concat();
            is_shown(&mesh.cli(&call).run().await.ends_with(1));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_do_not_steer_the_terminal() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        trio.dead_letters(&[EVIL]).await;
        let json = ["jobs", "dead", "Audit.record", "--json"];
        let json = mesh.cli(&json).run().await.ok();
        is_shown(&json);
        let letter = &json.json()["jobs"][0];
        assert_eq!(letter["error"], EVIL);
        assert_eq!(letter["args"]["entry"]["fails_with"], EVIL);
        let job = letter["job"].as_str().expect("a text");
        for look in [
            &["jobs", "dead", "Audit.record"][..],
            &["jobs", "show", "Audit.record", job][..],
            &["jobs", "show", "Audit.record", job, "--json"][..],
        ] {
            is_shown(&mesh.cli(look).run().await.ok());
        }
        // It has only the beginning of the arguments.
        let list = ["jobs", "list", "Audit.record", "--state", "dead"];
        let list = mesh.cli(&list).run().await.ok();
        assert!(is_harmless(&list.stdout), "{list:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_does_not_steer_the_terminal_either() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let command = format!("Billing.{EVIL}");
        for args in [
            &["call", &command, "{}"][..],
            &["nodes", EVIL][..],
            &["drain", EVIL, "--yes"][..],
            &["jobs", "show", "Audit.record", EVIL][..],
        ] {
            is_shown(&mesh.cli(args).run().await.ends_with(1));
        }
    })
    .await;
}
