//! Ids, fingerprints and the text that they are made of: they are part of the protocol.

use quote::quote;

use super::{SHOP, file};
use crate::names::{fnv1a_32, fnv1a_64, text};

#[test]
fn hashes_are_fnv_1a() {
    // The test vectors of the hash's authors.
    assert_eq!(fnv1a_32(""), 0x811c_9dc5);
    assert_eq!(fnv1a_32("a"), 0xe40c_292c);
    assert_eq!(fnv1a_32("foobar"), 0xbf9c_f968);
    assert_eq!(fnv1a_64(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a_64("a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fnv1a_64("foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn types_are_written_as_a_person_would() {
    let cases = [
        (
            quote!(Result<Receipt, Declined>),
            "Result<Receipt, Declined>",
        ),
        (quote!(::std::vec::Vec<u8>), "::std::vec::Vec<u8>"),
        (quote!([u8; 4]), "[u8; 4]"),
        (quote!((A, B,)), "(A, B,)"),
        (quote!(Cow<'static, str>), "Cow<'static, str>"),
        (quote!(<A as B>::C), "<A as B>::C"),
        (quote!([u8; N * 2 + 1]), "[u8; N*2 + 1]"),
        (quote!(Box<dyn A + Send>), "Box<dyn A + Send>"),
        (quote!(Vec<Vec<u8>>), "Vec<Vec<u8>>"),
        (quote!(()), "()"),
    ];
    for (tokens, expected) in cases {
        assert_eq!(text(tokens), expected);
    }
}

/// The fingerprint in the expansion of a node with that one command.
fn fingerprint(command: &str) -> String {
    let expansion = prettyplease::unparse(&file(&format!(
        "mesh M; node A {{ allow: any; connect: any; {command} }}"
    )));
    let spec = expansion
        .split("CommandSpec::new(")
        .nth(1)
        .expect("one command");
    spec.split(',')
        .nth(2)
        .expect("the third argument")
        .trim()
        .to_string()
}

#[test]
fn a_fingerprint_changes_with_what_both_sides_must_mean_alike() {
    let base = fingerprint("balanced fn f(a: u8) -> u8;");
    let others = [
        "broadcast fn f(a: u8) -> u8;",
        "balanced fn g(a: u8) -> u8;",
        "balanced fn f(b: u8) -> u8;",
        "balanced fn f(a: u16) -> u8;",
        "balanced fn f(a: u8, b: u8) -> u8;",
        "balanced fn f(a: u8);",
        "balanced fn f(a: u8) -> Option<u8>;",
        "#[version = 1] balanced fn f(a: u8) -> u8;",
    ];
    for other in others {
        assert_ne!(fingerprint(other), base, "{other}");
    }
}

#[test]
fn a_fingerprint_stays_with_what_concerns_one_side_only() {
    let base = fingerprint("balanced fn f(a: u8) -> u8;");
    let others = [
        "/// Docs. \n balanced fn f(a: u8) -> u8;",
        "#[timeout = \"1s\"] #[idempotent] #[concurrency = 4] #[key = a] balanced fn f(a: u8) -> u8;",
        "#[deprecated] #[allow(A)] balanced fn f ( a : u8 , ) -> u8 ;",
    ];
    for other in others {
        assert_eq!(fingerprint(other), base, "{other}");
    }
}

#[test]
fn the_shops_ids_and_fingerprints_stay_what_they_are() {
    let expansion = prettyplease::unparse(&file(SHOP));
    let spec = expansion
        .split("\"charge\",")
        .nth(1)
        .expect("the command's description");
    let numbers: Vec<&str> = spec.split(',').take(2).map(str::trim).collect();
    let id = fnv1a_32("Billing.charge");
    let fingerprint = fnv1a_64("balanced charge(order: Order) -> Result<Receipt, Declined> #0");
    assert_eq!(numbers, [format!("{id}u32"), format!("{fingerprint}u64")]);
}
