//! The keys of a mesh: from two texts to the secrets that handshakes and discovery use.
//!
//! The public name is not the secret: to know it proves nothing else. The private key is the secret. This module must
//! not know what the derived keys seal.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// The prefix of a generated private key. A passphrase is not expected to have it.
const GENERATED_PREFIX: &str = "meshkey1-";
/// Random bytes in a generated key.
const GENERATED_BYTES: usize = 32;
/// Checksum bytes after them, so that a mistyped key is noticed and not taken for a passphrase.
const CHECKSUM_BYTES: usize = 4;
/// The most private keys in one ring. Rotation needs two or three.
const MAX_RING: usize = 16;
/// How many derived keys this process caches. Keys beyond that are derived again when they are needed.
const MAX_CACHED: usize = 64;

// Argon2id with the parameters that OWASP recommends for 19 MiB. They are part of the protocol: all sides must agree.
const ARGON2_KIB: u32 = 19 * 1024;
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;

// Every derivation has its own label, so that no derived secret can be used in place of another.
const LABEL_SALT: &[u8] = b"mesh/1 salt";
const LABEL_GENERATED: &[u8] = b"mesh/1 generated key";
const LABEL_CHECKSUM: &[u8] = b"mesh/1 key checksum";
const LABEL_KEY_ID: &[u8] = b"mesh/1 key id";
const LABEL_HANDSHAKE: &[u8] = b"mesh/1 handshake key";
const LABEL_QUEUES: &[u8] = b"mesh/1 queues key";
const LABEL_QUEUE: &[u8] = b"mesh/1 queue ";
const LABEL_DISCOVERY: &[u8] = b"mesh/1 discovery key";
const LABEL_CACHE: &[u8] = b"mesh/1 cache";

/// The keys of a mesh: a public name and a private key, each any text.
///
/// All nodes and masters of a mesh are given the same two. The public name says which mesh is meant;
/// the private key seals everything. Make the private key with [`Keys::generate`], or choose a
/// passphrase: the longer, the better.
///
/// A ring of private keys allows them to be changed without downtime. The first is used to dial, all are accepted: give
/// every node `Keys::new("shop", old).accept(new)`, then `Keys::new("shop", new).accept(old)`, then
/// `Keys::new("shop", new)`.
///
/// ```
/// use mesh_runtime::Keys;
/// let keys = Keys::new("shop", Keys::generate());
/// assert_eq!(keys.public(), "shop");
/// assert!(!format!("{keys:?}").contains("meshkey1"));
/// ```
#[derive(Clone)]
pub struct Keys {
    public: Arc<str>,
    private: Arc<Vec<Zeroizing<String>>>,
}

impl Keys {
    /// Keys from a public name and a private key.
    ///
    /// Nothing is checked here: a node or master with keys that cannot be used does not start, and says why.
    pub fn new(public: impl Into<String>, private: impl Into<String>) -> Self {
        Self {
            public: public.into().into(),
            private: Arc::new(vec![Zeroizing::new(private.into())]),
        }
    }

    /// Makes a private key of 32 random bytes, as text.
    ///
    /// Such a key needs no slow derivation, and a typing error in it is noticed.
    pub fn generate() -> String {
        generated_text(&rand::random())
    }

    /// Accepts a further private key from peers that dial this side. At most 16 private keys in all.
    #[must_use]
    pub fn accept(mut self, private: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.private).push(Zeroizing::new(private.into()));
        self
    }

    /// The public name.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The secrets behind these keys.
    ///
    /// A passphrase takes tens of milliseconds and 19 MiB, on a blocking thread, once in the life of the
    /// process. May be dropped and called again at any time.
    pub(crate) async fn derive(&self) -> Result<Arc<DerivedKeys>, KeysError> {
        if self.public.is_empty() {
            return Err(KeysError::EmptyPublic);
        }
        if self.private.len() > MAX_RING {
            return Err(KeysError::TooMany {
                given: self.private.len(),
                limit: MAX_RING,
            });
        }
        let mut ring: Vec<MeshKey> = Vec::with_capacity(self.private.len());
        for (position, private) in self.private.iter().enumerate() {
            let private = PrivateKey::read(private, position)?;
            let key = self.derive_one(private).await?;
            if ring.iter().all(|known| known.id != key.id) {
                ring.push(key);
            }
        }
        Ok(Arc::new(DerivedKeys {
            ring,
            discovery: discovery_key(&self.public),
        }))
    }

    async fn derive_one(&self, private: PrivateKey) -> Result<MeshKey, KeysError> {
        let cell = CACHE.entry(cache_key(&self.public, &private));
        let public = Arc::clone(&self.public);
        // Concurrent callers wait for the first; if that one is dropped, the next starts over.
        cell.get_or_try_init(|| async move {
            match private {
                PrivateKey::Generated(bytes) => {
                    Ok(MeshKey::from_root(&stretch_generated(&public, &bytes)))
                }
                PrivateKey::Passphrase(text) => {
                    let root =
                        tokio::task::spawn_blocking(move || stretch_passphrase(&public, &text))
                            .await
                            .map_err(|_| KeysError::Interrupted)??;
                    Ok(MeshKey::from_root(&root))
                }
            }
        })
        .await
        .cloned()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("public", &self.public)
            .field(
                "private",
                &format_args!("<{} kept secret>", self.private.len()),
            )
            .finish()
    }
}

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The public name is empty.
    #[error("the public name is empty: give all nodes of the mesh the same text")]
    EmptyPublic,
    /// A private key is empty.
    #[error(
        "private key number {} is empty: use `Keys::generate()` or a long passphrase", .position + 1
    )]
    EmptyPrivate {
        /// Its position in the ring, counted from 0.
        position: usize,
    },
    /// A private key begins like a generated one, but its checksum does not match.
    #[error(
        "private key number {} begins with `{GENERATED_PREFIX}` but is damaged: copy the generated key again, whole",
        .position + 1
    )]
    Damaged {
        /// Its position in the ring, counted from 0.
        position: usize,
    },
    /// More private keys than a ring holds.
    #[error(
        "{given} private keys are more than the {limit} that a ring holds: leave out those no longer in use"
    )]
    TooMany {
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The passphrase could not be stretched, for example because there was not enough memory.
    #[error("deriving the key from the passphrase failed: {0}")]
    Derivation(String),
    /// The runtime stopped while the key was being derived.
    #[error("deriving the key was interrupted: the runtime is stopping")]
    Interrupted,
}

/// Everything that is derived from [`Keys`].
pub(crate) struct DerivedKeys {
    /// Never empty. The first is used to dial, all are accepted.
    pub(crate) ring: Vec<MeshKey>,
    /// Derived from the public name only. It proves knowledge of that name, and hides the port from those who do not
    /// know it.
    pub(crate) discovery: Zeroizing<[u8; 32]>,
}

impl DerivedKeys {
    /// The key to dial with.
    pub(crate) fn dialling(&self) -> &MeshKey {
        &self.ring[0]
    }

    /// The key with this id. Keys are chosen by id, never by trial decryption, because the cipher is not
    /// key-committing.
    pub(crate) fn by_id(&self, id: KeyId) -> Option<&MeshKey> {
        self.ring.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.ring).finish()
    }
}

/// Names a key on the wire without revealing anything about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) [u8; 8]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// One private key of a mesh, derived.
#[derive(Clone)]
pub(crate) struct MeshKey {
    pub(crate) id: KeyId,
    /// The pre-shared key of the handshake.
    pub(crate) psk: Zeroizing<[u8; 32]>,
    /// The keys of queues are derived from this.
    queues: Zeroizing<[u8; 32]>,
}

impl MeshKey {
    fn from_root(root: &Zeroizing<[u8; 32]>) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, &root[..]);
        let mut id = [0; 8];
        let mut psk = Zeroizing::new([0; 32]);
        expand(&hkdf, LABEL_KEY_ID, &mut id);
        let mut queues = Zeroizing::new([0; 32]);
        expand(&hkdf, LABEL_HANDSHAKE, &mut psk[..]);
        expand(&hkdf, LABEL_QUEUES, &mut queues[..]);
        Self {
            id: KeyId(id),
            psk,
            queues,
        }
    }

    /// The key that seals what a node gives to the queue of that name.
    pub(crate) fn for_queue(&self, name: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(None, &self.queues[..]);
        expand(
            &hkdf,
            &[LABEL_QUEUE, name.as_bytes()].concat(),
            &mut key[..],
        );
        key
    }
}

impl fmt::Debug for MeshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeshKey({:?})", self.id)
    }
}

/// A private key as it was given.
enum PrivateKey {
    Generated(Zeroizing<[u8; GENERATED_BYTES]>),
    Passphrase(Zeroizing<String>),
}

impl PrivateKey {
    fn read(text: &Zeroizing<String>, position: usize) -> Result<Self, KeysError> {
        if text.is_empty() {
            return Err(KeysError::EmptyPrivate { position });
        }
        // A key file often ends with a line break. In a passphrase, whitespace may be intended.
        let Some(encoded) = text.trim().strip_prefix(GENERATED_PREFIX) else {
            return Ok(Self::Passphrase(text.clone()));
        };
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(encoded).map(Zeroizing::new);
        let bytes = decoded.ok().and_then(|decoded| {
            let (bytes, checksum) = decoded.split_first_chunk::<GENERATED_BYTES>()?;
            (checksum == key_checksum(bytes)).then(|| Zeroizing::new(*bytes))
        });
        bytes
            .map(Self::Generated)
            .ok_or(KeysError::Damaged { position })
    }
}

fn generated_text(bytes: &[u8; GENERATED_BYTES]) -> String {
    let mut whole = Zeroizing::new(Vec::with_capacity(GENERATED_BYTES + CHECKSUM_BYTES));
    whole.extend_from_slice(bytes);
    whole.extend_from_slice(&key_checksum(bytes));
    format!(
        "{GENERATED_PREFIX}{}",
        BASE64_URL_SAFE_NO_PAD.encode(&whole[..])
    )
}

fn key_checksum(bytes: &[u8; GENERATED_BYTES]) -> [u8; CHECKSUM_BYTES] {
    let digest = sha256(&[LABEL_CHECKSUM, bytes]);
    std::array::from_fn(|i| digest[i])
}

fn salt(public: &str) -> [u8; 16] {
    let digest = sha256(&[LABEL_SALT, public.as_bytes()]);
    std::array::from_fn(|i| digest[i])
}

fn stretch_passphrase(public: &str, text: &str) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let failed = |error: argon2::Error| KeysError::Derivation(error.to_string());
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, ARGON2_LANES, Some(32)).map_err(failed)?;
    let mut root = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text.as_bytes(), &salt(public), &mut root[..])
        .map_err(failed)?;
    Ok(root)
}

fn stretch_generated(public: &str, bytes: &[u8; GENERATED_BYTES]) -> Zeroizing<[u8; 32]> {
    let mut root = Zeroizing::new([0; 32]);
    let hkdf = Hkdf::<Sha256>::new(Some(&salt(public)), bytes);
    expand(&hkdf, LABEL_GENERATED, &mut root[..]);
    root
}

fn discovery_key(public: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let hkdf = Hkdf::<Sha256>::new(None, public.as_bytes());
    expand(&hkdf, LABEL_DISCOVERY, &mut key[..]);
    key
}

fn expand(hkdf: &Hkdf<Sha256>, label: &[u8], out: &mut [u8]) {
    hkdf.expand(label, out)
        .expect("HKDF-SHA256 gives up to 8160 bytes, and no key is that long");
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The cache of derived keys, so that many nodes in one process derive a passphrase only once.
static CACHE: Cache = Cache(Mutex::new(VecDeque::new()));

type Cell = Arc<OnceCell<MeshKey>>;

/// Least recently used first; never more than [`MAX_CACHED`].
struct Cache(Mutex<VecDeque<([u8; 32], Cell)>>);

impl Cache {
    fn entry(&self, key: [u8; 32]) -> Cell {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().position(|(known, _)| *known == key);
        let entry = found
            .and_then(|position| entries.remove(position))
            .unwrap_or_else(|| (key, Cell::default()));
        let cell = Arc::clone(&entry.1);
        entries.push_back(entry);
        if entries.len() > MAX_CACHED {
            entries.pop_front();
        }
        cell
    }
}

fn cache_key(public: &str, private: &PrivateKey) -> [u8; 32] {
    let (kind, private): (&[u8], &[u8]) = match private {
        PrivateKey::Generated(bytes) => (b"g", &bytes[..]),
        PrivateKey::Passphrase(text) => (b"p", text.as_bytes()),
    };
    let public_len = (public.len() as u64).to_le_bytes();
    sha256(&[LABEL_CACHE, &public_len, public.as_bytes(), kind, private])
}

#[cfg(test)]
impl DerivedKeys {
    /// Keys for tests of the wire, without the cost of a passphrase.
    pub(crate) fn for_tests(public: &str, seeds: &[u8]) -> Arc<Self> {
        let ring = seeds
            .iter()
            .map(|seed| MeshKey::from_root(&stretch_generated(public, &[*seed; 32])));
        Arc::new(Self {
            ring: ring.collect(),
            discovery: discovery_key(public),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Test vectors for each step from texts to keys.
    pub(crate) fn vectors() -> Vec<(&'static str, Vec<u8>)> {
        let (public, passphrase) = ("shop", "correct horse battery staple");
        let bytes = [1; 32];
        let stretched = stretch_passphrase(public, passphrase).unwrap();
        let generated = stretch_generated(public, &bytes);
        let (from_stretched, from_generated) = (
            MeshKey::from_root(&stretched),
            MeshKey::from_root(&generated),
        );
        vec![
            ("keys.public", public.into()),
            ("keys.salt", salt(public).into()),
            ("keys.passphrase", passphrase.into()),
            ("keys.passphrase.root", stretched.to_vec()),
            ("keys.passphrase.id", from_stretched.id.0.into()),
            ("keys.passphrase.psk", from_stretched.psk.to_vec()),
            ("keys.generated", generated_text(&bytes).into()),
            ("keys.generated.root", generated.to_vec()),
            ("keys.generated.id", from_generated.id.0.into()),
            ("keys.generated.psk", from_generated.psk.to_vec()),
            ("keys.discovery", discovery_key(public).to_vec()),
        ]
    }

    #[tokio::test]
    async fn equal_texts_give_equal_keys_and_different_ones_do_not() {
        let derive = |public: &'static str, private: &'static str| async move {
            Keys::new(public, private).derive().await.unwrap()
        };
        let one = derive("shop", "a passphrase").await;
        let same = derive("shop", "a passphrase").await;
        let other_private = derive("shop", "another passphrase").await;
        let other_public = derive("store", "a passphrase").await;
        assert_eq!(one.dialling().psk, same.dialling().psk);
        assert_ne!(one.dialling().psk, other_private.dialling().psk);
        assert_ne!(one.dialling().psk, other_public.dialling().psk);
        assert_ne!(one.dialling().id, other_private.dialling().id);
        assert_ne!(one.dialling().id, other_public.dialling().id);
        assert_eq!(one.discovery, other_private.discovery);
        assert_ne!(one.discovery, other_public.discovery);
    }

    #[tokio::test]
    async fn generated_keys_differ_and_survive_a_line_break() {
        let text = Keys::generate();
        assert_ne!(text, Keys::generate());
        let one = Keys::new("shop", &*text).derive().await.unwrap();
        let same = Keys::new("shop", format!("{text}\n"))
            .derive()
            .await
            .unwrap();
        assert_eq!(one.dialling().psk, same.dialling().psk);
    }

    #[tokio::test]
    async fn a_mistyped_generated_key_is_no_passphrase() {
        let text = generated_text(&[7; 32]);
        let shortened = text[..text.len() - 1].to_owned();
        let changed = text.replacen("BwcH", "BwcI", 1);
        for bad in [shortened, changed, GENERATED_PREFIX.to_owned()] {
            let error = Keys::new("shop", "x")
                .accept(bad)
                .derive()
                .await
                .unwrap_err();
            assert_eq!(error, KeysError::Damaged { position: 1 });
            assert!(error.to_string().starts_with("private key number 2"));
        }
    }

    #[tokio::test]
    async fn empty_texts_and_too_many_keys_are_refused() {
        let empty_public = Keys::new("", "x").derive().await.unwrap_err();
        assert_eq!(empty_public, KeysError::EmptyPublic);
        let empty_private = Keys::new("shop", "").derive().await.unwrap_err();
        assert_eq!(empty_private, KeysError::EmptyPrivate { position: 0 });
        let many = (0..MAX_RING).fold(Keys::new("shop", "x"), |keys, _| keys.accept("y"));
        assert!(matches!(
            many.derive().await,
            Err(KeysError::TooMany { given: 17, .. })
        ));
    }

    #[tokio::test]
    async fn a_ring_dials_with_its_first_key_and_knows_all_by_id() {
        let (old, new) = (Keys::generate(), Keys::generate());
        let ring = Keys::new("shop", &*old).accept(&*new).accept(&*old);
        let ring = ring.derive().await.unwrap();
        let new = Keys::new("shop", new).derive().await.unwrap();
        let old = Keys::new("shop", old).derive().await.unwrap();
        assert_eq!(ring.ring.len(), 2, "the same key twice is one key");
        assert_eq!(ring.dialling().id, old.dialling().id);
        assert_eq!(
            ring.by_id(new.dialling().id).unwrap().psk,
            new.dialling().psk
        );
        assert!(new.by_id(old.dialling().id).is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let cache = Cache(Mutex::new(VecDeque::new()));
        let first = cache.entry([0; 32]);
        for n in 0..200_u8 {
            cache.entry([n; 32]);
            assert!(Arc::ptr_eq(&first, &cache.entry([0; 32])));
        }
        assert_eq!(cache.0.lock().unwrap().len(), MAX_CACHED);
    }

    #[tokio::test]
    async fn concurrent_callers_derive_once() {
        let keys = Keys::new("shop", "asked for by two at once");
        let (one, two) = tokio::join!(keys.derive(), keys.derive());
        assert_eq!(one.unwrap().dialling().psk, two.unwrap().dialling().psk);
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let keys = Keys::new("shop", "hush").accept("whisper");
        assert_eq!(
            format!("{keys:?}"),
            "Keys { public: \"shop\", private: <2 kept secret> }"
        );
    }
}
