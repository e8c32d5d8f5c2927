"""A transparency log as files, and bundles for a witness, written by no code of Fastness: C2SP tlog-tiles, signed-note,
tlog-checkpoint, tlog-witness; Ed25519 as RFC 8032, section 5.1, has it (slow, and for tests alone)."""

import base64
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def _x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 != sign else x


BASE = (_x(BASE_Y, 0), BASE_Y)


def _add(a, b):
    x = a[0] * b[1] + b[0] * a[1]
    y = a[1] * b[1] + a[0] * b[0]
    t = D * a[0] * b[0] * a[1] * b[1] % P
    return x * pow(1 + t, P - 2, P) % P, y * pow(1 - t, P - 2, P) % P


def _times(number, point):
    result = (0, 1)
    while number:
        if number & 1:
            result = _add(result, point)
        point, number = _add(point, point), number >> 1
    return result


def _packed(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


class Key:
    """A log's Ed25519 key."""

    def __init__(self, name, seed):
        self.name = name
        digest = hashlib.sha512(seed).digest()
        self.scalar = (int.from_bytes(digest[:32], "little") & (1 << 254) - 8) | 1 << 254
        self.prefix = digest[32:]
        self.public = _packed(_times(self.scalar, BASE))
        self.id = hashlib.sha256(name.encode() + b"\n\x01" + self.public).digest()[:4]

    def sign(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % L
        point = _packed(_times(r, BASE))
        k = int.from_bytes(hashlib.sha512(point + self.public + message).digest(), "little") % L
        return point + ((r + k * self.scalar) % L).to_bytes(32, "little")

    def vkey(self):
        encoded = base64.b64encode(b"\x01" + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    def note(self, text):
        signature = base64.b64encode(self.id + self.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {signature}\n"


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes):
    """MTH of RFC 6962, section 2.1."""
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256().digest()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:k]), root(hashes[k:]))


def consistency(old, hashes, whole=True):
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == len(hashes):
        return [] if whole else [root(hashes)]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if old <= k:
        return consistency(old, hashes[:k], whole) + [root(hashes[k:])]
    return consistency(old - k, hashes[k:], False) + [root(hashes[:k])]


def checkpoint(key, entries):
    hashes = [leaf(e) for e in entries]
    return key.note(f"{key.name}\n{len(entries)}\n{base64.b64encode(root(hashes)).decode()}\n")


def bundle(key, old, entries):
    proof = consistency(old, [leaf(e) for e in entries]) if old else []
    lines = "".join(base64.b64encode(h).decode() + "\n" for h in proof)
    return f"old {old}\n{lines}\n{checkpoint(key, entries)}"


def write(folder, key, entries):
    """A copy of the log, by its tiles."""
    def put(level, number, width, content):
        part = f".p/{width}" if width < 256 else ""
        path = folder / "tile" / level / f"{number:03}{part}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    for number in range(0, len(entries), 256):
        some = entries[number : number + 256]
        put("entries", number // 256, len(some), b"".join(len(e).to_bytes(2, "big") + e for e in some))
    level, hashes = 0, [leaf(e) for e in entries]
    while hashes:
        for number in range(0, len(hashes), 256):
            some = hashes[number : number + 256]
            put(str(level), number // 256, len(some), b"".join(some))
        level, hashes = level + 1, [root(hashes[n : n + 256]) for n in range(0, len(hashes) // 256 * 256, 256)]
    (folder / "checkpoint").write_text(checkpoint(key, entries))
