//! Types that hold themselves.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::shape;

#[derive(Deserialize)]
#[allow(dead_code)]
enum Expr {
    Add(Box<Expr>, Box<Expr>),
    Neg { of: Box<Expr> },
    All(Vec<Expr>),
    Num(u64),
}

#[test]
fn an_expression_is_seen_in_all_its_variants() {
    assert_eq!(
        shape::<Expr>(),
        "enum{Add:2(#0,#0),Neg:{of:#0},All:seq(#0),Num:u64}"
    );
}

#[test]
fn trees_and_lists_come_to_an_end() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Tree {
        value: Expr,
        left: Option<Box<Tree>>,
        kids: HashMap<u8, Tree>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct List(Option<Box<List>>);
    #[derive(Deserialize)]
    #[serde(transparent)]
    #[allow(dead_code)]
    struct Bare(Vec<Bare>);
    assert_eq!(
        shape::<Tree>(),
        "{value:enum{Add:2(#1,#1),Neg:{of:#1},All:seq(#1),Num:u64},left:option(#0),kids:map(u8,#0)}"
    );
    assert_eq!(shape::<List>(), "option(#0)");
    assert_eq!(shape::<Bare>(), "seq(#0)");
}

#[test]
fn types_that_hold_each_other_are_seen_on_both_sides() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Ping {
        To(Box<Pong>),
        Around { first: Box<Pong>, then: Box<Ping> },
        Caught(u8),
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Pong {
        back: Ping,
        more: BTreeMap<String, Vec<Ping>>,
        verdict: Verdict,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Verdict {
        Over(Box<Ping>),
        Out { by: u16 },
    }
    assert_eq!(
        shape::<Ping>(),
        "enum{To:{back:#0,more:map(text,seq(#0)),verdict:enum{Over:#0,Out:{by:u16}}},Around:{first:#1,then:#0},Caught:u8}"
    );
}

#[test]
fn an_enum_that_ends_only_in_another_is_seen_to_its_end() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Outer {
        A(Box<Inner>),
        B(Box<Inner>, Box<Outer>),
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Inner {
        Again(Box<Outer>),
        More(Box<Outer>, Box<Outer>),
        End(i8),
    }
    assert_eq!(
        shape::<Outer>(),
        "enum{A:enum{Again:#0,More:2(#0,#0),End:i8},B:2(#1,#0)}"
    );
}

#[test]
fn what_has_no_end_ends_the_trace() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Endless {
        next: Box<Endless>,
        never: u8,
    }
    #[derive(Deserialize)]
    struct Nothing(#[allow(dead_code)] Box<Nothing>);
    assert_eq!(shape::<Endless>(), "{next:#0,never:?}");
    assert_eq!(shape::<Nothing>(), "endless");
    // The parts beside it are traced.
    assert_eq!(
        shape::<(Option<Endless>, u8)>(),
        "2(option({next:#2,never:?}),u8)"
    );
}

#[test]
fn a_type_that_doubles_with_each_level_is_within_bounds() {
    macro_rules! doubles {
        ($name:ident $inner:ident) => {
            #[derive(Deserialize)]
            #[allow(dead_code)]
            struct $name {
                a: Box<($inner, $inner)>,
                b: Box<($inner, $inner)>,
            }
        };
    }
    doubles!(L1 u8);
    doubles!(L2 L1);
    doubles!(L3 L2);
    doubles!(L4 L3);
    doubles!(L5 L4);
    doubles!(L6 L5);
    doubles!(L7 L6);
    doubles!(L8 L7);
    doubles!(L9 L8);
    doubles!(L10 L9);
    doubles!(L11 L10);
    assert!(shape::<L3>().starts_with("{a:2({a:2({a:2(u8,u8),b:#5}"));
    // 4^11 leaves are too many, so the trace is cut off, but always at the same place.
    assert!(shape::<L11>().len() < 500);
}
