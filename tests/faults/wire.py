"""For hostile.py: whoever can speak the protocol without the program. Identities, letters and
envelopes as the man pages say, over a CURVE socket that sends whatever it is told to.
"""

import base64
import os
import sys
import time
from pathlib import Path

import nacl.bindings as sodium
import zmq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "vectors"))
from cards import key_text, read_card, read_card_text, read_record  # noqa: E402
from codec import MAX_64, aead_seal, blake, decode, encode  # noqa: E402
from mail import CHUNK, ZERO_NONCE, nonce_of, padme, read_tree  # noqa: E402

ANSWER = 10  # seconds for what has to be said
QUIET = 0.15  # seconds in which what must not be said would have come
MAX_ADMISSION = 704
PIECE = 128 << 10  # of a block


def signed_by(secret, context, body):
    signature = sodium.crypto_sign(context.encode() + b"\0" + body, secret)[:64]
    return encode({"b": body, "s": signature})


class Recipient:
    """What a card says about somebody with one device."""

    def __init__(self, card_text):
        self.card = read_card_text(card_text.decode())["bytes"]
        self.identity = read_card(self.card)["identity"]
        record = read_record(decode(self.card, 1 << 16)["d"][0])
        self.device, self.transport = record["device"], record["transport"]
        self.prekey = bytes.fromhex(record["prekey"][0].split()[0])
        self.bits, self.nonce = record["stamp-bits"], record["stamp-nonce"]

    def fits(self, root, stamp):
        digest = blake("p2pmail/stamp", self.identity, root, self.nonce, stamp.to_bytes(8, "big"))
        return int.from_bytes(digest, "big") >> (256 - self.bits) == 0

    def stamp(self, root, good=True):
        """A stamp that fits, or one that does not."""
        return next(number for number in range(MAX_64) if self.fits(root, number) == good)


class Somebody:
    """An identity with one device, which keeps nothing on disk."""

    def __init__(self, name="x", bits=0):
        self.identity, self.identity_secret = sodium.crypto_sign_keypair()
        self.device, self.device_secret = sodium.crypto_sign_keypair()
        self.transport_secret, self.prekey_secret = os.urandom(32), os.urandom(32)
        self.transport = sodium.crypto_scalarmult_base(self.transport_secret)
        self.prekey = sodium.crypto_scalarmult_base(self.prekey_secret)
        self.name, self.bits, self.now = name, bits, int(time.time())
        self.sequence = 1
        self.card = self.make_card()

    def address(self):
        return f"{self.name}@{key_text(self.identity)}.p2pmail.alt"

    def roster(self, **other):
        body = {"d": [self.device], "i": self.identity, "n": self.name, "q": 1, "t": self.now,
                "v": 1, "x": []}
        return signed_by(self.identity_secret, "p2pmail/roster", encode(body | other))

    def record(self, **other):
        body = {"a": {"b": self.bits, "n": bytes(16)}, "d": self.device, "e": [],
                "i": self.identity, "k": [{"k": self.prekey, "t": self.now}], "o": 1,
                "q": self.sequence, "r": [], "t": self.now, "u": self.transport, "v": 1}
        return signed_by(self.device_secret, "p2pmail/record", encode(body | other))

    def make_card(self, **other):
        return encode({"d": [self.record(**other)], "r": self.roster(), "v": 1})

    def armor(self):
        text = base64.encodebytes(self.card).decode()
        return f"-----BEGIN P2PMAIL CARD-----\n{text}-----END P2PMAIL CARD-----\n".encode()

    def letter(self, subject, size=100):
        return Letter(self, subject, size)


class Letter:
    """A sealed stream, and envelopes for it."""

    def __init__(self, sender, subject, size=100):
        self.sender, self.subject, self.key = sender, subject, os.urandom(32)
        header = f"From: {sender.address()}\nSubject: {subject}\n"
        text = f"{header}Message-ID: <{self.key[:8].hex()}@x>\n\n{os.urandom(size).hex()[:size]}"
        self.stream = seal(self.key, text.encode(), sender)
        tree = read_tree(self.stream)
        self.root, self.leaves = tree["root"], tree["leaf"]

    def envelope(self, recipient, **other):
        """Sealed to a Recipient; `other`: fields of the body that are not what they should be."""
        return self.envelope_and_key(recipient, **other)[0]

    def envelope_and_key(self, recipient, stanza=None, prekey=None, signer=None, **other):
        sender, key = self.sender, os.urandom(32)
        secret, salt = os.urandom(32), os.urandom(16)
        ephemeral = sodium.crypto_scalarmult_base(secret)
        prekey = prekey or recipient.prekey
        shared = sodium.crypto_scalarmult(secret, prekey)
        both = blake("p2pmail/stanza", ephemeral, prekey, salt, size=48, key=shared)
        mine = stanza or both[:16] + aead_seal(both[16:], ZERO_NONCE, b"", key)
        header = encode({"c": blake("p2pmail/envcmt", key), "e": ephemeral, "n": salt,
                         "s": mine + os.urandom(3 * 64), "v": 1})
        body = {"c": sender.card, "d": sender.device, "f": sender.identity, "k": self.key,
                "m": blake("p2pmail/paycmt", self.key), "r": self.root, "s": self.subject,
                "t": sender.now, "to": recipient.identity, "v": 1, "z": len(self.stream)}
        body = encode(body | other)
        text = b"p2pmail/envelope\0" + blake("p2pmail/envhead", header) + body
        secret = (signer or sender).device_secret
        signature = sodium.crypto_sign(text, secret)[:64]
        sealed = aead_seal(key, ZERO_NONCE, header, encode({"b": body, "s": signature}))
        return encode({"b": sealed, "h": header}), key

    def offer(self, number, recipient, inline=None, admission=None, envelope=None, **head):
        """The frames of an offer; `head`: what is not as it should be (None: missing)."""
        envelope = self.envelope(recipient) if envelope is None else envelope
        inline = len(self.stream) <= 65536 if inline is None else inline
        fields = {"e": len(envelope), "i": inline, "n": number, "r": self.root, "v": "offer",
                  "z": len(self.stream)}
        if admission is not None:
            fields["a"] = admission
        return [head_of(**fields | head), envelope + (self.stream if inline else b"")]

    def block(self, index):
        return self.stream[index << 20:(index + 1) << 20]


def seal(key, message, sender):
    preamble = encode({"c": 0, "i": os.urandom(16), "m": "message/rfc822", "t": sender.now, "v": 1})
    plain = len(preamble).to_bytes(2, "big") + preamble + message
    padding = padme(len(plain) + 8) - len(plain) - 8
    plain += bytes(padding) + len(message).to_bytes(8, "big")
    count = -(-len(plain) // CHUNK)
    return b"".join(
        aead_seal(key, nonce_of(i, int(i == count - 1)), b"", plain[i * CHUNK:(i + 1) * CHUNK])
        for i in range(count))


def head_of(**fields):
    return encode({name: value for name, value in fields.items() if value is not None})


def admission(stamp=None, **deposit):
    fields = {"v": 1} | deposit
    if stamp is not None:
        fields["s"] = stamp
    return encode(fields)


def deposit(relay, owner, letter, key, devices=None, **other):
    """The fields of a deposit's admission, and what its sender asks with."""
    relay_key = blake("p2pmail/relay", key=key)
    secret = blake("p2pmail/handle", key=relay_key)
    deletions = [blake("p2pmail/delhash", blake("p2pmail/delete", device, key=relay_key))
                 for device in devices or [owner.device]]
    fields = {"d": deletions, "h": blake("p2pmail/handid", secret), "r": letter.root,
              "t": blake("p2pmail/tag", relay.identity, owner.identity)[:16],
              "z": len(letter.stream)}
    return fields | other, secret


class Client:
    """One CURVE connection of a somebody to a node; it is not made again."""

    context = None

    def __init__(self, node, me, server_key=None, hello=True, mechanism="curve"):
        self.node, self.me = node, me
        Client.context = Client.context or zmq.Context()
        self.socket = Client.context.socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 500), (zmq.RECONNECT_IVL, -1), (zmq.SNDTIMEO, 1000)):
            self.socket.setsockopt(option, value)
        if mechanism == "curve":
            self.socket.setsockopt(zmq.CURVE_SERVERKEY, server_key or node.transport)
            self.socket.setsockopt(zmq.CURVE_PUBLICKEY, me.transport)
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, me.transport_secret)
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.socket.connect(node.endpoint)
        self.met = False
        if hello:
            self.greet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self, linger=0):
        if self.socket.closed:
            return
        self.socket.disable_monitor()
        self.socket.close(linger=linger)

    def greet(self, card=None):
        card = self.me.card if card is None else card
        self.send([head_of(v="hello", p=1, c=64), *([card] if card else [])])
        answer = self.receive()
        if not answer or answer[0].get("v") != "hello":
            raise AssertionError(f"no hello, but {answer}")
        self.met = True

    def send(self, frames):
        try:
            self.socket.send_multipart(frames)
        except zmq.Again:
            pass  # nobody is there any more: what does not come back says so

    def say(self, body=b"", **head):
        self.send([head_of(**head), *([body] if body else [])])

    def receive(self, seconds=ANSWER):
        """(head, body), or None, at once when the connection has ended."""
        end = time.monotonic() + seconds
        while not self.socket.poll(10):
            if time.monotonic() >= end or (self.monitor.poll(0) and not self.socket.poll(0)):
                return None
        frames = self.socket.recv_multipart()
        return decode(frames[0]), b"".join(frames[1:])

    def until(self, wanted, seconds=ANSWER):
        """What comes, up to the first that is wanted, which is last; None at the end without it."""
        came, end = [], time.monotonic() + seconds
        while True:
            one = self.receive(max(0, end - time.monotonic()))
            came.append(one)
            if one is None or wanted(one):
                return came

    def answer_to(self, number, seconds=ANSWER):
        """To an offer or a question: the verb, or the kind of the error."""
        def answers(one):
            return one[0]["v"] in ("stored", "told", "error") and one[0]["n"] in (0, number)

        came = self.until(answers, seconds)[-1]
        if came is None:
            return None
        return came[0]["k"] if came[0]["v"] == "error" else came[0]["v"]

    def answers_to(self, count, seconds=ANSWER):
        """To offers 1 to count, in whatever order they come."""
        kinds = {}
        while len(kinds) < count:
            one = self.until(lambda one: one[0]["v"] in ("stored", "error"), seconds)[-1]
            if one is None or one[0]["n"] == 0:
                break
            kinds[one[0]["n"]] = one[0]["k"] if one[0]["v"] == "error" else one[0]["v"]
        return [kinds.get(number) for number in range(1, count + 1)]

    def end(self, seconds=ANSWER):
        """How the node ends the conversation: the kind of the error, "closed" or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.socket.poll(5):
                head = decode(self.socket.recv_multipart()[0])
                if head["v"] == "error" and head["n"] == 0:
                    return head["k"]
            elif self.monitor.poll(0):
                return "closed"
        return None

    def block(self, number, index, body):
        """A block in its pieces."""
        for offset in range(0, len(body), PIECE):
            self.say(body[offset:offset + PIECE], v="block", n=number, b=index, o=offset)

    def is_quiet(self, seconds=QUIET):
        return not self.socket.poll(int(seconds * 1000))
