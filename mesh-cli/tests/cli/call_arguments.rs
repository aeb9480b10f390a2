//! The arguments of `mesh call`: where they come from, and what is said of those that do not suit.

use serde_json::{Value, json};

use crate::support::{Mesh, args, within};

/// What is said of arguments that do not suit `Billing.charge`.
async fn refused(mesh: &Mesh, args: &Value) -> String {
    let args = args.to_string();
    let call = mesh.cli(&["call", "Billing.charge", &args]).run().await;
    call.ends_with(2)
        .tells("the arguments do not suit `Billing.charge`")
        .stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_come_from_the_command_line_a_file_or_standard_input() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let ada = args("ada").to_string();
        let file = mesh.config().join("order.json");
        std::fs::write(&file, &ada).expect("a file in a fresh directory");
        let file = format!("@{}", file.display());
        let from_file = mesh
            .cli(&["call", "Billing.charge", &file])
            .run()
            .await
            .ok();
        assert_eq!(from_file.json()["Ok"]["cents"], 500);
        let from_stdin = mesh.cli(&["call", "Billing.charge", "-"]).stdin(ada);
        assert_eq!(from_stdin.run().await.ok().json()["Ok"]["cents"], 500);
        let missing = ["call", "Billing.charge", "@/does/not/exist"];
        let missing = mesh.cli(&missing).run().await.ends_with(2);
        missing.tells("`/does/not/exist`");
        let broken = ["call", "Billing.charge", "{"];
        let broken = mesh.cli(&broken).run().await.ends_with(2);
        broken.tells("the arguments are not JSON");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_arguments_it_is_told_what_they_look_like() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let call = mesh.cli(&["call", "Billing.charge"]).run().await;
        let call = call
            .ends_with(2)
            .tells("`Billing.charge` needs arguments:\n  order: Order\n    id: u64\n")
            .tells("    customer: Customer\n      name: text\n      country: text\n")
            .tells("    lines: [Line]\n      sku: text\n      cents: u64\n")
            .tells("    payment: \"Cash\" | {\"Card\": text} | ")
            .tells("    note: text?\n");
        assert_eq!(trio.served("charge"), 0);
        let (_, template) = call
            .stderr
            .split_once("hint: fill in: mesh call Billing.charge '")
            .expect("a template");
        let template = template.trim_end().strip_suffix('\'').expect("a quote");
        // What is printed is accepted.
        let call = mesh.cli(&["call", "Billing.charge", template]).run().await;
        assert_eq!(call.ok().json()["Ok"]["cents"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_is_told_with_its_place() {
    within(async {
        let mesh = Mesh::start().await;
        let trio = mesh.trio().await;
        let mut wrong = args("ada");
        wrong["order"]["lines"][1]["cents"] = json!("many");
        let told = refused(&mesh, &wrong).await;
        let place = "order.lines[1].cents: expected a number, got \"many\"";
        assert!(told.contains(place), "{told}");
        let mut wrong = args("ada");
        wrong["order"]["payment"] = json!("Card");
        let told = refused(&mesh, &wrong).await;
        assert!(told.contains("order.payment: "), "{told}");
        assert_eq!(trio.served("charge"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_missing_is_told_at_once_with_its_type() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let told = refused(
            &mesh,
            &json!({"order": {"id": 1, "lines": [{"sku": "tea"}]}}),
        )
        .await;
        for missing in [
            "\n  order.customer is missing: Customer { name: text, country: text }\n",
            "\n  order.lines[0].cents is missing: u64\n",
            "\n  order.payment is missing: \"Cash\" | {\"Card\": text} | ",
        ] {
            assert!(told.contains(missing), "{missing:?} is not in {told}");
        }
        // It may be left out.
        assert!(!told.contains("order.note"), "{told}");
        let told = refused(&mesh, &json!({})).await;
        assert!(
            told.contains("order is missing: Order { id: u64, "),
            "{told}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_name_that_is_not_known_a_similar_one_is_proposed() {
    within(async {
        let mesh = Mesh::start().await;
        let _trio = mesh.trio().await;
        let mut unknown = args("ada");
        unknown["order"]["customer"]["nmae"] = json!("ada");
        unknown["oder"] = json!({});
        let told = refused(&mesh, &unknown).await;
        for name in [
            "order.customer.nmae is not known; did you mean `name`?",
            "oder is not known; did you mean `order`?",
        ] {
            assert!(told.contains(name), "{name:?} is not in {told}");
        }
        let mut unknown = args("ada");
        unknown["order"]["payment"] = json!("Csh");
        let told = refused(&mesh, &unknown).await;
        let variant = "order.payment: no variant is named \"Csh\"; did you mean `Cash`?";
        assert!(told.contains(variant), "{told}");
    })
    .await;
}
