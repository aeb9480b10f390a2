//! `mesh call`: whom it calls, and what it prints.

use serde_json::json;

use crate::support::{Mesh, NOBODY, SLOW, args, v1, within};

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_printed_as_json() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let ada = args("ada").to_string();
        let call = mesh.cli(&["call", "Billing.charge", &ada]).run().await.ok();
        let receipt = json!({"id": 7, "cents": 500, "by": "b1", "tenant": null, "note": null});
        assert_eq!(call.json(), json!({ "Ok": receipt }));
        assert!(call.stdout.contains("\n    \"cents\": 500,\n"), "{call:#?}");
        let total = ["call", "Billing/total", "--json"];
        let total = mesh.cli(&total).run().await.ok().json();
        assert_eq!(total["instance"], "b1");
        assert_eq!(total["answer"], 500);
        assert!(total["duration_ms"].is_f64());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_err_is_printed_and_ends_with_an_exit_code() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let nobody = args(NOBODY).to_string();
        let call = mesh.cli(&["call", "Billing.charge", &nobody]).run().await;
        let call = call.ends_with(1);
        assert_eq!(
            call.json(),
            json!({"Err": {"why": "nobody is no customer"}})
        );
        assert_eq!(call.stderr, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_travel_along_with_the_call() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let ada = args("ada").to_string();
        let call = [
            "call",
            "Billing.charge",
            &ada,
            "--meta",
            "locale=de",
            "--meta",
            "tenant=a=42",
        ];
        let call = mesh.cli(&call).run().await.ok().json();
        assert_eq!(call["Ok"]["tenant"], "a=42");
        let wrong = ["call", "Billing.charge", &ada, "--meta", "tenant"];
        let wrong = mesh.cli(&wrong).run().await.ends_with(2);
        wrong.tells("KEY=VALUE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_fails() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let slow = args(SLOW).to_string();
        let call = ["call", "Billing.charge", &slow, "--timeout", "1s"];
        let call = mesh.cli(&call).run().await.ends_with(1);
        assert_eq!(trio.hears().await, SLOW);
        call.tells("no answer of `charge` within 1s")
            .tells("Billing/b1 failed after")
            .tells("--timeout DURATION waits longer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_chosen_by_name() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let second = v1::Billing::node(trio.desk.clone());
        let _second = mesh.node(second, "b2").await;
        let ada = args("ada").to_string();
        for (to, instance) in [("b1", "b1"), ("Billing/b2", "b2"), ("b2", "b2")] {
            let call = ["call", "Billing.charge", &ada, "--to", to];
            let call = mesh.cli(&call).run().await.ok().json();
            assert_eq!(call["Ok"]["by"], instance);
        }
        let any = mesh.cli(&["call", "Billing.charge", &ada]).run().await.ok();
        let any = any.json();
        let by = &any["Ok"]["by"];
        assert!(by == "b1" || by == "b2", "{by}");
        let nobody = ["call", "Billing.charge", &ada, "--to", "b3"];
        let nobody = mesh.cli(&nobody).run().await.ends_with(1);
        nobody.tells("there is no node `b3`");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_is_called_if_that_is_asked_for_or_if_it_is_a_broadcast() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let second = v1::Billing::node(trio.desk.clone());
        let _second = mesh.node(second, "b2").await;
        for call in [
            &["call", "Billing.total", "--all", "--json"][..],
            &["call", "Billing.flush", "--json"],
        ] {
            let answers = mesh.cli(call).run().await.ok().json();
            let answers = answers.as_array().expect("a list");
            let instances: Vec<_> = answers.iter().map(|answer| &answer["instance"]).collect();
            assert_eq!(instances, ["b1", "b2"]);
            assert!(answers.iter().all(|answer| answer["answer"].is_u64()));
        }
        let lines = mesh.cli(&["call", "Billing.flush"]).run().await.ok();
        for instance in ["Billing/b1", "Billing/b2"] {
            assert!(lines.line(instance).ends_with(" 1"), "{lines:#?}");
        }
        let note = ["call", "Billing.note", r#"{"text": "hello"}"#];
        let note = mesh.cli(&note).run().await.ok();
        assert!(note.line("Billing/b1").ends_with(" null"), "{note:#?}");
        for _ in 0..2 {
            assert_eq!(trio.hears().await, "hello");
        }
        // One of them has answered with an `Err`.
        let nobody = args(NOBODY).to_string();
        let all = ["call", "Billing.charge", &nobody, "--all"];
        let all = mesh.cli(&all).run().await.ends_with(1);
        assert!(all.line("Billing/b2").contains("is no customer"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_command_answers_with_its_job() {
    within(async {
        let mesh = Mesh::start().await;
        let mut trio = mesh.trio().await;
        let entry = json!({"entry": {"id": 1, "text": "by hand"}}).to_string();
        let call = mesh.cli(&["call", "Audit.record", &entry]).run().await.ok();
        let queued = call.json();
        assert_eq!(queued["instance"], "a1");
        assert!(queued["job"].is_string(), "{queued}");
        assert_eq!(trio.hears().await, "by hand");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_mesh_does_not_have_is_told_with_similar_names() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        for (command, what, hint) in [
            (
                "Billing.chrage",
                "`Billing` has no command `chrage`",
                "it has charge, ",
            ),
            (
                "Biling.charge",
                "no node type `Biling`",
                "there are Billing, ",
            ),
            (
                "charge",
                "give its node type as well",
                "did you mean Billing.charge?",
            ),
        ] {
            let call = mesh.cli(&["call", command, "{}"]).run().await.ends_with(1);
            call.tells(what).tells(hint);
        }
        trio.audit.shutdown().await;
        mesh.without("Audit").await;
        let gone = mesh.cli(&["call", "Audit.reindex"]).run().await;
        gone.ends_with(1)
            .tells("no instance of `Audit` is registered");
    })
    .await;
}
