"""Writes the golden blocks beside it: a second implementation of the format, from its drawings alone.

Needs the Python package "cryptography". The tests read what it wrote; they do not run it.
"""
import hashlib
import pathlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
HERE = pathlib.Path(__file__).parent


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if n < 1 << (8 << (info - 24)):
            return bytes([major << 5 | info]) + struct.pack(form, n)
    raise ValueError(n)


def num(n):
    return head(0, n) if n >= 0 else head(1, -1 - n)


def data(b):
    return head(2, len(b)) + b


def text(s):
    return head(3, len(s.encode())) + s.encode()


def array(*items):
    return head(4, len(items)) + b"".join(items)


def link(c):
    return b"\xd8\x2a" + data(b"\x00" + c)


NULL, FALSE, TRUE = b"\xf6", b"\xf4", b"\xf5"


def cid(raw):
    return b"\x01\x71\x12\x20" + hashlib.sha256(raw).digest()


def clock(first, span, hybrid, quality=0, boot=b"", mono=0):
    items = [num(first), num(span), num(hybrid), num(quality)]
    return array(*items, *([data(boot), num(mono)] if quality == 1 else []))


def at(seconds):
    ms = 1772366400000 + 1000 * seconds
    return clock(ms * 1000000, 9750000000, ms << 16 | 3)


NAMES = "version feed seq prev links needs clock count codec epoch payload sig".split()


def block(name, feed, seq, prev, links, needs, clock, count, codec, epoch, payload):
    items = [
        num(1), data(feed), num(seq), link(prev) if prev else NULL, array(*map(link, links)),
        num(needs), clock, num(count), num(codec), num(epoch), data(payload),
    ]
    items.append(data(KEY.sign(b"skerry/block/1" + hashlib.sha256(array(*items)).digest())))
    raw = array(*items)
    lines = [f"# {name}: written by vectors.py", "8c # array of 12"]
    for n, i in zip(NAMES, items):
        h = i.hex()
        lines.append(h[:80] + f" # {n}")
        lines += [h[k:k + 80] for k in range(80, len(h), 80)]
    (HERE / f"{name}.hex").write_text("\n".join(lines) + "\n")
    return raw


def opening(role, meta):
    return array(
        num(role), text("climate"), num(1), FALSE, num(3), data(PUBLIC),
        data(bytes(range(1, 17))), data(meta), num(256 << 10), num(4 << 20),
    )


def feed_id(raw):
    return hashlib.sha256(raw).digest()[:16]


meta0 = block("opening-meta", b"", 0, None, [], 0, at(0), 0, 0, 0, opening(2, b""))
meta = feed_id(meta0)
data0 = block("opening-data", b"", 0, None, [], 0, at(0), 0, 0, 0, opening(1, meta))
feed = feed_id(data0)
entries = array(
    array(num(1), num(1), text("temp"), array(text("sensor"), text("roof"), text("site"), text("a")), text("°C"), num(1)),
    array(num(1), num(2), text("door"), array(), text(""), num(3)),
    array(num(2), data(bytes(range(8))), num(12345678901), num(1772366400000000000), num(5000000)),
    array(num(3), data(feed), num(3), num(9), num(-5), num(1772366400000000000), NULL, num(28672), num(2), text("")),
    array(num(3), data(b""), num(0), num(0), num(1), num(2), num(17), num(0), num(1), text("meters")),
    array(num(4), num(2**64 - 1), num(1000), num(23), num(17), num(2), num(0)),
)
meta1 = block("meta", meta, 1, cid(meta0), [], 0, at(1), 6, 2, 0, entries)
data1 = block("events", feed, 1, cid(data0), [], 1, at(0), 7, 1, 0, b"the payload of block one")
data2 = block(
    "unsynced", feed, 2, cid(data1), [], 1,
    clock(-1, 2**64 - 1, 2**64 - 1, 1, b"\xb0\x07\xb0\x07\xb0\x07\xb0\x07", 2**63), 4096, 1, 0, bytes(300),
)
block("links", feed, 3, cid(data2), sorted([cid(meta1), cid(meta0)]), 2**63 - 1, at(2), 2**32 - 1, 2**64 - 1, 0, b"")
block("encrypted", feed, 3, cid(data2), [], 1, clock(1772366400000000000, 0, 0), 0, 0, 2**64 - 1, bytes(range(24)) + b"ciphertext")
