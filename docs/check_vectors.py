#!/usr/bin/env python3
"""A second implementation of protocol.md, from that page alone, held to vectors.txt and vectors-json.jsonl.

It shares no code with the runtime and needs nothing but Python 3.9: the ciphers are written out below, slow and not
safe against timing. Argon2id is checked only where the module `argon2` (argon2-cffi) is installed.

    python3 docs/check_vectors.py
"""

import base64
import hashlib
import hmac
import pathlib
import struct
import sys

# Importing leaves no files beside the documents.
sys.dont_write_bytecode = True

import check_json_vectors
from check_json_vectors import Reader, listed, sint, string, uint

# --- the ciphers, from their specifications ---------------------------------------------------------------------


def rotl(value, bits):
    value &= 0xFFFFFFFF
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF


def salsa20_rounds(x):
    x = list(x)
    columns = [(0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)]
    rows = [(0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)]
    for _ in range(10):
        for a, b, c, d in columns + rows:
            x[b] ^= rotl(x[a] + x[d], 7)
            x[c] ^= rotl(x[b] + x[a], 9)
            x[d] ^= rotl(x[c] + x[b], 13)
            x[a] ^= rotl(x[d] + x[c], 18)
    return x


def salsa20_state(key, sixteen):
    c = struct.unpack("<4I", b"expand 32-byte k")
    k = struct.unpack("<8I", key)
    n = struct.unpack("<4I", sixteen)
    return [c[0], *k[:4], c[1], *n, c[2], *k[4:], c[3]]


def xsalsa20(key, nonce, length):
    x = salsa20_rounds(salsa20_state(key, nonce[:16]))
    subkey = struct.pack("<8I", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    out = b""
    for block in range(-(-length // 64)):
        state = salsa20_state(subkey, nonce[16:] + struct.pack("<Q", block))
        words = [(a + b) & 0xFFFFFFFF for a, b in zip(salsa20_rounds(state), state)]
        out += struct.pack("<16I", *words)
    return out[:length]


def chacha20(key, counter, nonce, length):
    out = b""
    for block in range(-(-length // 64)):
        state = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key)]
        state += [counter + block, *struct.unpack("<3I", nonce)]
        x = list(state)
        columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
        diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
        for _ in range(10):
            for a, b, c, d in columns + diagonals:
                for p, q, r, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                    x[p] = (x[p] + x[q]) & 0xFFFFFFFF
                    x[r] = rotl(x[r] ^ x[p], bits)
        out += struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, state)))
    return out[:length]


def xor(a, b):
    return bytes(p ^ q for p, q in zip(a, b))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def secretbox(key, nonce, plain):
    stream = xsalsa20(key, nonce, 32 + len(plain))
    sealed = xor(plain, stream[32:])
    return poly1305(stream[:32], sealed) + sealed


def chachapoly(key, nonce, data, plain):
    sealed = xor(plain, chacha20(key, 1, nonce, len(plain)))
    pad = lambda b: b + bytes(-len(b) % 16)
    lengths = struct.pack("<QQ", len(data), len(sealed))
    return sealed + poly1305(chacha20(key, 0, nonce, 32), pad(data) + pad(sealed) + lengths)


def x25519(private, public):
    p = 2**255 - 19
    k = int.from_bytes(bytes([private[0] & 248]) + private[1:31] + bytes([private[31] & 127 | 64]), "little")
    u = int.from_bytes(public, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % p, u * (da - cb) ** 2 % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def hkdf(hash_name, salt, given, info, length):
    prk = hmac.new(salt or bytes(32), given, hash_name).digest()
    out, block = b"", b""
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([len(out) // 32 + 1]), hash_name).digest()
        out += block
    return out[:length]


# --- section 4: Noise -------------------------------------------------------------------------------------------


class Noise:
    """NNpsk0 as one who knows both ephemeral private keys sees it."""

    def __init__(self, prologue, psk):
        self.hash = hashlib.blake2s(b"Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s").digest()
        self.chaining = self.hash
        self.mix_hash(prologue)
        self.psk = psk

    def mix_hash(self, data):
        self.hash = hashlib.blake2s(self.hash + data).digest()

    def mix_key(self, given):
        both = hkdf("blake2s", self.chaining, given, b"", 64)
        self.chaining, self.key, self.count = both[:32], both[32:], 0

    def mix_key_and_hash(self, given):
        three = hkdf("blake2s", self.chaining, given, b"", 96)
        self.chaining, self.key, self.count = three[:32], three[64:], 0
        self.mix_hash(three[32:64])

    def seal(self, payload):
        sealed = chachapoly(self.key, bytes(4) + struct.pack("<Q", self.count), self.hash, payload)
        self.count += 1
        self.mix_hash(sealed)
        return sealed

    def message_1(self, e, payload):
        public = x25519(e, (9).to_bytes(32, "little"))
        self.mix_key_and_hash(self.psk)
        self.mix_hash(public)
        self.mix_key(public)
        return public + self.seal(payload)

    def message_2(self, e, other, payload):
        public = x25519(e, (9).to_bytes(32, "little"))
        self.mix_hash(public)
        self.mix_key(public)
        self.mix_key(x25519(e, x25519(other, (9).to_bytes(32, "little"))))
        return public + self.seal(payload)

    def split(self):
        both = hkdf("blake2s", self.chaining, b"", b"", 64)
        return both[:32], both[32:]


# --- section 6: frames ------------------------------------------------------------------------------------------


def frame(kind, layout="", *fields, rest=b""):
    body = struct.pack("<" + layout, *fields) + rest
    return struct.pack("<BI", kind, len(body)) + body


def envelope(key, direction, counter, ack, *frames):
    nonce = b"mesh/1 envelope" + bytes([direction]) + struct.pack("<Q", counter)
    return secretbox(key, nonce, struct.pack("<I", ack) + b"".join(frames))


# --- all vectors ------------------------------------------------------------------------------------------------


def keys():
    public = b"shop"
    salt = hashlib.sha256(b"mesh/1 salt" + public).digest()[:16]
    yield "keys.public", public
    yield "keys.salt", salt

    def derived(name, root):
        yield name + ".root", root
        yield name + ".id", hkdf("sha256", None, root, b"mesh/1 key id", 8)
        yield name + ".psk", hkdf("sha256", None, root, b"mesh/1 handshake key", 32)

    passphrase = b"correct horse battery staple"
    yield "keys.passphrase", passphrase
    try:
        from argon2.low_level import Type, hash_secret_raw

        root = hash_secret_raw(passphrase, salt, 2, 19456, 1, 32, Type.ID, 0x13)
    except ImportError:
        print("skipped: Argon2id, for want of the module `argon2`")
        root = VECTORS["keys.passphrase.root"]
    yield from derived("keys.passphrase", root)

    raw = bytes([1]) * 32
    checksum = hashlib.sha256(b"mesh/1 key checksum" + raw).digest()[:4]
    yield "keys.generated", b"meshkey1-" + base64.urlsafe_b64encode(raw + checksum).rstrip(b"=")
    yield from derived("keys.generated", hkdf("sha256", salt, raw, b"mesh/1 generated key", 32))
    yield "keys.discovery", hkdf("sha256", None, public, b"mesh/1 discovery key", 32)


def codec():
    double = lambda x: struct.pack("<d", x)
    order = uint(300) + b"\1" + string("gift") + listed([uint(1) + double(0.5), uint(251) + double(-2.0)])
    return {
        "u8.255": b"\xff",
        "u64.250": uint(250),
        "u64.251": uint(251),
        "u64.65536": uint(65536),
        "u64.2-to-32": uint(2**32),
        "u128.2-to-64": uint(2**64),
        "i8.minus-1": struct.pack("<b", -1),
        "i32.minus-1": sint(-1),
        "i32.300": sint(300),
        "i64.minus-126": sint(-126),
        "bool.true": b"\1",
        "f32.1.5": struct.pack("<f", 1.5),
        "char.euro": "\u20ac".encode(),
        "string.day": string("day"),
        "unit": b"",
        "none": b"\0",
        "some.7": b"\1\7",
        "array.u16": uint(1) + uint(300),
        "list.u16": listed([uint(1), uint(300)]),
        "map": listed([string("a") + b"\1", string("b") + b"\2"]),
        "struct": order,
        "enum.unit": uint(1),
        "enum.tuple": uint(2) + struct.pack("<Bb", 200, -2),
        "enum.struct": uint(3) + string("x"),
        "result.ok": uint(0) + b"\1",
        "result.err": uint(1) + b"\2",
        "ipv4": bytes([127, 0, 0, 1]),
        "duration": uint(1) + uint(500_000_000),
    }


# Two entries of types that no version knows: three bytes, and none.
UNKNOWN = b"\xfa" + struct.pack("<H", 3) + b"abc" + b"\xfb" + struct.pack("<H", 0)


def in_front_of(block, args):
    return struct.pack("<H", len(block)) + block + args


CONFIRM = frame(10, "IQ", 16384, 64 << 20)


def frames():
    panicked, bye = b"index out of bounds", b"a newer node is here"
    return {
        "call": frame(1, "QIIIB", 1, 0x01020304, 3000, 8, 0, rest=b"argument"),
        "call.extended": frame(1, "QIIIB", 3, 5, 3000, 2 + len(UNKNOWN) + 8, 2, rest=in_front_of(UNKNOWN, b"argument")),
        "reply": frame(2, "QBIB", 2**64 - 1, 0, 0, 0),
        "reply.failed": frame(2, "QBIB", 3, 6, len(panicked), 0, rest=panicked),
        "reply.refused": frame(2, "QBIB", 3, 11, 18, 0, rest=struct.pack("<I", 401) + b"no such tenant"),
        "tell": frame(3, "QIIB", 4, 6, 4, 0, rest=b"sale"),
        "chunk": frame(4, "BQB", 2, 9, 1, rest=b"and so on"),
        "cancel": frame(5, "Q", 10),
        "credit": frame(6, "IQ", 2, 1 << 40),
        "ping": frame(7, "Q", 11),
        "pong": frame(8, "Q", 12),
        "goodbye": frame(9, "B", 2, rest=bye),
        "confirm": CONFIRM,
        "control": frame(11, rest=b"\1\2"),
        "draining": frame(12),
    }


def jobs():
    args = string("day")
    return {
        "plain": uint(0) + b"\0" + args,
        "delayed": uint(1) + uint(1500) + b"\0" + args,
        "at-with-key": uint(2) + uint(1700000000000) + b"\1" + string("order-17") + uint(60000) + args,
    }


def handshake():
    psk, key_id = VECTORS["keys.generated.psk"], VECTORS["keys.generated.id"]
    header = b"\2\1" + key_id
    prologue = b"mesh/2 handshake" + header
    here, there = b"\x11" * 32, b"\x22" * 32
    fingerprint = uint(0x0123456789ABCDEF)
    introduction = string("Shop") + b"\0" + string("Gateway") + string("gateway-1") + uint(1700000000000) + uint(42)
    introduction += uint(1) + string("billing-1") + string("Billing") + fingerprint + listed([])
    hello = introduction + uint(0)
    later = introduction + uint(1 << 63 | 5) + UNKNOWN
    commands = listed([uint(1) + uint(2), uint(0xFFFFFFFF) + uint(2**64 - 1)])
    welcome = uint(0) + b"\0" + string("Billing") + string("billing-1") + uint(1700000000001) + uint(43)
    welcome += fingerprint + commands + uint(0)
    refused = uint(1) + b"\5" + string("the schema there allows no link from this node type")

    noise = Noise(prologue, psk)
    yield "handshake.prologue", prologue
    yield "handshake.ephemeral.initiator", here
    yield "handshake.ephemeral.responder", there
    yield "handshake.hello", hello
    yield "handshake.hello.later", later
    yield "handshake.message-1", header + noise.message_1(here, hello)
    yield "handshake.welcome", welcome
    yield "handshake.message-2", b"\1" + noise.message_2(there, here, welcome)
    yield "handshake.refused", refused
    turned_away = Noise(prologue, psk)
    turned_away.message_1(here, hello)
    yield "handshake.message-2.refused", b"\1" + turned_away.message_2(there, here, refused)
    yield "handshake.message-2.clear", bytes([2, 1])

    from_initiator, from_responder = noise.split()
    yield "handshake.key.from-initiator", from_initiator
    yield "handshake.key.from-responder", from_responder
    yield "envelope.from-initiator.0", envelope(from_initiator, 1, 0, 0, CONFIRM)
    yield "envelope.from-initiator.1", envelope(from_initiator, 1, 1, 0, frame(7, "Q", 7))
    yield "envelope.from-responder.0", envelope(from_responder, 2, 0, 1, CONFIRM)


def discovery():
    key, server, client = VECTORS["keys.discovery"], b"\x33" * 32, b"\x44" * 32
    proof = hmac.new(key, b"mesh/1 discovery proof" + server + client, "sha256").digest()
    port_key = hkdf("sha256", server + client, key, b"mesh/1 discovery port", 32)
    nonce = b"mesh/1 envelope" + bytes([2]) + bytes(8)
    yield "discovery.greeting", b"\2" + server
    yield "discovery.request", client + proof
    yield "discovery.port-key", port_key
    yield "discovery.answer", b"\1" + secretbox(port_key, nonce, struct.pack("<H", 7000))
    yield "discovery.answer.wrong-name", b"\2"


# --- section 11: routing by key ---------------------------------------------------------------------------------


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def mixed(bits):
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        bits = (bits ^ bits >> 33) * factor % 2**64
    return bits ^ bits >> 33


def routes():
    def weight(key, instance):
        return struct.pack("<Q", mixed(fnv1a(key) ^ mixed(fnv1a(instance.encode()))))

    return {
        "empty-key.billing-1": weight(b"", "billing-1"),
        "u64-4711.billing-1": weight(uint(4711), "billing-1"),
        "u64-4711.billing-2": weight(uint(4711), "billing-2"),
        "string-day.billing-1": weight(string("day"), "billing-1"),
        "string-day.umlaut": weight(string("day"), "b\u00fcro"),
    }


# --- reading: what is unknown is skipped ------------------------------------------------------------------------


def entries(reader, known):
    """The entries of a block that reaches to the end, of those types that are known."""
    found = {}
    while reader.data:
        kind, size = reader.fixed(1), reader.fixed(2)
        value = reader.take(size)
        if kind in known:
            found[kind] = value
    return found


def read_hello(data):
    reader = Reader(data)
    hello = {"mesh": reader.string(), "role": reader.fixed(1), "node": (reader.string(), reader.string())}
    hello["epoch"] = (reader.uint(), reader.uint())
    hello["target"] = (reader.string(), reader.string()) if reader.uint() else None
    hello["schema"] = (reader.uint(), [(reader.uint(), reader.uint()) for _ in range(reader.uint())])
    # None of the features is known here.
    reader.uint()
    return hello, entries(reader, known=())


def read_call(data):
    reader = Reader(data)
    kind, size = reader.fixed(1), reader.fixed(4)
    call = {"kind": kind, "call": reader.fixed(8), "command": reader.fixed(4), "deadline_ms": reader.fixed(4)}
    total, flags = reader.fixed(4), reader.fixed(1)
    assert size == 8 + 4 + 4 + 4 + 1 + total and flags & ~2 == 0
    block = Reader(reader.take(reader.fixed(2)) if flags & 2 else b"")
    return call, entries(block, known=(1, 2)), reader.data


def reads():
    plain, later = (read_hello(VECTORS[name]) for name in ("handshake.hello", "handshake.hello.later"))
    yield "a hello with unknown features and extensions", later == plain
    call, extensions, args = read_call(VECTORS["frame.call.extended"])
    yield "a call with unknown extensions", (call["command"], extensions, args) == (5, {}, b"argument")
    call, extensions, args = read_call(VECTORS["frame.call"])
    yield "a call without a block", (call["command"], extensions, args) == (0x01020304, {}, b"argument")


def beside(name):
    return (pathlib.Path(__file__).parent / name).read_text(encoding="utf-8")


def published():
    lines = beside("vectors.txt").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): bytes.fromhex(value) for name, _, value in pairs}


def main():
    computed = dict(keys())
    computed.update({"codec." + name: value for name, value in codec().items()})
    computed.update({"frame." + name: value for name, value in frames().items()})
    computed.update({"job." + name: value for name, value in jobs().items()})
    computed["extensions.unknown"] = UNKNOWN
    computed["extensions.in-front-of-args"] = in_front_of(UNKNOWN, b"args")
    metadata = uint(2) + string("tenant") + string("a") + string("locale") + string("de")
    computed["extensions.metadata"] = bytes([2]) + len(metadata).to_bytes(2, "little") + metadata
    trace = b"0123456789abcdef" + b"01234567" + bytes([1])
    trace = bytes([1]) + len(trace).to_bytes(2, "little") + trace
    tenant = uint(1) + string("tenant") + string("a")
    computed["extensions.trace"] = trace
    computed["extensions.metadata-and-trace"] = bytes([2]) + len(tenant).to_bytes(2, "little") + tenant + trace
    computed.update(handshake())
    computed.update(discovery())
    computed.update({"route." + name: value for name, value in routes().items()})
    wrong = [name for name in {**VECTORS, **computed} if VECTORS.get(name) != computed.get(name)]
    for name in wrong:
        print(f"{name}: published {VECTORS.get(name)}, computed {computed.get(name)}")
    misread = [what for what, is_right in reads() if not is_right]
    for what in misread:
        print(f"misread: {what}")
    json_count, wrong_json = check_json_vectors.check(beside("vectors-json.jsonl"))
    for name, problem in wrong_json:
        print(f"json.{name}: {problem}")
    wrong += wrong_json
    print(f"{len(computed) + json_count} vectors, {len(wrong)} wrong, {len(misread)} misread")
    sys.exit(1 if wrong or misread else 0)


VECTORS = published()

if __name__ == "__main__":
    main()
