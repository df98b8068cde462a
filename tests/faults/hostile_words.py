"""For hostile.py: messages that break the table of verbs, one connection each."""

import os
import random

from wire import Client, Letter, Somebody, admission, encode, head_of
from world import Violation

KIB = 1024


def ends(client, *kinds):
    how = client.end()
    if how not in kinds:
        raise Violation(f"the node says {how}, not {' or '.join(kinds)}")


def breaks(frames, *kinds, first=False):
    """A case: these frames after hello, or in its place, end the conversation."""
    kinds = kinds or ("malformed",)

    def case(stage):
        with Client(stage.node, Somebody(), hello=not first) as client:
            client.send(frames)
            ends(client, *kinds)

    return case


# Heads that are no heads.

BYE = head_of(v="bye")


def nested(depth):
    return b"\x81" * depth + b"\0"


def raw_heads():
    hello = head_of(v="hello", p=1, c=64)
    heads = {
        "nothing": b"", "a number": b"\0", "a text": b"\x63bye", "a list": encode(["bye"]),
        "a float": b"\xfb" + bytes(8), "null": b"\xf6", "undefined": b"\xf7", "a break": b"\xff",
        "a negative number": b"\xa2\x61n\x20\x61v\x64take",
        "a tag": b"\xc0" + BYE, "an indefinite map": b"\xbf\x61v\x63bye\xff",
        "an indefinite text": b"\xa1\x61v\x7f\x63bye\xff",
        "an indefinite key": b"\xa1\x7f\x61v\xff\x63bye",
        "a long length": b"\xa1\x61v\x78\x03bye",
        "a longer length": b"\xa1\x61v\x7b" + bytes(7) + b"\x03bye",
        "a long map": b"\xb8\x01\x61v\x63bye", "a long number": b"\xa2\x61n\x18\x01\x61v\x64take",
        "keys out of order": b"\xa2\x61v\x64take\x61n\x01",
        "a key twice": b"\xa2\x61v\x63bye\x61v\x63bye", "a key that is bytes": b"\xa1\x41v\x63bye",
        "a key that is a number": b"\xa2\x01\x01\x61v\x63bye", "bytes after the end": BYE + b"\0",
        "two heads": BYE + BYE, "text that is not UTF-8": b"\xa1\x61v\x63\xffye",
        "a surrogate": b"\xa1\x61v\x63\xed\xa0\x80", "an overlong text": b"\xa1\x61v\x64\xc1\xa2ye",
        "a key that is not UTF-8": b"\xa2\x61v\x63bye\x61\xff\x01",
        "a huge text": b"\xa1\x61v\x7b" + b"\xff" * 8, "a huge map": b"\xbb" + b"\xff" * 8,
        "a huge list": b"\xa1\x61v\x9b" + b"\x7f" + b"\xff" * 7,
        "a reserved length": b"\xa1\x61v\x7c",
        "1,024 deep": nested(1023), "9 deep": nested(9),
        "9 deep in a field": b"\xa2\x61v\x63bye\x61x" + nested(9),
        "too large": head_of(v="bye", x=bytes(1024 - 13)),
        "larger": head_of(v="bye", x=bytes(60 * KIB)),
        "control characters": encode({"v": "bye\0"}), "random bytes": os.urandom(64),
    }
    for at in range(1, len(hello)):
        heads[f"a hello of {at} bytes"] = hello[:at]
    for verb in ("", "BYE", "by", "byee", "x" * 16, "x" * 17, "x" * 900, "bye ", "hell\u00f6"):
        heads[f"the verb {verb[:20]!r}"] = encode({"v": verb})
    for value in (0, True, b"bye", ["bye"], {"v": "bye"}):
        heads[f"the verb {value!r}"] = encode({"v": value})
    return heads


# Verbs whose fields and bodies are wrong.

MANY = 1 << 48
BAD = {  # values out of bounds
    "n": [0, MANY + 1, (1 << 64) - 1], "c": [0, 65537, (1 << 64) - 1],
    "r": [b"", bytes(31), bytes(33)], "z": [0, (1 << 44) + 1], "e": [0, 128 * KIB + 1],
    "a": [b"", bytes(705)], "g": [4097], "b": [1 << 24],
    "o": [1, 1000, 1 << 20], "k": ["", "Later", "x" * 33, "later "],
    "t": ["x" * 201, "\u20ac" * 67], "p": [], "i": [],
}
OTHER_TYPES = [0, b"x", "x", True, [], {}]


def verbs(stage):
    """Verb: head, body, bodies of wrong sizes."""
    letter = Letter(Somebody(), "x")
    envelope = bytes(500)
    offer = {"n": 1, "r": letter.root, "z": len(letter.stream), "i": True, "e": 500,
             "a": admission(1)}
    whole = envelope + letter.stream
    return {
        "hello": ({"p": 1, "c": 64}, Somebody().card, [bytes(64 * KIB + 1)]),
        "offer": (offer, whole, [b"", envelope, whole[:-1], whole + b"x", bytes(256 * KIB)]),
        "take": ({"n": 1}, b"", [b"x"]),
        "want": ({"n": 1, "g": 1}, b"", [b"x"]),
        "hashes": ({"n": 1, "g": 1}, bytes(32), [b"", bytes(31), bytes(33), bytes(4097 * 32)]),
        "block": ({"n": 1, "b": 0, "o": 0}, bytes(100), [b"", bytes(128 * KIB + 1)]),
        "credit": ({"n": 1, "b": 0, "c": 1}, b"", [b"x"]),
        "stored": ({"n": 1}, bytes(100), [b"", bytes(1025)]),
        "error": ({"n": 1, "k": "later", "t": "x"}, b"", [b"x"]),
        "ask": ({"n": 1}, bytes(100), [b"", bytes(1025)]),
        "told": ({"n": 1}, bytes(100), [b"", bytes(80 * KIB + 1)]),
        "bye": ({}, b"", [b"x", bytes(256 * KIB)]),
    }


def wrong_fields(verb, head):
    for name, value in head.items():
        others = [o for o in OTHER_TYPES if type(o) is not type(value)]
        if name != "a":
            others.append(None)
        for other in others + BAD[name]:
            if verb == "error" and name == "n" and other == 0 and type(other) is int:
                continue  # for the conversation
            yield f"{verb} with {name} {str(other)[:16]}", head | {name: other}
    yield f"{verb} with one field more", head | {"x": 1}


def frames_of(verb, head, body):
    return [head_of(v=verb, **head), *([body] if body else [])]


def word_cases(stage):
    cases = {}
    for name, head in raw_heads().items():
        cases[f"head: {name}"] = breaks([head], "malformed", "closed")
        cases[f"first head: {name}"] = breaks([head], "malformed", "closed", first=True)
    for verb, (head, body, bodies) in verbs(stage).items():
        first = verb == "hello"
        for name, wrong in wrong_fields(verb, head):
            cases[name] = breaks(frames_of(verb, wrong, body), first=first)
        for wrong in bodies:
            frames = frames_of(verb, head, wrong)
            cases[f"{verb} with a body of {len(wrong)}"] = breaks(frames, first=first)
        if verb not in ("hello",):
            cases[f"{verb} before hello"] = breaks(frames_of(verb, head, body), first=True)
        cases[f"{verb} of three frames"] = breaks([head_of(v=verb, **head), body, b""], "closed")
    for protocol in (0, 2, (1 << 64) - 1):
        for more in ({}, {"new": [1]}):
            frames = [head_of(v="hello", p=protocol, c=1, **more), b"card"]
            name = f"hello of protocol {protocol} {more}"
            cases[name] = breaks(frames, "unsupported", first=True)
    for n, body in ((0, b"x"), (1, b""), (1, bytes(64 * KIB + 1))):
        frames = frames_of("error", {"n": n, "k": "unknown-prekey", "t": ""}, body)
        cases[f"a prekey error about {n} with {len(body)}"] = breaks(frames)
    return cases | frame_cases()


def frame_cases():
    big = bytes(256 * KIB + 1)
    card = Somebody().card
    return {
        "three frames": breaks([BYE, b"", b""], "closed"),
        "three empty frames": breaks([b"", b"", b""], "closed"),
        "many frames": breaks([BYE] + [b"x"] * 1000, "closed"),
        "very many frames": breaks([BYE] + [b""] * 50_000, "closed"),
        "three frames first": breaks(
            [head_of(v="hello", p=1, c=1), card, b""], "closed", first=True),
        "a body too large": breaks([BYE, big], "closed", "malformed"),
        "a body far too large": breaks([BYE, big * 6], "closed", "malformed"),
        "a head far too large": breaks([big * 6], "closed", "malformed"),
        "an empty second frame": empty_body,
    }


def empty_body(stage):
    """It is no body: so much is allowed."""
    with Client(stage.node, Somebody()) as client:
        client.send([head_of(v="take", n=1), b""])
        ends(client, "malformed")  # for what it takes, not for its frames
    with Client(stage.node, Somebody()) as client:
        client.send([BYE, b""])
        if client.end(0.1) is not None:
            raise Violation("a bye with an empty frame is not taken")


# What comes in the wrong order, or about nothing.


def in_order(*messages, kinds=("malformed",), card=None):
    def case(stage):
        with Client(stage.node, Somebody(), hello=False) as client:
            client.greet(client.me.card if card is None else card)
            for head, body in messages:
                client.say(body, **head)
            ends(client, *kinds)

    return case


def hellos(make_card, *kinds):
    def case(stage):
        me = Somebody()
        with Client(stage.node, me, hello=False) as client:
            client.send([head_of(v="hello", p=1, c=64), make_card(me, stage)])
            ends(client, *kinds)

    return case


def order_cases(stage):
    about = {
        "take": {}, "want": {"g": 1}, "hashes": {"g": 1}, "block": {"b": 0, "o": 0},
        "credit": {"b": 0, "c": 1},
        "stored": {}, "told": {}, "error": {"k": "later", "t": ""},
    }
    bodies = {"hashes": bytes(32), "block": b"x", "stored": b"x", "told": b"x"}
    cases = {f"{verb} about nothing": in_order(({"v": verb, "n": 1} | more, bodies.get(verb, b"")))
             for verb, more in about.items()}
    cases |= {f"{verb} about nothing, without a name":
              in_order(({"v": verb, "n": 1} | more, bodies.get(verb, b"")), card=b"")
              for verb, more in about.items()}
    ask, hello = {"v": "ask", "n": 5}, {"v": "hello", "p": 1, "c": 1}
    question = encode({"h": bytes(32), "v": 1, "w": False})
    cases |= {
        "a second hello": in_order((hello, Somebody().card)),
        "a second hello without a card": in_order((hello, b"")),
        "a question twice": in_order((ask, question), (ask, question)),
        "questions that descend": in_order((ask, question), (ask | {"n": 4}, question)),
        "10,100 questions": in_order(*((ask | {"n": n}, question) for n in range(1, 10_100)),
                                    kinds=("malformed", "closed")),
        "a card of random bytes": hellos(lambda *_: os.urandom(500), "malformed"),
        "a card cut short": hellos(lambda me, _: me.card[:-1], "malformed"),
        "a card of another transport key": hellos(lambda *_: Somebody().card, "forged"),
        "the node's own card": hellos(lambda _, stage: stage.node.card, "forged"),
        "a card without records": hellos(
            lambda me, _: encode({"d": [], "r": me.roster(), "v": 1}), "forged"),
        "a card of a newer version": hellos(
            lambda me, _: encode({"d": [me.record()], "r": me.roster(), "v": 2}), "unsupported"),
        "a roster of somebody else": hellos(
            lambda me, _: encode({"d": [me.record()], "r": Somebody().roster(), "v": 1}), "forged"),
        "a roster that somebody else signed": hellos(
            lambda me, _: encode({"d": [me.record()], "r": Somebody().roster(i=me.identity),
                                  "v": 1}), "forged"),
        "a record that somebody else signed": hellos(
            lambda me, _: encode({"d": [Somebody().record(i=me.identity, d=me.device)],
                                  "r": me.roster(), "v": 1}), "forged"),
        "a record twice": hellos(
            lambda me, _: encode({"d": [me.record()] * 2, "r": me.roster(), "v": 1}), "malformed"),
        "a stamp of 41 bits": hellos(
            lambda me, _: me.make_card(a={"b": 41, "n": bytes(16)}), "malformed"),
        "the identity of the node": hellos(
            lambda me, stage: me.make_card(i=stage.node.identity), "forged"),
        "a friend's identity": hellos(
            lambda me, stage: encode({"d": [me.record(i=stage.friend.identity)],
                                      "r": me.roster(i=stage.friend.identity), "v": 1}), "forged"),
    }
    return cases


# Messages with flipped, lost and doubled bytes.


def fuzz_cases(seed, count):
    rng = random.Random(seed)

    def case(stage):
        verb, (head, body, _) = rng.choice(list(verbs(stage).items()))
        frame = bytearray(head_of(v=verb, **head))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(frame))
            how = rng.random()
            if how < 0.6:
                frame[at] ^= 1 << rng.randrange(8)
            elif how < 0.8:
                del frame[at:at + rng.randint(1, 4)]
            else:
                frame[at:at] = frame[at:at + rng.randint(1, 8)]
            frame = frame or bytearray(b"\0")
        with Client(stage.node, Somebody(), hello=verb != "hello") as client:
            client.send([bytes(frame), *([body] if body else [])])
            client.end(0.05)  # whatever it is

    return {f"bytes at random {i}": case for i in range(count)}
