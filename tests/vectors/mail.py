"""An independent reader of p2pmail's formats: keys, letters, envelopes, receipts, stored mail.

Written from p2pmail-card(5) and p2pmail-letter(5) alone.
"""
import nacl.bindings as sodium
import nacl.pwhash

from cards import read_card, signed_parts
from codec import (KIB, MAX_TIME, Fields, Refused, aead_open, agree, blake, box_open, decode,
                   encode, forged, malformed, of_size, verifies)

CHUNK, SEALED, BLOCK, GROUP = 65520, 65536, 1 << 20, 4096
SEGMENT = 1 << 20
MAX_LETTER = BLOCK * GROUP * GROUP
ZERO_NONCE = bytes(12)
MAGIC = b"p2pmail-sealed\x1a\n"

# ---- Key files


def public_of_signing(secret):
    public, whole = sodium.crypto_sign_seed_keypair(secret[:32])
    if whole != secret:
        raise forged("the halves of a signing secret do not fit")
    return public


def read_key(data, kind, passphrase=None):
    top = decode(data)
    if not isinstance(top, dict) or "s" not in top:
        raise malformed("no secret part")
    fields = Fields(top, "v")
    if fields.text("k", 16) != kind:
        raise malformed("a key of another kind")
    public, part = fields.bytes("p", 32), Fields(fields.left.pop("s"))
    fields.end()
    size = 64 if kind == "identity" else 32
    if "o" in part.left:
        secret = part.bytes("o", size)
        part.end()
    else:
        box, salt = part.bytes("b", size + 40), part.bytes("s", 16)
        memory, passes = part.number("m", 8 * KIB, 1 << 30), part.number("p", 1, 16)
        part.end()
        if memory % KIB:
            raise malformed("not whole KiB")
        if passphrase is None:
            raise Refused("locked", "a passphrase is needed")
        key = nacl.pwhash.argon2id.kdf(32, passphrase, salt, opslimit=passes, memlimit=memory)
        secret = box_open(key, b"p2pmail/keyfile" + kind.encode() + public, box)
        if secret is None:
            raise Refused("wrong-passphrase", "the box does not open")
    found = public_of_signing(secret) if kind == "identity" else sodium.crypto_scalarmult_base(secret)
    if found != public:
        raise forged("the secret does not fit the public key")
    return {"public": public, "secret": secret}


def read_store_pub(text):
    data = bytes.fromhex(text.strip())
    return of_size(data, 32)


def read_device_keys(data):
    top = decode(data)
    fields = Fields(top, "v")
    check, prekeys, secrets = fields.bytes("c", 32), [], []
    for value in fields.list("k", 1, 16):
        one = Fields(value)
        one.bytes("b", 16)
        one.number("o", 0, MAX_TIME)
        secret = one.bytes("s", 32)
        made, superseded = one.number("t", 0, MAX_TIME), one.number("x", 0, MAX_TIME)
        one.end()
        if (superseded == 0) != (not prekeys) or secret in secrets:
            raise malformed("a prekey twice, or not the first one is the current one")
        prekeys.append(f"{sodium.crypto_scalarmult_base(secret).hex()} {made} {superseded}")
        secrets.append(secret)
    out = {"identity": fields.bytes("i", 32), "prekey": prekeys, "prekey-secret": secrets,
           "queue": fields.bytes("q", 32)}
    signing, transport = fields.bytes("s", 64), fields.bytes("u", 32)
    fields.end()
    if blake("p2pmail/devfile", encode({k: v for k, v in top.items() if k != "c"})) != check:
        raise malformed("damaged")
    out["device"] = public_of_signing(signing)
    out["transport"] = sodium.crypto_scalarmult_base(transport)
    return out


# ---- Letters


def padme(size):
    if size <= 4096:
        return 4096
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def sealed_size(plain):
    return plain + -(-plain // CHUNK) * 16


def plain_size(sealed):
    rest = sealed % SEALED
    if not 1 <= sealed <= MAX_LETTER or 1 <= rest <= 16:
        raise malformed("no letter has this size")
    plain = sealed // SEALED * CHUNK + (rest - 16 if rest else 0)
    if plain < 4096:
        raise malformed("a letter that is too small")
    return plain


def nonce_of(number, last):
    return number.to_bytes(11, "big") + bytes([last])


def read_letter(key, stream):
    size = plain_size(len(stream))
    count = -(-size // CHUNK)

    def chunk(number):
        sealed = stream[number * SEALED:(number + 1) * SEALED]
        plain = aead_open(key, nonce_of(number, int(number == count - 1)), b"", sealed)
        if plain is None:
            raise forged(f"chunk {number} does not open")
        return plain

    first = chunk(0)
    length = int.from_bytes(first[:2], "big")
    if length > 1024:
        raise malformed("the preamble is too large")
    preamble = Fields(decode(first[2:2 + length], 1024), "v")
    compression = preamble.number("c")
    out = {"id": preamble.bytes("i", 16), "content-type": preamble.text("m", 1024),
           "time": preamble.number("t", 0, MAX_TIME)}
    preamble.end()
    if compression > 1:
        raise Refused("unsupported", "compressed in another way")
    last = chunk(count - 1)
    start, end = 2 + length, size - 8
    message = int.from_bytes(last[-8:], "big") if len(last) >= 8 else None
    if message is None:  # the trailer lies in two chunks
        message = int.from_bytes((chunk(count - 2) + last)[-8:], "big")
    if message > end - start or padme(start + message + 8) != size:
        raise malformed("the trailer does not fit")
    in_last = max(start + message, (count - 1) * CHUNK) - (count - 1) * CHUNK
    if any(last[in_last:max(in_last, end - (count - 1) * CHUNK)]):
        raise malformed("padding that is not zero")
    plain = b"".join(map(chunk, range(count)))
    body = plain[start:start + message]
    return {**out, "message": read_segments(body) if compression else body}


def frames_of(stored, size):
    import zstandard  # Debian: python3-zstandard
    reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
    try:
        plain = reader.read(size + 1)
    except zstandard.ZstdError as error:
        raise malformed(f"a segment that is no frame: {error}")
    if len(plain) != size:
        raise malformed("a segment of another size")
    return plain


def read_segments(body):
    if len(body) < 16:
        raise malformed("no end of the segments")
    size, count = (int.from_bytes(body[at:at + 8], "big") for at in (-16 + len(body), -8 + len(body)))
    if not 0 < size <= MAX_LETTER or count != -(-size // SEGMENT) or 8 * count + 16 > len(body):
        raise malformed("segments that do not fit the message")
    table = len(body) - 16 - 8 * count
    starts = [int.from_bytes(body[table + 8 * i:table + 8 * i + 8], "big") for i in range(count)]
    out = []
    for number, (start, end) in enumerate(zip(starts, starts[1:] + [table])):
        plain = min(SEGMENT, size - number * SEGMENT)
        stored = body[start + 4:end]
        if (number == 0 and start != 0) or not start + 4 < end <= table or len(stored) > plain:
            raise malformed("a table that cannot be")
        if int.from_bytes(body[start:start + 4], "big") != len(stored):
            raise malformed("a segment that is not as long as its table says")
        if len(stored) * 64 < plain:
            raise malformed("a segment that expands too much")
        if len(stored) == plain and count == 1:
            raise malformed("one segment, and not compressed")
        out.append(stored if len(stored) == plain else frames_of(stored, plain))
    return b"".join(out)


def root_of(size, groups):
    return blake("p2pmail/root", size.to_bytes(8, "big"), *groups)


def read_tree(stream):
    if not stream:
        raise malformed("a letter has at least one byte")
    leaves = [blake("p2pmail/leaf", stream[at:at + BLOCK]) for at in range(0, len(stream), BLOCK)]
    groups = [blake("p2pmail/group", *leaves[at:at + GROUP]) for at in range(0, len(leaves), GROUP)]
    return {"leaf": leaves, "group": groups, "root": root_of(len(stream), groups)}


def message_id(payload_key, sender, root):
    return blake("p2pmail/message", payload_key, sender, root)[:20]


# ---- Envelopes


def unwrap(header, secrets):
    ephemeral, salt, stanzas = header["ephemeral"], header["salt"], header["stanzas"]
    for secret in secrets:
        prekey = sodium.crypto_scalarmult_base(secret)
        both = blake("p2pmail/stanza", ephemeral, prekey, salt, size=48,
                     key=agree(secret, ephemeral))
        for at in range(0, len(stanzas), 64):
            if stanzas[at:at + 16] != both[:16]:
                continue
            key = aead_open(both[16:], ZERO_NONCE, b"", stanzas[at + 16:at + 64])
            if key is None:
                raise forged("the stanza does not open")
            if blake("p2pmail/envcmt", key) != header["commitment"]:
                raise forged("the envelope key does not fit its commitment")
            return key
    raise Refused("unknown-prekey", "no stanza is for these prekeys")


def read_header(data):
    fields = Fields(decode(data), "v")
    out = {"commitment": fields.bytes("c", 32), "ephemeral": fields.bytes("e", 32),
           "salt": fields.bytes("n", 16), "stanzas": fields.bytes("s", 4 * 64, 64 * 64)}
    fields.end()
    if len(out["stanzas"]) not in (4 * 64, 8 * 64, 16 * 64, 32 * 64, 64 * 64):
        raise malformed("the number of stanzas is not a power of two")
    return out


def read_body(data):
    fields = Fields(decode(data, 128 * KIB), "v")
    out = {"card": fields.bytes("c", 1, 64 * KIB), "device": fields.bytes("d", 32),
           "sender": fields.bytes("f", 32), "payload-key": fields.bytes("k", 32)}
    commitment = fields.bytes("m", 32)
    out.update(root=fields.bytes("r", 32), subject=fields.text("s", 256),
               time=fields.number("t", 0, MAX_TIME), recipient=fields.bytes("to", 32),
               size=fields.number("z"))
    plain_size(out["size"])
    fields.end()
    if blake("p2pmail/paycmt", out["payload-key"]) != commitment:
        raise forged("the payload key does not fit its commitment")
    return out


def read_opened_body(data, header_hash, recipient):
    fields = Fields(decode(data, 128 * KIB))
    body, signature = fields.bytes("b", 1, 128 * KIB), fields.bytes("s", 64)
    fields.end()
    out = read_body(body)
    if not verifies(out["device"], "p2pmail/envelope", header_hash + body, signature):
        raise forged("the sender's signature")
    if out["recipient"] != recipient:
        raise forged("addressed to somebody else")
    card = read_card(out["card"])
    if card["identity"] != out["sender"]:
        raise forged("the card of somebody else")
    buried = out["device"] in card["roster"]["retired"] + card["roster"]["compromised"]
    if not buried and out["device"] not in card["roster"]["device"]:
        raise forged("the sending device is not one of the sender's")
    return {**out, "buried": int(buried)}


def read_envelope(data, recipient, secrets):
    fields = Fields(decode(data, 128 * KIB))
    sealed, header_bytes = fields.bytes("b", 16, 128 * KIB), fields.bytes("h", 1, 16 * KIB)
    fields.end()
    key = unwrap(read_header(header_bytes), secrets)
    opened = aead_open(key, ZERO_NONCE, header_bytes, sealed)
    if opened is None:
        raise forged("the body does not open")
    header_hash = blake("p2pmail/envhead", header_bytes)
    return {**read_opened_body(opened, header_hash, recipient), "header-hash": header_hash,
            "envelope-hash": blake("p2pmail/envelope", data)}


# ---- Receipts


def read_receipt(data):
    body, signature = signed_parts(data, 9 * KIB)
    fields = Fields(decode(body, 9 * KIB), "v", newest=2)
    if fields.version == 2:
        others = fields.bytes("l", 64, 127 * 64)
        if len(others) % 64 != 0:
            raise malformed("other letters of an impossible size")
    out = {"device": fields.bytes("d", 32), "envelope": fields.bytes("e", 32),
           "sender": fields.bytes("f", 32), "outcome": fields.number("o", 0, 0),
           "root": fields.bytes("r", 32), "time": fields.number("t", 0, MAX_TIME),
           "recipient": fields.bytes("to", 32)}
    fields.end()
    if not verifies(out["device"], "p2pmail/receipt", body, signature):
        raise forged("the receipt's signature")
    return out


# ---- Sealed files


def find_region(data):
    at = data.find(MAGIC)
    while 0 <= at <= 64 * KIB:
        if at == 0 or data[:at].endswith((b"\n\n", b"\n\r\n")):
            return at
        at = data.find(MAGIC, at + 1)
    raise malformed("no sealed mail")


def read_region(data):
    at = find_region(data) + len(MAGIC)
    if len(data) < at + 16:
        raise malformed("cut off")
    version, capsule, stream = (int.from_bytes(data[at + a:at + b], "big")
                                for a, b in ((0, 4), (4, 8), (8, 16)))
    if version not in (1, 2):
        raise Refused("unsupported", "another version")
    at += 16
    blob = None
    if version == 2:
        blob = (data[at + 8:at + 28], int.from_bytes(data[at:at + 8], "big"), stream)
        at += 28
        if at > len(data) or not 1 <= stream <= MAX_LETTER or blob[1] > MAX_LETTER:
            raise malformed("an impossible place of the stream")
        stream = 0
    if not 1 <= capsule <= 192 * KIB or capsule + stream > len(data) - at:
        raise malformed("impossible sizes")
    return data[at:at + capsule], data[at + capsule:at + capsule + stream], blob


def read_blob(blobs, name, offset, size):
    """The stream of a stub. The whole of it is hashed, so the hash list beside it is only compared."""
    data = (blobs / name.hex()).read_bytes()
    if len(data) == size:
        offset = 0
    if offset > len(data) or len(data) - offset != size:
        raise malformed("the blob has another length")
    leaves = (blobs / f"{name.hex()}.leaves").read_bytes()
    if leaves != b"".join(read_tree(data[offset:])["leaf"]):
        raise forged("the hash list is another letter's")
    return data[offset:]


def open_capsule(sealed, secret):
    if not 48 <= len(sealed) <= 48 + 160 * KIB:
        raise malformed("a capsule of an impossible size")
    store, ephemeral = sodium.crypto_scalarmult_base(secret), sealed[:32]
    key = blake("p2pmail/capsule", ephemeral, store, key=agree(secret, ephemeral))
    plain = aead_open(key, ZERO_NONCE, b"", sealed[32:])
    if plain is None:
        raise forged("the capsule does not open")
    top = decode(plain, 160 * KIB)
    fields = Fields(top, "y")
    out = {"body": fields.bytes("b", 0, 128 * KIB), "device": fields.bytes("d", 32),
           "folder": fields.text("f", 64), "header-hash": fields.bytes("h", 32),
           "id": fields.bytes("i", 20), "payload-key": fields.bytes("k", 32),
           "sender": fields.bytes("n", 32), "root": fields.bytes("r", 32)}
    signature = fields.bytes("s", 64)
    out.update(subject=fields.text("su", 256), time=fields.number("t", 0, MAX_TIME),
               verdict=fields.number("v", 0, 5),
               bcc=[of_size(key, 32) for key in fields.list("x", 0, 1024)],
               size=int.from_bytes(fields.bytes("z", 8), "big"))
    fields.end()
    if out["size"] > MAX_LETTER:
        raise malformed("no letter is so large")
    digest = blake("p2pmail/verdict", encode({k: v for k, v in top.items() if k != "s"}))
    if not verifies(out["device"], "p2pmail/verdict", digest, signature):
        raise forged("the storing device's signature")
    return out


def prove(capsule, own, stream_size):
    if capsule["size"] != stream_size:
        raise forged("the stream has another size")
    roster = own["roster"]
    if capsule["device"] not in roster["device"] + roster["retired"] + roster["compromised"]:
        raise forged("stored by a device that is not ours")
    if capsule["id"] != message_id(capsule["payload-key"], capsule["sender"], capsule["root"]):
        raise forged("the id")
    ours = capsule["sender"] == own["identity"]
    if capsule["verdict"] == 0:
        if not ours or capsule["body"]:
            raise forged("sent mail that is not from this identity")
        return
    try:
        body = read_opened_body(capsule["body"], capsule["header-hash"], own["identity"])
    except Refused as why:
        raise forged(str(why)) from None
    if any(body[name] != capsule[name] for name in ("sender", "root", "size", "payload-key")):
        raise forged("the sender signed another letter")
    if capsule["verdict"] == 5 and not ours:
        raise forged("the sender is not this identity")


def read_capsule(data, secret, card, stream_size):
    capsule = open_capsule(data, secret)
    prove(capsule, read_card(card), stream_size)
    return capsule


def read_sealed_file(data, secret, card, blobs=None):
    """`blobs` is the directory of large letters' streams."""
    sealed, stream, blob = read_region(data)
    capsule = read_capsule(sealed, secret, card, blob[2] if blob else len(stream))
    if blob:
        if blob[0] != capsule["id"]:
            raise forged("it names the stream of another message")
        stream = read_blob(blobs, *blob)
    if read_tree(stream)["root"] != capsule["root"]:
        raise forged("the stream has another root")
    return {**capsule, "message": read_letter(capsule["payload-key"], stream)["message"]}


# ---- Queue


def read_queue_entry(data, name, key):
    fields = Fields(decode(data, 8 * KIB), "v")
    box = fields.bytes("b", 1, 8 * KIB)
    fields.end()
    plain = box_open(key, b"p2pmail/queue" + name.encode(), box)
    if plain is None:
        raise forged("the entry does not open")
    inner = Fields(decode(plain))
    out = {"id": inner.bytes("i", 20), "payload-key": inner.bytes("k", 32),
           "leaves": int(inner.take("l", bool)), "offset": inner.number("m", 0, MAX_LETTER),
           "recipient": inner.bytes("q", 32), "root": inner.bytes("r", 32),
           "subject": inner.text("s", 256), "time": inner.number("t", 0, MAX_TIME),
           "size": inner.number("z", 0, MAX_LETTER), "notify": 0}
    if "n" in inner.left:
        out["notify"] = int(inner.take("n", bool))
        if not out["notify"]:
            raise malformed("a wish that is none")
    inner.end()
    return out
