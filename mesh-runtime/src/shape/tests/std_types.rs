//! Common types of the standard library.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    num::{NonZeroI8, NonZeroU64},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::shape;

#[test]
fn leaves() {
    assert_eq!(
        shape::<(bool, char, f32, f64, String, ())>(),
        "6(bool,char,f32,f64,text,unit)"
    );
    assert_eq!(
        shape::<(i8, i16, i32, i64, i128, isize)>(),
        "6(i8,i16,i32,i64,i128,i64)"
    );
    assert_eq!(
        shape::<(u8, u16, u32, u64, u128, usize)>(),
        "6(u8,u16,u32,u64,u128,u64)"
    );
    assert_eq!(shape::<(NonZeroU64, NonZeroI8)>(), "2(u64,i8)");
}

#[test]
fn what_only_wraps_does_not_show() {
    for wrapped in [
        shape::<Box<u8>>(),
        shape::<Arc<u8>>(),
        shape::<Cow<'static, u8>>(),
        shape::<std::cell::Cell<u8>>(),
        shape::<std::num::Wrapping<u8>>(),
        shape::<std::sync::Mutex<u8>>(),
    ] {
        assert_eq!(wrapped, "u8");
    }
    for text in [
        shape::<Box<str>>(),
        shape::<Cow<'static, str>>(),
        shape::<PathBuf>(),
    ] {
        assert_eq!(text, "text");
    }
}

#[test]
fn collections() {
    for list in [
        shape::<Vec<u8>>(),
        shape::<Box<[u8]>>(),
        shape::<VecDeque<u8>>(),
        shape::<HashSet<u8>>(),
        shape::<BTreeSet<u8>>(),
    ] {
        assert_eq!(list, "seq(u8)");
    }
    for map in [
        shape::<HashMap<String, Vec<u8>>>(),
        shape::<BTreeMap<String, Vec<u8>>>(),
    ] {
        assert_eq!(map, "map(text,seq(u8))");
    }
    assert_eq!(shape::<Option<Option<u8>>>(), "option(option(u8))");
    assert_eq!(shape::<[u16; 3]>(), "3(u16,u16,u16)");
    assert_eq!(shape::<[u16; 0]>(), "0()");
    assert_ne!(shape::<[u16; 31]>(), shape::<[u16; 32]>());
    assert_eq!(shape::<(u8, (u16, u8))>(), "2(u8,2(u16,u8))");
    assert_eq!(shape::<std::marker::PhantomData<u8>>(), "unit");
}

#[test]
fn times_addresses_and_results() {
    assert_eq!(shape::<Duration>(), "{secs:u64,nanos:u32}");
    assert_eq!(
        shape::<SystemTime>(),
        "{secs_since_epoch:u64,nanos_since_epoch:u32}"
    );
    let four = "4(u8,u8,u8,u8)";
    assert!(shape::<IpAddr>().starts_with(&format!("enum{{V4:{four},V6:16(u8,")));
    assert!(shape::<SocketAddr>().starts_with(&format!("enum{{V4:2({four},u16),V6:2(")));
    assert_eq!(shape::<Result<u8, String>>(), "enum{Ok:u8,Err:text}");
    assert_eq!(shape::<std::ops::Range<u8>>(), "{start:u8,end:u8}");
}
