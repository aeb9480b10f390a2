//! Seals what a node gives to an engine that outlives it: a secretbox whose key belongs to the queue, and whose text
//! says which job it is and what of it. So what was sealed for one queue or job opens for no other.
//!
//! A sealed text is `2: u8, key id: 8 bytes, nonce: 24 bytes, box`; in the box are the kind (`1` payload, `2` error),
//! the length of the job id (u16, little-endian), the job id and the text.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::QueueName;
use crate::{
    id::JobId,
    keys::{DerivedKeys, KeyId},
    wire::secretbox::{Nonce, SecretBox, TAG},
};

const VERSION: u8 = 2;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
/// Everything in front of the box.
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// What a sealed text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum SealKind {
    Payload = 1,
    Error = 2,
}

/// Seals and opens for one queue. Without keys it passes everything on as it is, for engines in memory. Cheap to clone:
/// each job that is queued takes one along.
#[derive(Clone)]
pub(crate) struct Seal {
    /// The first seals, all open.
    keys: Arc<[(KeyId, SecretBox)]>,
}

impl Seal {
    /// No seal.
    pub(crate) fn none() -> Self {
        Self {
            keys: Arc::default(),
        }
    }

    /// The seal of a queue.
    pub(crate) fn new(keys: &DerivedKeys, queue: &QueueName) -> Self {
        let name = queue.to_string();
        let keys = keys.ring.iter().map(|key| {
            let secret = key.for_queue(&name);
            (key.id, SecretBox::new(&secret))
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// Seals a text of that kind for that job.
    pub(crate) fn seal(&self, kind: SealKind, job: &JobId, text: &[u8]) -> Bytes {
        let Some((id, secret)) = self.keys.first() else {
            return Bytes::copy_from_slice(text);
        };
        let nonce: Nonce = rand::random();
        let mut message = bound(kind, job);
        message.extend_from_slice(text);
        let mut out = BytesMut::with_capacity(HEADER_BYTES + TAG + message.len());
        out.put_u8(VERSION);
        out.put_slice(&id.0);
        out.put_slice(&nonce);
        secret
            .seal(&nonce, &message, &mut out)
            .expect("a payload is far below what a secretbox holds");
        out.freeze()
    }

    /// Opens what [`Seal::seal`] made for that kind and job.
    ///
    /// # Errors
    /// Why it does not open, for people.
    pub(crate) fn open(
        &self,
        kind: SealKind,
        job: &JobId,
        sealed: &Bytes,
    ) -> Result<Bytes, String> {
        if self.keys.is_empty() {
            return Ok(sealed.clone());
        }
        let mut head = &sealed[..];
        if head.len() < HEADER_BYTES + TAG || head.get_u8() != VERSION {
            return Err("it is not sealed as this version seals".into());
        }
        let mut key_id = [0; KEY_ID_BYTES];
        head.copy_to_slice(&mut key_id);
        let mut nonce = Nonce::default();
        head.copy_to_slice(&mut nonce);
        let key_id = KeyId(key_id);
        let (_, secret) = self
            .keys
            .iter()
            .find(|(id, _)| *id == key_id)
            .ok_or_else(|| {
                format!(
                    "it is sealed with the key {key_id:?}, which is not among this node's: accept that key too, and \
                     requeue the job"
                )
            })?;
        let mut open = secret
            .open(&nonce, head)
            .ok_or_else(|| "it was changed, or sealed for another queue".to_owned())?;
        let bound = bound(kind, job);
        if !open.starts_with(&bound) {
            return Err("it was sealed for another job".into());
        }
        open.advance(bound.len());
        Ok(open.freeze())
    }
}

/// What is sealed in front of a text.
fn bound(kind: SealKind, job: &JobId) -> Vec<u8> {
    let id = job.as_str().as_bytes();
    let mut bound = Vec::with_capacity(3 + id.len());
    bound.push(kind as u8);
    bound.extend_from_slice(&(id.len() as u16).to_le_bytes());
    bound.extend_from_slice(id);
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(command: &str) -> QueueName {
        QueueName::new("Shop", "Billing", command)
    }

    fn seal(seeds: &[u8], queue: &QueueName) -> Seal {
        Seal::new(&DerivedKeys::for_tests("shop", seeds), queue)
    }

    #[test]
    fn what_was_sealed_opens_for_its_queue_job_and_kind_only() {
        let export = name("export");
        let own = seal(&[1], &export);
        let (one, two) = (JobId::fresh(), JobId::fresh());
        let sealed = own.seal(SealKind::Payload, &one, b"a secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(
            own.open(SealKind::Payload, &one, &sealed).unwrap(),
            "a secret"
        );
        assert!(own.open(SealKind::Payload, &two, &sealed).is_err());
        assert!(own.open(SealKind::Error, &one, &sealed).is_err());
        for other in [name("reindex"), export.of("billing-1")] {
            let error = seal(&[1], &other).open(SealKind::Payload, &one, &sealed);
            assert!(error.unwrap_err().contains("another queue"));
        }
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let seal = seal(&[1], &name("export"));
        let job = JobId::fresh();
        let sealed = seal.seal(SealKind::Payload, &job, b"x");
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1;
            assert!(
                seal.open(SealKind::Payload, &job, &changed.into()).is_err(),
                "{at}"
            );
            assert!(
                seal.open(SealKind::Payload, &job, &sealed.slice(..at))
                    .is_err()
            );
        }
    }

    #[test]
    fn keys_rotate() {
        let queue = name("export");
        let job = JobId::fresh();
        let old = seal(&[1], &queue);
        let both = seal(&[2, 1], &queue);
        let new = seal(&[2], &queue);
        let by_old = old.seal(SealKind::Payload, &job, b"x");
        let by_both = both.seal(SealKind::Payload, &job, b"x");
        assert_eq!(both.open(SealKind::Payload, &job, &by_old).unwrap(), "x");
        assert_eq!(new.open(SealKind::Payload, &job, &by_both).unwrap(), "x");
        let error = new.open(SealKind::Payload, &job, &by_old).unwrap_err();
        assert!(error.contains("accept that key too"), "{error}");
    }

    #[test]
    fn without_keys_nothing_is_sealed() {
        let job = JobId::fresh();
        let text = Seal::none().seal(SealKind::Payload, &job, b"x");
        assert_eq!(text, "x");
        assert_eq!(
            Seal::none().open(SealKind::Payload, &job, &text).unwrap(),
            "x"
        );
    }
}
