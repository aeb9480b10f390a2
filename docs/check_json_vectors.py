"""Sections 9 and 12 of protocol.md: values as bytes, and as JSON by their types. A part of check_vectors.py."""

import base64
import datetime
import ipaddress
import json
import re
import struct
import uuid

# --- section 9: values ------------------------------------------------------------------------------------------


def uint(n):
    if n < 251:
        return bytes([n])
    for mark, size in ((0xFB, 2), (0xFC, 4), (0xFD, 8), (0xFE, 16)):
        if n < 1 << 8 * size:
            return bytes([mark]) + n.to_bytes(size, "little")
    raise ValueError(n)


def sint(n):
    return uint(2 * n if n >= 0 else -2 * n - 1)


def string(text):
    return uint(len(text.encode())) + text.encode()


def listed(items):
    return uint(len(items)) + b"".join(items)


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, count):
        taken, self.data = self.data[:count], self.data[count:]
        if len(taken) < count:
            raise ValueError("the bytes end before the value does")
        return taken

    def fixed(self, size):
        return int.from_bytes(self.take(size), "little")

    def uint(self):
        first = self.fixed(1)
        return first if first < 251 else self.fixed({0xFB: 2, 0xFC: 4, 0xFD: 8, 0xFE: 16}[first])

    def string(self):
        return self.take(self.uint()).decode()


# --- section 12: types ------------------------------------------------------------------------------------------

INTEGERS = {kind + str(bits): (kind, bits) for kind in "iu" for bits in (8, 16, 32, 64, 128)}
FLOATS = {"f32": "<f", "f64": "<d"}
KINDS = ("option", "list", "map", "array", "tuple", "struct", "enum")
PLAIN = {"bool", "char", "text", "bytes", "unit", *INTEGERS, *FLOATS}


def resolved(types, ref):
    """The name of a plain type, or an entry that has a format or is no newtype; None if it cannot be expressed."""
    for _ in range(len(types) + 1):
        if not isinstance(ref, int):
            return ref if isinstance(ref, str) and ref in PLAIN else None
        entry = types[ref]
        if entry.get("format") in FORMATS:
            return entry
        if entry["kind"] != "newtype":
            return entry if entry["kind"] in KINDS and not entry.get("has_aliases") else None
        ref = entry["of"]
    return None


def expressed(types, ref):
    found = resolved(types, ref)
    if found is None:
        raise ValueError(f"a value of this type cannot be expressed: {ref}")
    return found


def is_option(found):
    return isinstance(found, dict) and found["kind"] == "option"


def may_be_null(found):
    return found == "unit" or is_option(found)


# --- section 12: formats, as functions from a text to the JSON of the structure, and back -------------------------


def address(version):
    parse = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return lambda text: list(parse(text).packed), lambda numbers: str(parse(bytes(numbers)))


def socket(version):
    brackets = "[]" if version == 6 else ("", "")

    def parse(text):
        host, _, port = text.rpartition(":")
        if not (host.startswith(brackets[0]) and host.endswith(brackets[1])):
            raise ValueError(f"no address with a port: {text}")
        return [host.strip("[]"), int(port)]

    return parse, lambda pair: f"{brackets[0]}{pair[0]}{brackets[1]}:{pair[1]}"


def either(is_v6):
    return lambda text: {"V6" if is_v6(text) else "V4": text}, lambda variant: next(iter(variant.values()))


NANOS = 10**9
UNITS = {"d": 86_400 * NANOS, "h": 3600 * NANOS, "m": 60 * NANOS, "s": NANOS, "ms": 10**6, "us": 1000, "ns": 1}


def parse_duration(text):
    assert re.fullmatch(r"\s*([0-9]+\s*[a-z]+\s*)+", text), text
    spans = re.findall(r"([0-9]+)\s*([a-z]+)", text)
    total = sum(int(number) * UNITS[unit] for number, unit in spans)
    return {"secs": total // NANOS, "nanos": total % NANOS}


def format_duration(fields):
    # The structure's own JSON has great numbers as text.
    left, spans = int(fields["secs"]) * NANOS + fields["nanos"], []
    for unit, size in UNITS.items():
        number, left = divmod(left, size)
        spans += [f"{number}{unit}"] if number else []
    return " ".join(spans) or "0s"


EPOCH = datetime.datetime(1970, 1, 1)


def parse_time(text):
    date, time, fraction = re.fullmatch(r"([-0-9]+)T([:0-9]+)(?:\.([0-9]{1,9}))?Z", text).groups()
    since = datetime.datetime.fromisoformat(f"{date}T{time}") - EPOCH
    secs = since.days * 86_400 + since.seconds
    return {"secs_since_epoch": secs, "nanos_since_epoch": int((fraction or "").ljust(9, "0")[:9])}


def format_time(fields):
    secs, nanos = int(fields["secs_since_epoch"]), fields["nanos_since_epoch"]
    try:
        time = EPOCH + datetime.timedelta(seconds=secs)
    except OverflowError:
        return {"secs_since_epoch": secs, "nanos_since_epoch": nanos}
    return time.isoformat() + (f".{nanos:09}Z" if nanos else "Z")


FORMATS = {
    "uuid": (
        lambda text: base64.b64encode(uuid.UUID(text).bytes).decode(),
        lambda text: str(uuid.UUID(bytes=base64.b64decode(text))),
    ),
    "ipv4": address(4),
    "ipv6": address(6),
    "ip": either(lambda text: ":" in text),
    "socket_v4": socket(4),
    "socket_v6": socket(6),
    "socket": either(lambda text: text.startswith("[")),
    "duration": (parse_duration, format_duration),
    "time": (parse_time, format_time),
}

# --- section 12: JSON to bytes ----------------------------------------------------------------------------------


def to_bytes(types, ref, value):
    found = expressed(types, ref)
    if isinstance(found, str):
        return plain_to_bytes(found, value)
    if found.get("format") in FORMATS and isinstance(value, str):
        value = FORMATS[found["format"]][0](value)
    return structure_to_bytes(types, found, value)


def plain_to_bytes(plain, value):
    expected = {"bool": bool, "unit": type(None), "char": str, "text": str}.get(plain, object)
    if not isinstance(value, expected) or plain == "char" and len(value) != 1:
        raise ValueError(f"no {plain}: {value!r}")
    if plain in INTEGERS:
        return integer_to_bytes(*INTEGERS[plain], value)
    if plain in FLOATS:
        if isinstance(value, bool) or isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity"):
            raise ValueError(f"no {plain}: {value!r}")
        return struct.pack(FLOATS[plain], float(value))
    return {
        "bool": lambda: bytes([value]),
        "char": lambda: value.encode(),
        "text": lambda: string(value),
        "bytes": lambda: listed([bytes([number]) for number in octets(value)]),
        "unit": lambda: b"",
    }[plain]()


def integer_to_bytes(kind, bits, value):
    if isinstance(value, (bool, float)):
        raise ValueError(f"no integer: {value!r}")
    value, least = int(value), -(1 << bits - 1) if kind == "i" else 0
    if not least <= value < least + (1 << bits):
        raise ValueError(f"not in {kind}{bits}: {value}")
    if bits == 8:
        return bytes([value & 0xFF])
    return sint(value) if kind == "i" else uint(value)


def octets(value):
    if isinstance(value, str):
        return base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True)
    return b"".join(integer_to_bytes("u", 8, number) for number in value)


def only_entry(value):
    ((name, contents),) = value.items()
    return name, contents


def structure_to_bytes(types, entry, value):
    kind = entry["kind"]
    if kind == "newtype":
        return to_bytes(types, entry["of"], value)
    if kind == "option":
        if value is None:
            return b"\0"
        if may_be_null(resolved(types, entry["of"])):
            name, value = only_entry(value)
            assert name == "some"
        return b"\1" + to_bytes(types, entry["of"], value)
    if kind == "list":
        if resolved(types, entry["of"]) == "u8":
            return plain_to_bytes("bytes", value)
        assert isinstance(value, list)
        return listed([to_bytes(types, entry["of"], item) for item in value])
    if kind == "map":
        if isinstance(value, dict):
            assert resolved(types, entry["key"]) == "text"
            value = list(value.items())
        pairs = [(to_bytes(types, entry["key"], key), to_bytes(types, entry["value"], held)) for key, held in value]
        return listed([key + held for key, held in pairs])
    if kind in ("array", "tuple"):
        items = [entry["of"]] * entry["len"] if kind == "array" else entry["items"]
        assert isinstance(value, list) and len(value) == len(items)
        return b"".join(to_bytes(types, of, item) for of, item in zip(items, value))
    if kind == "struct":
        return fields_to_bytes(types, entry["fields"], value)
    if kind == "enum":
        name, contents = (value, None) if isinstance(value, str) else only_entry(value)
        number, of = next((n, v["type"]) for n, v in enumerate(entry["variants"]) if v["name"] == name)
        assert isinstance(value, dict) or resolved(types, of) == "unit"
        return uint(number) + to_bytes(types, of, contents)
    raise ValueError(f"not of a known kind: {kind}")


def fields_to_bytes(types, fields, value):
    unknown = set(value) - {field["name"] for field in fields}
    missing = [f["name"] for f in fields if f["name"] not in value and not is_option(resolved(types, f["type"]))]
    if unknown or missing:
        raise ValueError(f"unknown fields {unknown}, missing fields {missing}")
    return b"".join(to_bytes(types, field["type"], value.get(field["name"])) for field in fields)


# --- section 12: bytes to JSON ----------------------------------------------------------------------------------


def to_json(types, ref, reader):
    found = expressed(types, ref)
    if isinstance(found, str):
        return plain_to_json(found, reader)
    value = structure_to_json(types, found, reader)
    return FORMATS[found["format"]][1](value) if found.get("format") in FORMATS else value


def plain_to_json(plain, reader):
    if plain in INTEGERS:
        kind, bits = INTEGERS[plain]
        number = reader.fixed(1) if bits == 8 else reader.uint()
        if kind == "i":
            number = (number ^ 0x80) - 0x80 if bits == 8 else -(number + 1 >> 1) if number & 1 else number >> 1
        return str(number) if bits == 128 or abs(number) > 2**53 else number
    if plain in FLOATS:
        return float_to_json(FLOATS[plain], reader.take(struct.calcsize(FLOATS[plain])))
    return {
        "bool": lambda: (False, True)[reader.fixed(1)],
        "char": lambda: character(reader),
        "text": lambda: reader.string(),
        "bytes": lambda: base64.b64encode(reader.take(reader.uint())).decode(),
        "unit": lambda: None,
    }[plain]()


def character(reader):
    first = reader.take(1)
    return (first + reader.take((first[0] >= 0xC0) + (first[0] >= 0xE0) + (first[0] >= 0xF0))).decode()


def float_to_json(layout, data):
    (number,) = struct.unpack(layout, data)
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    # The fewest digits that are read as the same float of this size.
    texts = (f"{number:.{digits}g}" for digits in range(1, 17))
    return next((float(text) for text in texts if packs_as(layout, text, data)), number)


def packs_as(layout, text, data):
    try:
        return struct.pack(layout, float(text)) == data
    except OverflowError:
        return False


def structure_to_json(types, entry, reader):
    kind = entry["kind"]
    if kind == "newtype":
        return to_json(types, entry["of"], reader)
    if kind == "option":
        if reader.fixed(1) == 0:
            return None
        value = to_json(types, entry["of"], reader)
        return {"some": value} if may_be_null(resolved(types, entry["of"])) else value
    if kind == "list":
        if resolved(types, entry["of"]) == "u8":
            return plain_to_json("bytes", reader)
        return [to_json(types, entry["of"], reader) for _ in range(reader.uint())]
    if kind == "map":
        count = range(reader.uint())
        pairs = [[to_json(types, entry["key"], reader), to_json(types, entry["value"], reader)] for _ in count]
        is_object = resolved(types, entry["key"]) == "text" and len(dict(pairs)) == len(pairs)
        return dict(pairs) if is_object else pairs
    if kind in ("array", "tuple"):
        items = [entry["of"]] * entry["len"] if kind == "array" else entry["items"]
        return [to_json(types, of, reader) for of in items]
    if kind == "struct":
        return {field["name"]: to_json(types, field["type"], reader) for field in entry["fields"]}
    if kind == "enum":
        variant = entry["variants"][reader.uint()]
        contents = to_json(types, variant["type"], reader)
        return variant["name"] if resolved(types, variant["type"]) == "unit" else {variant["name"]: contents}
    raise ValueError(f"not of a known kind: {kind}")


# --- all vectors ------------------------------------------------------------------------------------------------


def problems(vector):
    """What differs between a vector and what is computed."""
    types, ref, encoded = vector["types"], vector["type"], bytes.fromhex(vector["bytes"])
    try:
        computed = to_bytes(types, ref, vector["json"])
        reader = Reader(encoded)
        value = to_json(types, ref, reader)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    found = []
    if computed != encoded:
        found.append(f"published bytes {encoded}, computed {computed}")
    # As text, since for Python 1, 1.0 and True are equal.
    published, written = (json.dumps(one, sort_keys=True) for one in (vector["json"], value))
    if written != published:
        found.append(f"published JSON {published}, computed {written}")
    if reader.data:
        found.append(f"left over: {reader.data}")
    return found


def check(text):
    """The number of vectors in a text, and those that are wrong: name and problem."""
    vectors = [json.loads(line) for line in text.splitlines()]
    wrong = {vector["name"]: problems(vector) for vector in vectors}
    return len(vectors), [(name, "; ".join(found)) for name, found in wrong.items() if found]
