//! What neither side can be made to do: run out of stack, loop for nothing, take memory for nothing.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Debug,
    time::Instant,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
    ser::SerializeMap,
};

use super::super::{
    LONG_U64, MAX_DEPTH, MAX_EMPTY, MAX_PAYLOAD, decode, encode, encode::Encoder, output::Output,
};
use crate::error::CodecError;

/// Types that contain themselves, each in another way.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<Box<Wrapped>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Newtypes {
    End,
    More(Box<Newtypes>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tuples {
    End,
    More(Box<Tuples>, ()),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Structs {
    End,
    More { next: Box<Structs> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct List(Vec<List>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Map(BTreeMap<u8, Map>);

fn too_deep<T: Debug>(result: Result<T, CodecError>) {
    let error = result.unwrap_err().to_string();
    let text = "more than 128 options, enums, lists and maps are inside one another";
    assert!(error.contains(text), "{error}");
}

/// A thread with the stack of tokio's worker threads.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

#[test]
fn bytes_that_go_deeper_and_deeper_are_an_error_and_no_stack_overflow() {
    on_a_small_stack(|| {
        let bytes = vec![1; 64 * 1024];
        too_deep(decode::<Chain>(&bytes));
        too_deep(decode::<Wrapped>(&bytes));
        too_deep(decode::<Newtypes>(&bytes));
        too_deep(decode::<Tuples>(&bytes));
        too_deep(decode::<Structs>(&bytes));
        too_deep(decode::<List>(&bytes));
        too_deep(decode::<Map>(&bytes));
    });
}

#[test]
fn a_value_without_end_is_an_error_and_no_stack_overflow() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_some(self)
        }
    }
    on_a_small_stack(|| too_deep(encode(&Endless, MAX_PAYLOAD)));
}

/// A value of 128 levels passes both ways, and one with a level more in neither.
fn exactly_128<T>(innermost: fn() -> T, around: fn(T) -> T, levels: u32, level: &[u8])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let value = |count| (0..count).fold(innermost(), |inner, _| around(inner));
    let bytes = |count| [level.repeat(count as usize), vec![0]].concat();
    let fits = value(levels);
    assert_eq!(encode(&fits, MAX_PAYLOAD).unwrap(), bytes(levels));
    assert_eq!(decode::<T>(&bytes(levels)), Ok(fits));
    too_deep(encode(&value(levels + 1), MAX_PAYLOAD));
    too_deep(decode::<T>(&bytes(levels + 1)));
}

#[test]
fn depth_128_passes_and_129_does_not() {
    on_a_small_stack(|| {
        exactly_128(
            || Chain { next: None },
            |inner| Chain {
                next: Some(Box::new(inner)),
            },
            MAX_DEPTH,
            &[1],
        );
        exactly_128(
            || Wrapped(None),
            |inner| Wrapped(Some(Box::new(inner))),
            MAX_DEPTH,
            &[1],
        );
        // The innermost of these is a level too.
        let levels = MAX_DEPTH - 1;
        exactly_128(
            || Newtypes::End,
            |inner| Newtypes::More(Box::new(inner)),
            levels,
            &[1],
        );
        exactly_128(
            || Tuples::End,
            |inner| Tuples::More(Box::new(inner), ()),
            levels,
            &[1],
        );
        exactly_128(
            || Structs::End,
            |inner| Structs::More {
                next: Box::new(inner),
            },
            levels,
            &[1],
        );
        exactly_128(|| List(vec![]), |inner| List(vec![inner]), levels, &[1]);
        exactly_128(
            || Map(BTreeMap::new()),
            |inner| Map([(7, inner)].into()),
            levels,
            &[1, 7],
        );
    });
}

#[test]
fn levels_are_counted_inside_one_another_and_not_side_by_side() {
    type Mixed = Vec<Option<BTreeMap<u8, Newtypes>>>;
    let inner =
        |levels: u32| (1..levels).fold(Newtypes::End, |inner, _| Newtypes::More(Box::new(inner)));
    let mixed = |levels: u32| -> Mixed {
        let one = |key| Some(BTreeMap::from([(key, inner(levels - 3)), (9, inner(2))]));
        vec![None, one(1), one(2), None]
    };
    let bytes = encode(&mixed(128), MAX_PAYLOAD).unwrap();
    assert_eq!(decode::<Mixed>(&bytes), Ok(mixed(128)));
    too_deep(encode(&mixed(129), MAX_PAYLOAD));
    let wide = vec![Some(vec![Some(1_u8)]); 1000];
    let bytes = encode(&wide, MAX_PAYLOAD).unwrap();
    assert_eq!(decode::<Vec<Option<Vec<Option<u8>>>>>(&bytes), Ok(wide));
}

/// Bytes that claim a list or map of this length.
fn claim(len: u64) -> Vec<u8> {
    [&[LONG_U64][..], &len.to_le_bytes()].concat()
}

const HUGE: u64 = 1 << 60;

fn too_long<T: Debug>(result: Result<T, CodecError>) {
    let text = "decoding failed: a length in it is greater than the bytes there are";
    assert_eq!(result.unwrap_err().to_string(), text);
}

fn too_empty<T: Debug>(result: Result<T, CodecError>) {
    let error = result.unwrap_err().to_string();
    let text = "more than 65536 elements of its lists, sets and maps take no bytes";
    assert!(error.contains(text), "{error}");
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Nothing {
    unit: (),
    units: [(); 4],
}

const NOTHING: Nothing = Nothing {
    unit: (),
    units: [(); 4],
};

#[test]
fn lists_of_nothing_end_at_65536_elements_when_they_are_decoded() {
    let begun = Instant::now();
    too_long(decode::<Vec<()>>(&claim(HUGE)));
    too_long(decode::<Vec<[(); 8]>>(&claim(HUGE)));
    too_long(decode::<Vec<Nothing>>(&claim(HUGE)));
    too_long(decode::<HashSet<()>>(&claim(HUGE)));
    too_long(decode::<BTreeMap<(), Nothing>>(&claim(HUGE)));
    too_long(decode::<Vec<Vec<()>>>(&[vec![2, 3], claim(HUGE)].concat()));
    too_long(decode::<Vec<()>>(&claim(u64::from(MAX_EMPTY) + 1)));
    assert!(begun.elapsed().as_secs() < 5);

    let full = claim(u64::from(MAX_EMPTY));
    assert_eq!(decode::<Vec<()>>(&full).unwrap().len(), 65_536);
    assert_eq!(decode::<HashSet<()>>(&full).unwrap().len(), 1);
    assert_eq!(decode::<Vec<Nothing>>(&full).unwrap().len(), 65_536);
}

#[test]
fn elements_of_nothing_are_counted_over_the_whole_payload() {
    let half = u64::from(MAX_EMPTY) / 2;
    let lists = |more| [vec![2], claim(half), claim(half + more), vec![0]].concat();
    type Lists = (Vec<Vec<()>>, u8);
    assert!(decode::<Lists>(&lists(0)).is_ok());
    too_empty(decode::<Lists>(&lists(1)));
    type Maps = (Vec<BTreeMap<(), Nothing>>, u8);
    assert!(decode::<Maps>(&lists(0)).is_ok());
    too_empty(decode::<Maps>(&lists(1)));
}

/// A map with this many entries without keys, behind one with a key.
struct Entries<T>(usize, T);

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0 + 1))?;
        map.serialize_entry(&7_u8, &self.1)?;
        for _ in 0..self.0 {
            map.serialize_entry(&(), &self.1)?;
        }
        map.end()
    }
}

#[test]
fn lists_of_nothing_end_at_65536_elements_when_they_are_encoded() {
    let most = MAX_EMPTY as usize;
    assert!(encode(&vec![(); most], MAX_PAYLOAD).is_ok());
    assert!(encode(&Entries(most, NOTHING), MAX_PAYLOAD).is_ok());
    too_empty(encode(&vec![(); most + 1], MAX_PAYLOAD));
    too_empty(encode(&vec![(); 1 << 60], MAX_PAYLOAD));
    too_empty(encode(&vec![NOTHING; most + 1], MAX_PAYLOAD));
    too_empty(encode(&Entries(most + 1, NOTHING), MAX_PAYLOAD));
    too_empty(encode(&vec![vec![(); most / 2]; 3], MAX_PAYLOAD));
    // Over the limit, too, where bytes are counted and no longer kept.
    too_empty(encode(&(vec![7_u8; 300], vec![(); most + 1]), 10));
}

#[test]
fn elements_with_bytes_are_as_many_as_one_likes() {
    let some = vec![Some(()); 100_000];
    let bytes = encode(&some, MAX_PAYLOAD).unwrap();
    assert_eq!(decode::<Vec<Option<()>>>(&bytes), Ok(some));
    let map: BTreeMap<u32, ()> = (0..100_000).map(|key| (key, ())).collect();
    let bytes = encode(&map, MAX_PAYLOAD).unwrap();
    assert_eq!(decode::<BTreeMap<u32, ()>>(&bytes), Ok(map));
    assert!(encode(&Entries(100_000, 7_u8), MAX_PAYLOAD).is_ok());
    for limit in [0, 1, 7, 128, 129, 1000] {
        let size = 100_000 + 5;
        assert_eq!(
            encode(&vec![7_u8; 100_000], limit),
            Err(CodecError::TooLarge { size, limit })
        );
        assert_eq!(
            encode(&vec![true; 100_000], limit),
            Err(CodecError::TooLarge { size, limit })
        );
    }
}

#[test]
fn no_memory_is_taken_for_bytes_over_the_limit() {
    for limit in [0, 10, 1000, 70_000] {
        let mut out = Output::new(limit);
        let value = (
            vec![true; 100_000],
            vec![7_u8; 100_000],
            "a text".repeat(20_000),
        );
        value.serialize(Encoder::new(&mut out)).unwrap();
        assert!(
            out.capacity() <= limit.max(8),
            "{} of {limit}",
            out.capacity()
        );
    }
}

/// The size hint of a list of bytes.
#[derive(Debug, PartialEq)]
struct Hint(Option<usize>);

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hinted;
        impl<'de> Visitor<'de> for Hinted {
            type Value = Hint;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hint, A::Error> {
                let hint = list.size_hint();
                while let Some(()) = list.next_element()? {}
                Ok(Hint(hint))
            }
        }
        deserializer.deserialize_seq(Hinted)
    }
}

#[test]
fn no_memory_is_taken_for_elements_whose_bytes_are_not_there() {
    let claimed = claim(60_000);
    assert_eq!(decode::<Hint>(&claimed), Ok(Hint(Some(0))));
    let behind = [claimed.clone(), vec![1; 100]].concat();
    assert_eq!(
        decode::<(Hint, [[u8; 25]; 4])>(&behind).unwrap().0,
        Hint(Some(100))
    );
}

/// At most so many lists, of up to 1 MiB each, can take memory beforehand while they are inside one another.
#[test]
fn memory_is_taken_beforehand_only_down_to_a_depth_of_16() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Nested {
        Inside(Box<Nested>),
        List(Hint, [u8; 3]),
    }
    let hint = |depth: usize| {
        let bytes = [vec![0; depth - 2], vec![1, 2, 9, 9, 9]].concat();
        let mut nested = decode::<Nested>(&bytes).unwrap();
        while let Nested::Inside(inner) = nested {
            nested = *inner;
        }
        let Nested::List(hint, _) = nested else {
            unreachable!()
        };
        hint.0
    };
    assert_eq!(
        [hint(2), hint(16), hint(17), hint(100)],
        [Some(2), Some(2), Some(0), Some(0)]
    );
}
