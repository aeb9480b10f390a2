//! Tests of the handshake, in a file of their own to keep `handshake.rs` readable.

use std::sync::Arc;

use super::*;
use crate::{
    id::{BootEpoch, InstanceId, NodeId},
    wire::{
        envelope::{Envelope, EnvelopeBuilder},
        extensions::tests::UNKNOWN,
        frame::Frame,
        hello::{SchemaDigest, Target, role},
    },
};

pub(crate) fn hello() -> Hello {
    Hello {
        mesh: "Shop".into(),
        role: role::NODE,
        node_type: "Gateway".into(),
        instance: "gateway-1".into(),
        epoch: BootEpoch {
            started_ms: 1_700_000_000_000,
            random: 42,
        },
        target: Target::Node(NodeId::new("Billing", "billing-1")),
        schema: SchemaDigest {
            fingerprint: 0x0123_4567_89ab_cdef,
            commands: Vec::new(),
        },
        features: 0,
        extensions: Bytes::new(),
    }
}

/// As a later version may say it: with features and extensions that this one does not know.
fn later_hello() -> Hello {
    Hello {
        features: 1 << 63 | 5,
        extensions: UNKNOWN.into(),
        ..hello()
    }
}

pub(crate) fn welcome() -> Welcome {
    Welcome {
        role: role::NODE,
        node_type: "Billing".into(),
        instance: "billing-1".into(),
        epoch: BootEpoch {
            started_ms: 1_700_000_000_001,
            random: 43,
        },
        schema: SchemaDigest {
            fingerprint: 0x0123_4567_89ab_cdef,
            commands: vec![(1, 2), (0xffff_ffff, u64::MAX)],
        },
        features: 0,
        extensions: Bytes::new(),
    }
}

/// A whole handshake and the first envelopes after it. It uses the generated key of the key vectors, and fixed
/// ephemeral keys.
pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let keys = keys(&[1]);
    let key = keys.dialling();
    let prologue = prologue(key.id);
    let (here, there) = ([0x11; 32], [0x22; 32]);
    let noise_here = || {
        noise(key, &prologue)
            .unwrap()
            .fixed_ephemeral_key_for_testing_only(&here)
    };
    let noise_there = || {
        noise(key, &prologue)
            .unwrap()
            .fixed_ephemeral_key_for_testing_only(&there)
    };
    let answer = SecondMessage::Welcome(welcome());
    let refusal = SecondMessage::Refused {
        code: refusal_code(Refusal::NotAllowed),
        text: Refusal::NotAllowed.to_string(),
    };

    let (initiator, message) = Initiator::start_with(noise_here(), key.id, &hello()).unwrap();
    let (responder, _) = Responder::read_with(noise_there(), &message[FIRST_HEADER..]).unwrap();
    let (refused, _) = Responder::read_with(noise_there(), &message[FIRST_HEADER..]).unwrap();
    let (reply, mut keys_there) = responder.accept(&welcome()).unwrap();
    let mut state = initiator.state;
    read(&mut state, &reply[1..]).unwrap();
    let (from_initiator, from_responder) = split(state);
    let (initiator, _) = Initiator::start_with(noise_here(), key.id, &hello()).unwrap();
    let (_, mut keys_here) = initiator.finish(&reply).unwrap();

    vec![
        ("handshake.prologue", prologue.clone()),
        ("handshake.ephemeral.initiator", here.to_vec()),
        ("handshake.ephemeral.responder", there.to_vec()),
        (
            "handshake.hello",
            codec::encode(&hello(), MAX_HANDSHAKE).unwrap().into(),
        ),
        (
            "handshake.hello.later",
            encode(&later_hello(), UNKNOWN, MAX_HANDSHAKE)
                .unwrap()
                .into(),
        ),
        ("handshake.message-1", message.to_vec()),
        (
            "handshake.welcome",
            codec::encode(&answer, MAX_HANDSHAKE).unwrap().into(),
        ),
        ("handshake.message-2", reply.into()),
        (
            "handshake.refused",
            codec::encode(&refusal, MAX_HANDSHAKE).unwrap().into(),
        ),
        (
            "handshake.message-2.refused",
            refused.refuse(Refusal::NotAllowed).into(),
        ),
        (
            "handshake.message-2.clear",
            in_the_clear(Refusal::WrongKey).into(),
        ),
        ("handshake.key.from-initiator", from_initiator.to_vec()),
        ("handshake.key.from-responder", from_responder.to_vec()),
        ("envelope.from-initiator.0", confirm(0, &mut keys_here)),
        (
            "envelope.from-initiator.1",
            sealed(7, &mut keys_here).into(),
        ),
        ("envelope.from-responder.0", confirm(1, &mut keys_there)),
    ]
}

fn confirm(ack: u32, keys: &mut SessionKeys) -> Vec<u8> {
    let mut builder = EnvelopeBuilder::with_capacity(32);
    assert!(builder.push(&Frame::Confirm {
        calls: 16_384,
        bytes: 64 << 20,
    }));
    builder.seal(ack, &mut keys.sealer).unwrap().into()
}

fn keys(seeds: &[u8]) -> Arc<DerivedKeys> {
    DerivedKeys::for_tests("shop", seeds)
}

fn start(keys: &DerivedKeys) -> (Initiator, Bytes) {
    Initiator::start(keys, &hello()).unwrap()
}

fn linked() -> (SessionKeys, SessionKeys) {
    let keys = keys(&[1]);
    let (initiator, message) = start(&keys);
    let (responder, _) = Responder::read(&keys, &message).unwrap();
    let (reply, responder) = responder.accept(&welcome()).unwrap();
    (initiator.finish(&reply).unwrap().1, responder)
}

fn sealed(token: u64, keys: &mut SessionKeys) -> Bytes {
    let mut builder = EnvelopeBuilder::with_capacity(16);
    assert!(builder.push(&Frame::Ping { token }));
    builder.seal(0, &mut keys.sealer).unwrap()
}

fn opens(sealed: Bytes, keys: &mut SessionKeys) -> bool {
    Envelope::open(sealed, &mut keys.opener).is_ok()
}

fn refusal_of(result: Result<(Welcome, SessionKeys), HandshakeError>) -> (Refusal, bool) {
    match result {
        Err(HandshakeError::Refused {
            refusal,
            authenticated,
        }) => (refusal, authenticated),
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn both_sides_learn_who_the_other_is_and_can_talk() {
    let keys = keys(&[1]);
    let (initiator, message) = start(&keys);
    let (responder, said) = Responder::read(&keys, &message).unwrap();
    assert_eq!(said, hello());
    let (reply, mut there) = responder.accept(&welcome()).unwrap();
    let (said, mut here) = initiator.finish(&reply).unwrap();
    assert_eq!(said, welcome());
    for token in 0..3 {
        assert!(opens(sealed(token, &mut here), &mut there));
        assert!(opens(sealed(token, &mut there), &mut here));
    }
}

#[test]
fn neither_message_shows_what_it_says() {
    let keys = keys(&[1]);
    let (_, message) = start(&keys);
    let (responder, _) = Responder::read(&keys, &message).unwrap();
    let (reply, _) = responder.accept(&welcome()).unwrap();
    for bytes in [message, reply] {
        for text in ["Shop", "Gateway", "Billing", "billing-1", "gateway-1"] {
            let found = bytes.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(!found, "{text}");
        }
    }
}

#[test]
fn an_envelope_of_one_link_does_not_open_on_another() {
    let (mut here, _) = linked();
    let (_, mut elsewhere) = linked();
    assert!(!opens(sealed(1, &mut here), &mut elsewhere));
}

#[test]
fn an_envelope_sent_back_does_not_open() {
    let (mut here, mut there) = linked();
    let envelope = sealed(1, &mut here);
    assert!(!opens(envelope, &mut here));
    let envelope = sealed(1, &mut there);
    assert!(!opens(envelope, &mut there));
}

#[test]
fn a_recorded_first_message_is_answered_but_its_sender_can_seal_nothing() {
    let keys = keys(&[1]);
    let (initiator, message) = start(&keys);
    let (first, _) = Responder::read(&keys, &message).unwrap();
    let (reply, mut there) = first.accept(&welcome()).unwrap();
    let (_, mut here) = initiator.finish(&reply).unwrap();
    let recorded = sealed(1, &mut here);
    assert!(opens(recorded.clone(), &mut there));

    // Somebody replays the recorded message and envelope.
    let (again, _) = Responder::read(&keys, &message).unwrap();
    let (_, mut keys_again) = again.accept(&welcome()).unwrap();
    assert!(!opens(recorded, &mut keys_again));
}

#[test]
fn another_private_key_is_refused_in_the_clear() {
    let (initiator, message) = start(&keys(&[1]));
    let refused = Responder::read(&keys(&[2]), &message).err().unwrap();
    assert_eq!(refused.refusal, Refusal::WrongKey);
    assert_eq!(refused.reply, &[2, 1][..]);
    assert_eq!(
        refusal_of(initiator.finish(&refused.reply)),
        (Refusal::WrongKey, false)
    );
}

#[test]
fn another_public_name_is_refused_in_the_clear() {
    let (_, message) = start(&keys(&[1]));
    let other = DerivedKeys::for_tests("store", &[1]);
    let refused = Responder::read(&other, &message).err().unwrap();
    assert_eq!(refused.refusal, Refusal::WrongKey);
}

#[test]
fn a_claimed_key_id_without_the_key_is_refused() {
    let mut forged = start(&keys(&[2])).1.to_vec();
    forged[2..10].copy_from_slice(&keys(&[1]).dialling().id.0);
    let refused = Responder::read(&keys(&[1]), &forged).err().unwrap();
    assert_eq!(refused.refusal, Refusal::WrongKey);
}

#[test]
fn any_key_of_the_ring_is_accepted() {
    let ring = keys(&[1, 2, 3]);
    for seed in [1, 2, 3] {
        let (initiator, message) = start(&keys(&[seed]));
        let (responder, _) = Responder::read(&ring, &message).unwrap();
        let (reply, _) = responder.accept(&welcome()).unwrap();
        assert!(initiator.finish(&reply).is_ok());
    }
}

#[test]
fn another_version_is_refused() {
    let (initiator, message) = start(&keys(&[1]));
    let mut message = message.to_vec();
    message[0] = 1;
    let refused = Responder::read(&keys(&[1]), &message).err().unwrap();
    assert_eq!(refused.refusal, Refusal::Version);
    // What version 1 reads as "the versions differ", too.
    assert_eq!(refused.reply, &[2, 2][..]);
    assert_eq!(
        refusal_of(initiator.finish(&refused.reply)),
        (Refusal::Version, false)
    );
}

#[test]
fn another_kind_of_handshake_is_refused() {
    let (initiator, message) = start(&keys(&[1]));
    let mut message = message.to_vec();
    message[1] = 2;
    let refused = Responder::read(&keys(&[1]), &message).err().unwrap();
    assert_eq!(refused.refusal, Refusal::HandshakeKind);
    assert_eq!(
        refusal_of(initiator.finish(&refused.reply)),
        (Refusal::HandshakeKind, false)
    );
}

#[test]
fn the_header_of_the_first_message_is_authenticated() {
    // Both sides would accept another kind, but they do not read the same one.
    let keys = keys(&[1]);
    let key = keys.dialling();
    let changed = |at: usize| {
        let mut prologue = prologue(key.id);
        prologue[PROLOGUE_LABEL.len() + at] ^= 4;
        prologue
    };
    for at in [0, 1, 2] {
        let prologue = changed(at);
        let noise = noise(key, &prologue).unwrap();
        let (_, message) = Initiator::start_with(noise, key.id, &hello()).unwrap();
        let refused = Responder::read(&keys, &message).err().unwrap();
        assert_eq!(refused.refusal, Refusal::WrongKey, "{at}");
    }
}

#[test]
fn features_and_extensions_of_a_later_version_are_skipped() {
    let keys = keys(&[1]);
    let (initiator, message) = Initiator::start(&keys, &later_hello()).unwrap();
    let (responder, said) = Responder::read(&keys, &message).unwrap();
    assert_eq!(said, later_hello());
    let later_welcome = Welcome {
        features: u64::MAX,
        extensions: UNKNOWN.into(),
        ..welcome()
    };
    let (reply, mut there) = responder.accept(&later_welcome).unwrap();
    let (said, mut here) = initiator.finish(&reply).unwrap();
    assert_eq!(said, later_welcome);
    assert!(opens(sealed(1, &mut here), &mut there));
}

#[test]
fn an_extension_block_that_is_not_whole_is_malformed() {
    let keys = keys(&[1]);
    let torn = Bytes::from_static(UNKNOWN).slice(..4);
    let hello = Hello {
        extensions: torn.clone(),
        ..hello()
    };
    let (_, message) = Initiator::start(&keys, &hello).unwrap();
    let refused = Responder::read(&keys, &message).err().unwrap();
    assert_eq!(refused.refusal, Refusal::Malformed);

    let (initiator, message) = start(&keys);
    let (responder, _) = Responder::read(&keys, &message).unwrap();
    let welcome = Welcome {
        extensions: torn,
        ..welcome()
    };
    let (reply, _) = responder.accept(&welcome).unwrap();
    let error = initiator.finish(&reply).unwrap_err();
    assert!(matches!(error, HandshakeError::Malformed(_)), "{error:?}");
}

#[test]
fn only_a_node_has_a_node_type() {
    let keys = keys(&[1]);
    let start = |role, node_type: &str| {
        let node_type = node_type.into();
        let hello = Hello {
            role,
            node_type,
            ..hello()
        };
        Initiator::start(&keys, &hello).is_ok()
    };
    assert!(start(role::NODE, "Gateway") && !start(role::NODE, ""));
    assert!(start(role::MASTER, "") && !start(role::MASTER, "Gateway"));
    assert!(start(99, ""), "a role of a later version");
}

#[test]
fn every_refusal_reaches_the_initiator_authenticated() {
    let keys = keys(&[1]);
    for refusal in (1..=13).filter_map(refusal_from_code) {
        let (initiator, message) = start(&keys);
        let (responder, _) = Responder::read(&keys, &message).unwrap();
        let reply = responder.refuse(refusal);
        assert_eq!(refusal_of(initiator.finish(&reply)), (refusal, true));
    }
}

#[test]
fn codes_of_refusals_are_stable_and_unknown_ones_are_told_apart() {
    let known: Vec<u8> = (0..=u8::MAX)
        .filter(|code| refusal_from_code(*code).is_some())
        .collect();
    assert_eq!(known, (1..=13).collect::<Vec<u8>>());
    for code in known {
        assert_eq!(refusal_from_code(code).map(refusal_code), Some(code));
    }
    let (initiator, _) = start(&keys(&[1]));
    assert_eq!(
        initiator.finish(&[CLEAR, 99]).unwrap_err(),
        HandshakeError::UnknownRefusal {
            code: 99,
            authenticated: false
        }
    );
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_first_message_is_refused() {
    let keys = keys(&[1]);
    let (_, message) = start(&keys);
    for byte in 0..message.len() {
        let mut flipped = message.to_vec();
        flipped[byte] ^= 1 << (byte % 8);
        assert!(Responder::read(&keys, &flipped).is_err(), "byte {byte}");
    }
    for len in 0..message.len() {
        assert!(
            Responder::read(&keys, &message[..len]).is_err(),
            "{len} bytes"
        );
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_answer_is_refused() {
    let keys = keys(&[1]);
    let (_, message) = start(&keys);
    let (responder, _) = Responder::read(&keys, &message).unwrap();
    let (reply, _) = responder.accept(&welcome()).unwrap();
    // Reading an answer consumes the initiator, and another one has another ephemeral key; so each byte gets a new
    // handshake.
    for byte in 0..reply.len() {
        let (initiator, message) = start(&keys);
        let (responder, _) = Responder::read(&keys, &message).unwrap();
        let mut reply = responder.accept(&welcome()).unwrap().0.to_vec();
        reply[byte] ^= 1 << (byte % 8);
        assert!(initiator.finish(&reply).is_err(), "byte {byte}");
    }
    for len in [0, 1, 2, 32, 48, 49, reply.len() - 1] {
        let (initiator, message) = start(&keys);
        let (responder, _) = Responder::read(&keys, &message).unwrap();
        let (reply, _) = responder.accept(&welcome()).unwrap();
        assert!(initiator.finish(&reply[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn the_answer_to_another_handshake_is_refused() {
    let keys = keys(&[1]);
    let (_, message) = start(&keys);
    let (other, _) = start(&keys);
    let (responder, _) = Responder::read(&keys, &message).unwrap();
    let (reply, _) = responder.accept(&welcome()).unwrap();
    assert!(matches!(
        other.finish(&reply),
        Err(HandshakeError::Malformed(_))
    ));
}

#[test]
fn an_introduction_over_the_limits_is_refused_on_both_sides() {
    let long = "x".repeat(MAX_NAME + 1);
    let bad = [
        Hello {
            mesh: String::new(),
            ..hello()
        },
        Hello {
            mesh: long.clone(),
            ..hello()
        },
        Hello {
            node_type: long.clone(),
            ..hello()
        },
        Hello {
            instance: "a b".into(),
            ..hello()
        },
        Hello {
            target: Target::Node(NodeId::new(&*long, "x")),
            ..hello()
        },
        Hello {
            schema: SchemaDigest {
                fingerprint: 0,
                commands: vec![(0, 0); MAX_COMMANDS + 1],
            },
            ..hello()
        },
    ];
    let keys = keys(&[1]);
    let key = keys.dialling();
    for hello in bad {
        assert_eq!(
            Initiator::start(&keys, &hello).err(),
            Some(HandshakeError::BadHello)
        );

        let prologue = prologue(key.id);
        let mut state = noise(key, &prologue).unwrap().build_initiator().unwrap();
        let payload = codec::encode(&hello, MAX_HANDSHAKE).unwrap();
        let message = write(&mut state, &header(key.id), &payload).unwrap();
        let refused = Responder::read(&keys, &message).err().unwrap();
        assert_eq!(refused.refusal, Refusal::Malformed);
        let initiator = Initiator { state };
        assert_eq!(
            refusal_of(initiator.finish(&refused.reply)),
            (Refusal::Malformed, true)
        );
    }
}

#[test]
fn the_longest_allowed_introduction_fits() {
    let longest = SchemaDigest {
        fingerprint: u64::MAX,
        commands: vec![(u32::MAX, u64::MAX); MAX_COMMANDS],
    };
    let name = "x".repeat(MAX_NAME);
    let instance = InstanceId::from("y".repeat(InstanceId::MAX_BYTES));
    let hello = Hello {
        mesh: name.clone(),
        node_type: name.clone(),
        instance: instance.clone(),
        target: Target::Node(NodeId::new(&*name, &instance)),
        schema: longest.clone(),
        ..hello()
    };
    let keys = keys(&[1]);
    let (initiator, message) = Initiator::start(&keys, &hello).unwrap();
    let (responder, said) = Responder::read(&keys, &message).unwrap();
    assert_eq!(said, hello);
    let welcome = Welcome {
        node_type: name,
        instance,
        schema: longest,
        ..welcome()
    };
    let (reply, _) = responder.accept(&welcome).unwrap();
    assert_eq!(initiator.finish(&reply).unwrap().0, welcome);
}

#[test]
fn messages_over_the_limit_are_refused_unread() {
    let mut message = vec![0; MAX_HANDSHAKE + 1];
    message[0] = VERSION;
    let refused = Responder::read(&keys(&[1]), &message).err().unwrap();
    assert_eq!(refused.refusal, Refusal::Malformed);
    message[0] = SEALED;
    let (initiator, _) = start(&keys(&[1]));
    assert!(matches!(
        initiator.finish(&message),
        Err(HandshakeError::Malformed(_))
    ));
}

#[test]
fn garbage_never_panics() {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(2);
    let keys = keys(&[1]);
    for _ in 0..2_000 {
        let mut bytes: Vec<u8> = (0..rng.random_range(0..200))
            .map(|_| rng.random())
            .collect();
        assert!(Responder::read(&keys, &bytes).is_err());
        if let Some(header) = bytes.get_mut(..FIRST_HEADER) {
            header.copy_from_slice(&super::header(keys.dialling().id));
        }
        assert!(Responder::read(&keys, &bytes).is_err());
    }
    for len in 0..120 {
        let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        for first in [SEALED, CLEAR] {
            let (initiator, _) = start(&keys);
            assert!(initiator.finish(&[&[first], &bytes[..]].concat()).is_err());
        }
    }
}
