//! One mistake, one message; many mistakes, all of them.

use super::{SHOP, mistakes};

#[test]
fn a_schema_in_order_has_no_mistakes() {
    assert_eq!(mistakes(SHOP), [""; 0]);
}

#[test]
fn a_broken_node_hides_no_mistake_in_another() {
    let found = mistakes(
        "mesh Shop;
         node Billing<T> { allow: [Gatway] balanced fn charge(&self) }
         nod Gateway { connect: [Billing]; conect: any; }",
    );
    assert_eq!(found.len(), 8, "{found:#?}");
    for part in [
        "a node type has no generics",
        "did you mean `Gateway`?",
        "expected `;` after the list",
        "declared without `self`",
        "expected `;` after the command",
        "did you mean `node`?",
        "did you mean `connect`?",
        "has a `connect` list already",
    ] {
        assert!(
            found.iter().any(|message| message.contains(part)),
            "{part}: {found:#?}"
        );
    }
}

#[test]
fn a_broken_command_is_no_reason_to_refuse_its_options() {
    let found = mistakes("mesh M; node A { #[attempts = 5] queued fn job(); }");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn commands_of_one_name_may_exclude_each_other() {
    let found = mistakes(
        "mesh M; node A { #[cfg(a)] balanced fn f(); #[cfg(not(a))] balanced fn f(x: u8); }",
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn commands_of_one_name_under_one_condition_are_duplicates() {
    let found =
        mistakes("mesh M; node A { #[cfg(a)] balanced fn f(); #[cfg(a)] balanced fn f(x: u8); }");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn nodes_have_no_names_that_mean_something_else() {
    for name in ["any", "operator", "observer"] {
        let found = mistakes(&format!("mesh M; node {name} {{ balanced fn f(); }}"));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].contains("cannot be the name of a node"),
            "{found:#?}"
        );
    }
}

#[test]
fn the_ids_of_built_in_commands_are_reserved() {
    let found = mistakes("mesh M; node A { balanced fn acwheu(); balanced fn acwheus(); }");
    assert_eq!(
        found,
        [
            "`A.acwheu` has a command id that is reserved for built-in commands, by chance: rename the command"
        ]
    );
}

#[test]
fn every_unit_of_time_is_read() {
    for duration in ["250ms", "2s", "5m", "1h", "2 s", " 7ms "] {
        let schema = format!("mesh M; node A {{ #[timeout = \"{duration}\"] balanced fn f(); }}");
        assert_eq!(mistakes(&schema), [""; 0], "{duration}");
    }
}

#[test]
fn an_option_is_refused_on_each_delivery_that_it_is_not_for() {
    let deliveries = [
        ("balanced fn f(a: u8) -> u8", "balanced"),
        ("broadcast fn f(a: u8) -> u8", "gather"),
        ("broadcast fn f(a: u8)", "broadcast"),
        ("queued balanced fn f(a: u8)", "queued balanced"),
        ("queued broadcast fn f(a: u8)", "queued broadcast"),
    ];
    let all = [
        "balanced",
        "gather",
        "broadcast",
        "queued balanced",
        "queued broadcast",
    ];
    let options: [(&str, &[&str]); 9] = [
        ("timeout = \"1s\"", &all),
        ("concurrency = 1", &all),
        ("version = 1", &all),
        ("idempotent", &["balanced"]),
        ("key = a", &["balanced", "queued balanced"]),
        ("attempts = 1", &["queued balanced", "queued broadcast"]),
        ("backoff = \"1s\"", &["queued balanced", "queued broadcast"]),
        (
            "incompatible = \"1s\"",
            &["queued balanced", "queued broadcast"],
        ),
        ("orphans = \"adopt\"", &["queued broadcast"]),
    ];
    for (option, allowed) in options {
        for (command, delivery) in deliveries {
            let found = mistakes(&format!("mesh M; node A {{ #[{option}] {command}; }}"));
            let expected = usize::from(!allowed.contains(&delivery));
            assert_eq!(found.len(), expected, "{option} on {delivery}: {found:#?}");
        }
    }
}

#[test]
fn a_key_is_any_expression_over_the_arguments() {
    for key in [
        "a",
        "(a, b.c)",
        "b.name()",
        "a % 7",
        "b[0]",
        "f(a)",
        "LIMIT + a",
        "&a",
        "format!(\"{a}\")",
    ] {
        let found = mistakes(&format!(
            "mesh M; node A {{ #[key = {key}] balanced fn f(a: u8, b: B); }}"
        ));
        let expected = usize::from(key.starts_with("format"));
        assert_eq!(found.len(), expected, "{key}: {found:#?}");
    }
}

#[test]
fn the_way_back_is_open_closed_or_for_those_that_it_lists() {
    for reverse in [
        "",
        "reverse: any;",
        "reverse: none;",
        "reverse: [];",
        "reverse: [B];",
    ] {
        let schema = format!(
            "mesh M; node A {{ connect: [B]; {reverse} balanced fn f(); }} node B {{ allow: [A]; }}"
        );
        assert_eq!(mistakes(&schema), [""; 0], "{reverse}");
    }
}

#[test]
fn a_list_of_the_way_back_names_those_that_the_node_dials() {
    let mistake = |node: &str| {
        let schema = format!("mesh M; {node} node B {{ allow: [A]; }} node C {{ allow: any; }}");
        let found = mistakes(&schema);
        assert_eq!(found.len(), 1, "{node}: {found:#?}");
        found[0].clone()
    };
    for (node, part) in [
        (
            "node A { connect: [B]; reverse: [C]; balanced fn f(); }",
            "`A` does not connect to `C`",
        ),
        (
            "node A { connect: [B]; reverse: [D]; balanced fn f(); }",
            "the schema has no node `D`",
        ),
        (
            "node A { connect: [B]; reverse: [B, B]; balanced fn f(); }",
            "twice",
        ),
        (
            "node A { connect: [B]; revers: [B]; balanced fn f(); }",
            "did you mean `reverse`?",
        ),
        (
            "node A { connect: [B]; reverse: none balanced fn f(); }",
            "expected `;`",
        ),
        (
            "node A { connect: [B]; reverse: none; #[allow(B)] balanced fn f(); }",
            "`reverse` of `A` leaves it out",
        ),
    ] {
        let mistake = mistake(node);
        assert!(mistake.contains(part), "{part}: {mistake}");
    }
}
