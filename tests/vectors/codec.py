"""An independent reader of p2pmail's formats: primitives and CBOR.

Written from p2pmail-card(5) alone, section by section; shares nothing with the program but the
primitives. Slow and plain on purpose.
"""
import hashlib
import re

import nacl.bindings as sodium
import nacl.exceptions

MAX_TIME = 253402300799
MAX_SEQUENCE = 2**63 - 1
MAX_64 = 2**64 - 1
KIB = 1024


class Refused(Exception):
    """One of the names of "Errors", and why."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code


def malformed(why):
    return Refused("malformed", why)


def forged(why):
    return Refused("forged", why)


# ---- Primitives of suite 1


def blake(context, *parts, size=32, key=b""):
    person = context.encode().ljust(16, b"\0")
    state = hashlib.blake2b(digest_size=size, key=key, person=person)
    for part in parts:
        state.update(part)
    return state.digest()


def verifies(key, context, message, signature):
    try:
        sodium.crypto_sign_open(signature + context.encode() + b"\0" + message, key)
        return True
    except nacl.exceptions.CryptoError:
        return False


def agree(secret, public):
    try:
        shared = sodium.crypto_scalarmult(secret, public)
    except (nacl.exceptions.CryptoError, RuntimeError):
        shared = bytes(32)
    if shared == bytes(32):
        raise forged("a key of small order")
    return shared


def aead_open(key, nonce, associated, sealed):
    """The plaintext, or None."""
    try:
        return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, associated, nonce, key)
    except (nacl.exceptions.CryptoError, ValueError):
        return None


def aead_seal(key, nonce, associated, plain):
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, associated, nonce, key)


def box_open(key, associated, box):
    """XChaCha20-Poly1305: nonce, ciphertext, tag."""
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(box[24:], associated, box[:24], key)
    except (nacl.exceptions.CryptoError, ValueError):
        return None


# ---- CBOR


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise malformed("CBOR ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def head(self):
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, info
        if info > 27:
            raise malformed("an indefinite length, or a reserved head")
        size = 1 << (info - 24)
        number = int.from_bytes(self.take(size), "big")
        if major != 7 and number < (24 if size == 1 else 1 << (4 * size)):
            raise malformed("a number longer than needed")
        return major, info, number


def utf8(data):
    try:
        return data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise malformed("text that is not UTF-8") from None


def item(cursor, depth):
    major, info, number = cursor.head()
    if major == 0:
        return number
    if major == 2:
        return cursor.take(number)
    if major == 3:
        return utf8(cursor.take(number))
    if major == 7 and info in (20, 21):
        return info == 21
    if major not in (4, 5):
        raise malformed("a kind of value that is not used")
    if depth == 8:
        raise malformed("nested too deeply")
    if major == 4:
        return [item(cursor, depth + 1) for _ in range(number)]
    out, last = {}, None
    for _ in range(number):
        if cursor.data[cursor.at:cursor.at + 1] and cursor.data[cursor.at] >> 5 != 3:
            raise malformed("a key that is not text")
        key = item(cursor, depth + 1)
        raw = key.encode()
        if last is not None and raw <= last:
            raise malformed("keys out of order")
        last = raw
        out[key] = item(cursor, depth + 1)
    return out


def decode(data, limit=16 * KIB):
    if len(data) > limit:
        raise malformed("too large")
    cursor = Cursor(data)
    value = item(cursor, 0)
    if cursor.at != len(data):
        raise malformed("bytes after the end")
    return value


def head_of(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise AssertionError("larger than 64 bits")


def encode(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head_of(0, value)
    if isinstance(value, bytes):
        return head_of(2, len(value)) + value
    if isinstance(value, str):
        return head_of(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head_of(4, len(value)) + b"".join(map(encode, value))
    keys = sorted(value, key=str.encode)
    return head_of(5, len(keys)) + b"".join(encode(key) + encode(value[key]) for key in keys)


class Fields:
    """The fields of a map; `end` refuses what was not asked for."""

    def __init__(self, value, version=None, newest=1):
        if not isinstance(value, dict):
            raise malformed("not a map")
        self.left = dict(value)
        if version is not None:
            self.version = number = self.number(version)
            if number > newest:
                raise Refused("unsupported", "a newer version")
            if number == 0:
                raise malformed("no version")

    def take(self, key, kind):
        if key not in self.left or type(self.left[key]) is not kind:
            raise malformed(f"no {key}, or of another type")
        return self.left.pop(key)

    def number(self, key, low=0, high=MAX_64):
        number = self.take(key, int)
        if not low <= number <= high:
            raise malformed(f"{key} out of bounds")
        return number

    def bytes(self, key, low, high=None):
        data = self.take(key, bytes)
        if not low <= len(data) <= (low if high is None else high):
            raise malformed(f"{key} has another size")
        return data

    def text(self, key, high):
        text = self.take(key, str)
        if len(text.encode()) > high or re.search("[\0-\x1f\x7f-\x9f]", text):
            raise malformed(f"{key} too long, or with control characters")
        return text

    def list(self, key, low, high):
        values = self.take(key, list)
        if not low <= len(values) <= high:
            raise malformed(f"{key} has too many or too few elements")
        return values

    def end(self):
        if self.left:
            raise malformed(f"unknown fields: {sorted(self.left)}")


def of_size(value, size):
    if type(value) is not bytes or len(value) != size:
        raise malformed("not a byte string of the right size")
    return value
