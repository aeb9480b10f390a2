//! Which changes to a type change its shape, and which do not.

use serde::Deserialize;

use super::shape;

/// Several versions of one item, each in a module of its own.
macro_rules! versions {
    ($($version:ident { $($item:item)* })*) => {
        $(mod $version {
            #[allow(unused_imports)]
            use super::*;
            $(#[allow(dead_code)] #[derive(Deserialize)] $item)*
        })*
    };
}

mod structs {
    use super::*;

    versions! {
        base { pub(super) struct T { a: u32, b: u32, c: String } }
        renamed_type { pub(super) struct Other { a: u32, b: u32, c: String } }
        swapped { pub(super) struct T { b: u32, a: u32, c: String } }
        renamed_field { pub(super) struct T { a: u32, z: u32, c: String } }
        another_type { pub(super) struct T { a: u32, b: u64, c: String } }
        added { pub(super) struct T { a: u32, b: u32, c: String, d: Option<u8> } }
        newtype {
            pub(super) struct T { a: u32, b: Id, c: Box<str> }
            pub(super) struct Id(u32);
        }
        tuple { pub(super) struct T(u32, u32, String); }
    }

    #[test]
    fn the_order_the_names_and_the_types_of_fields_count() {
        let base = shape::<base::T>();
        assert_eq!(base, "{a:u32,b:u32,c:text}");
        for other in [
            shape::<swapped::T>(),
            shape::<renamed_field::T>(),
            shape::<another_type::T>(),
            shape::<added::T>(),
            shape::<tuple::T>(),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn the_names_of_types_and_newtypes_do_not_count() {
        let base = shape::<base::T>();
        assert_eq!(shape::<renamed_type::Other>(), base);
        assert_eq!(shape::<newtype::T>(), base);
    }
}

mod enums {
    use super::*;

    versions! {
        base { pub(super) enum T { A, B(u8), C(u8, u16), D { x: u32 }, E { x: u64 } } }
        swapped { pub(super) enum T { B(u8), A, C(u8, u16), D { x: u32 }, E { x: u64 } } }
        renamed { pub(super) enum T { A, B(u8), C(u8, u16), Z { x: u32 }, E { x: u64 } } }
        added { pub(super) enum T { A, B(u8), C(u8, u16), D { x: u32 }, E { x: u64 }, F } }
        contents { pub(super) enum T { A, B(u8), C(u8, u16), D { x: u64 }, E { x: u32 } } }
        nested {
            pub(super) enum T { A(In), B(Vec<In>), C }
            pub(super) enum In { X { deep: Option<Deep> }, Y }
            pub(super) enum Deep { P { min: u8, max: u8 }, Q }
        }
        nested_swapped {
            pub(super) enum T { A(In), B(Vec<In>), C }
            pub(super) enum In { X { deep: Option<Deep> }, Y }
            pub(super) enum Deep { P { max: u8, min: u8 }, Q }
        }
    }

    #[test]
    fn the_order_the_names_and_the_contents_of_variants_count() {
        let base = shape::<base::T>();
        assert_eq!(base, "enum{A:unit,B:u8,C:2(u8,u16),D:{x:u32},E:{x:u64}}");
        for other in [
            shape::<swapped::T>(),
            shape::<renamed::T>(),
            shape::<added::T>(),
            shape::<contents::T>(),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn what_is_in_a_variant_in_a_variant_counts() {
        assert_eq!(
            shape::<nested::T>(),
            "enum{A:enum{X:{deep:option(enum{P:{min:u8,max:u8},Q:unit})},Y:unit},B:seq(#1),C:unit}"
        );
        assert_ne!(shape::<nested::T>(), shape::<nested_swapped::T>());
    }

    #[test]
    fn one_generic_enum_with_different_contents_is_seen_in_each() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        enum Maybe<T> {
            No,
            Yes(T),
        }
        assert_eq!(
            shape::<(Maybe<u8>, Maybe<(u8, u8)>, Result<u8, Maybe<u8>>)>(),
            "3(enum{No:unit,Yes:u8},enum{No:unit,Yes:2(u8,u8)},enum{Ok:u8,Err:#1})"
        );
    }

    #[test]
    fn a_variant_with_another_name_for_it_is_seen_like_the_others() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        enum Aliased {
            #[serde(alias = "Former")]
            Present {
                x: u8,
            },
            Second(u16),
        }
        let shape = shape::<(Aliased, u8)>();
        assert!(shape.contains("{x:u8}") && shape.contains("u16"), "{shape}");
        assert!(shape.ends_with(",u8)"), "{shape}");
    }

    #[test]
    fn hundreds_of_variants_are_seen_to_the_last() {
        macro_rules! many {
            ($($name:ident)*) => {
                #[derive(Deserialize)]
                #[allow(dead_code)]
                enum Many { $($name(u8),)* Last { x: u16, y: u16 } }
            };
        }
        many!(A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 C0 C1 C2 C3 C4 C5 C6 C7 C8 C9
            D0 D1 D2 D3 D4 D5 D6 D7 D8 D9 E0 E1 E2 E3 E4 E5 E6 E7 E8 E9 F0 F1 F2 F3 F4 F5 F6 F7 F8 F9);
        let shape = shape::<Vec<Option<Many>>>();
        assert!(shape.ends_with("F9:u8,Last:{x:u16,y:u16}}))"), "{shape}");
    }
}

mod attributes {
    use super::*;

    #[test]
    fn parts_that_are_alike_count_as_one_wherever_they_come_from() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Address {
            street: String,
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct ShipTo {
            street: String,
        }
        #[derive(Deserialize)]
        struct Id(#[allow(dead_code)] u64);
        assert_eq!(
            shape::<(Address, Address, Vec<u64>, Vec<u64>)>(),
            shape::<(Address, ShipTo, Vec<u64>, Vec<Id>)>()
        );
    }

    #[test]
    fn fields_that_do_not_travel_do_not_count() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Skips {
            a: u8,
            #[serde(skip)]
            cache: Vec<u64>,
            #[serde(rename = "z", default)]
            b: u16,
        }
        assert_eq!(shape::<Skips>(), "{a:u8,z:u16}");
    }

    #[test]
    fn what_serde_derives_otherwise_is_traced_as_it_travels() {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Transparent {
            #[allow(dead_code)]
            only: u16,
        }
        #[derive(Deserialize)]
        struct Unit;
        #[derive(Deserialize)]
        #[serde(from = "(u8, Unit)")]
        struct From(#[allow(dead_code)] u8);
        impl core::convert::From<(u8, Unit)> for From {
            fn from((n, _): (u8, Unit)) -> Self {
                Self(n)
            }
        }
        assert_eq!(shape::<(Transparent, From)>(), "2(u16,2(u8,unit))");
    }
}
