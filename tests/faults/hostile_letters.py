"""For hostile.py: strangers' letters, honest and not, for the node itself."""

import os
import random

from wire import Client, Letter, Somebody, admission, decode, encode
from world import Violation


def check(is_so, words):
    if not is_so:
        raise Violation(words)


def says(client, number, *wanted):
    got = client.answer_to(number)
    check(got in wanted, f"{number} is answered with {got}, not {' or '.join(map(str, wanted))}")


def subject(stage):
    stage.letters += 1
    return f"stranger {stage.letters}"


def stamped(stage, letter, good=True):
    return admission(stage.node.stamp(letter.root, good))


def still_good(stage, client, number):
    """After whatever was refused, an honest letter of the same conversation is taken."""
    letter = client.me.letter(subject(stage))
    client.send(letter.offer(number, stage.node, admission=stamped(stage, letter)))
    says(client, number, "stored")
    stage.stored.append(letter.subject)


# Offers.


def honest(stage):
    for size in (1, 5000, 60_000):
        with Client(stage.node, Somebody()) as client:
            letter = client.me.letter(subject(stage), size)
            client.send(letter.offer(1, stage.node, admission=stamped(stage, letter)))
            says(client, 1, "stored")
            stage.stored.append(letter.subject)


def replayed(stage):
    """The same bytes again, by the same and by somebody else: one message."""
    with Client(stage.node, Somebody()) as client:
        letter = client.me.letter(subject(stage))
        envelope = letter.envelope(stage.node)
        for number in (1, 2, 7):
            frames = letter.offer(number, stage.node, admission=stamped(stage, letter),
                                  envelope=envelope)
            client.send(frames)
            says(client, number, "stored")
        stage.stored.append(letter.subject)
    with Client(stage.node, Somebody()) as client:
        client.send(frames)
        says(client, 7, "stored")


def refused_offer(make, *kinds):
    """A case: make(stage, letter) says what is wrong with it; the conversation goes on."""

    def case(stage):
        with Client(stage.node, Somebody()) as client:
            letter = client.me.letter(subject(stage))
            more = {"admission": stamped(stage, letter)} | make(stage, letter)
            client.send(letter.offer(1, stage.node, **more))
            says(client, 1, *kinds)
            still_good(stage, client, 2)

    return case


def envelope_of(**other):
    return lambda stage, letter: {"envelope": letter.envelope(stage.node, **other)}


def with_key(stage, letter):
    other = Somebody()
    return {"envelope": letter.envelope(stage.node, prekey=other.prekey)}


def other_root(stage, letter):
    envelope = letter.envelope(stage.node, r=bytes(32))
    return {"envelope": envelope, "admission": admission(stage.node.stamp(bytes(32)))}


def flipped(stage, letter):
    frames = bytearray(letter.stream)
    frames[1000] ^= 1
    letter.stream = bytes(frames)
    return {}


def larger(stage, letter):
    """Size and body fit each other, and not the envelope."""
    envelope = letter.envelope(stage.node)
    letter.stream += bytes(16)
    return {"envelope": envelope}


def low_order(stage, letter):
    header = encode({"c": bytes(32), "e": bytes(32), "n": bytes(16), "s": bytes(256), "v": 1})
    return {"envelope": encode({"b": bytes(500), "h": header})}


def stanzas(stage, letter, count, version=1):
    header = encode({"c": bytes(32), "e": os.urandom(32), "n": bytes(16), "s": bytes(count),
                     "v": version})
    return {"envelope": encode({"b": bytes(500), "h": header})}


def offer_cases(_stage):
    other = Somebody()
    cases = {
        "honest letters of strangers": honest, "an offer that is said again": replayed,
        "an envelope of random bytes": refused_offer(
            lambda *_: {"envelope": os.urandom(500)}, "malformed"),
        "an empty map for an envelope": refused_offer(
            lambda *_: {"envelope": b"\xa0"}, "malformed"),
        "an envelope for another prekey": refused_offer(with_key, "unknown-prekey"),
        "an envelope for somebody else": refused_offer(envelope_of(to=other.identity), "forged"),
        "a sender who is somebody else": refused_offer(envelope_of(f=other.identity), "forged"),
        "a device of somebody else": refused_offer(
            envelope_of(d=other.device, signer=other), "forged"),
        "a signature of somebody else": refused_offer(envelope_of(signer=other), "forged"),
        "a payload key without its commitment": refused_offer(envelope_of(k=bytes(32)), "forged"),
        "no card in the envelope": refused_offer(envelope_of(c=b"card"), "malformed"),
        "another card in the envelope": refused_offer(envelope_of(c=other.card), "forged"),
        "a body of version 2": refused_offer(envelope_of(v=2), "unsupported"),
        "a size that no letter has": refused_offer(envelope_of(z=17), "malformed"),
        "a size of 2^63": refused_offer(envelope_of(z=1 << 63), "malformed"),
        "a long subject": refused_offer(envelope_of(s="x" * 257), "malformed"),
        "a subject with an escape": refused_offer(envelope_of(s="\x1b]0;x\x07"), "malformed"),
        "a time after all times": refused_offer(envelope_of(t=1 << 60), "malformed"),
        "a text for a key": refused_offer(envelope_of(k="x" * 32), "malformed"),
        "an ephemeral key of small order": refused_offer(low_order, "forged"),
        "a false root in the envelope": refused_offer(other_root, "forged"),
        "a false root in the offer": refused_offer(lambda *_: {"r": bytes(32)}, "forged"),
        "a letter that does not fit": refused_offer(flipped, "forged"),
        "a letter that is longer than its envelope says": refused_offer(larger, "forged"),
        "half an envelope": refused_offer(
            lambda *_: {"envelope": encode({"b": bytes(99)})}, "malformed"),
        "an envelope of 128 KiB": refused_offer(
            lambda *_: {"envelope": bytes(128 << 10)}, "malformed"),
    }
    for count in (0, 64, 192, 255, 320, 65 * 64, 8192):
        cases[f"{count} bytes of stanzas"] = refused_offer(
            lambda stage, letter, count=count: stanzas(stage, letter, count), "malformed")
    cases["an envelope of suite 2"] = refused_offer(
        lambda stage, letter: stanzas(stage, letter, 256, 2), "unsupported")
    for bytes_of in (4 * 64, 64 * 64):
        cases[f"{bytes_of} bytes of empty stanzas"] = refused_offer(
            lambda stage, letter, count=bytes_of: stanzas(stage, letter, count), "unknown-prekey")
    return cases | number_cases() | {"envelopes with a byte changed": changed_envelopes}


def changed_envelopes(stage):
    """None is stored; 300 of them are refused in one conversation."""
    rng = random.Random(stage.seed)
    with Client(stage.node, Somebody()) as client:
        letter = client.me.letter(subject(stage))
        envelope = letter.envelope(stage.node)
        for number in range(1, 301):
            changed = bytearray(envelope)
            # The stanzas that only fill up may be anything.
            changed[rng.choice([*range(250), *range(500, len(envelope))])] ^= 1 << rng.randrange(8)
            client.send(letter.offer(number, stage.node, admission=stamped(stage, letter),
                                     envelope=bytes(changed)))
            says(client, number, "malformed", "forged", "unsupported", "unknown-prekey")
        still_good(stage, client, 301)


def number_cases():
    def case(*numbers, after=None):
        def play(stage):
            with Client(stage.node, Somebody()) as client:
                letter = client.me.letter(subject(stage))
                for number in numbers:
                    client.send(letter.offer(number, stage.node, envelope=b"x"))
                how = client.end()
                check(how == "malformed", f"it ends with {how}")

        return play

    return {"offers with one number": case(3, 3), "offers that descend": case(3, 2),
            "an offer after the last number": case(1 << 48, 1),
            "1,100 offers for nothing": case(*range(1, 1100))}


# Stamps and admissions.


def admitted(make, *kinds):
    def case(stage):
        with Client(stage.node, Somebody()) as client:
            letter = client.me.letter(subject(stage))
            client.send(letter.offer(1, stage.node, admission=make(stage, letter)))
            says(client, 1, *kinds)
            still_good(stage, client, 2)

    return case


def admission_cases(_stage):
    def raw(data, kind="malformed"):
        return admitted(lambda *_: data, kind)

    def other_stamp(stage, letter):
        return admission(stage.node.stamp(Letter(letter.sender, "another").root))

    return {
        "no stamp": admitted(lambda *_: None, "stamp"),
        "an admission without a stamp": raw(admission(), "stamp"),
        "a stamp that does not fit": admitted(
            lambda stage, letter: stamped(stage, letter, False), "stamp"),
        "an admission of random bytes": raw(os.urandom(50)),
        "an admission of one byte": raw(b"\xa0"),
        "an admission that is too long": raw(encode({"v": 1, "x": bytes(690)})),
        "an indefinite admission": raw(b"\xbf\x61v\x01\xff"),
        "a long number in an admission": raw(b"\xa1\x61v\x18\x01"),
        "an admission of version 0": raw(encode({"s": 1, "v": 0})),
        "an admission of version 2": raw(encode({"s": 1, "v": 2}), "unsupported"),
        "an admission without a version": raw(encode({"s": 1})),
        "an admission with one field more": raw(encode({"s": 1, "v": 1, "x": 1})),
        "a text for a stamp": raw(encode({"s": "1", "v": 1})),
        "a negative stamp": raw(b"\xa2\x61s\x20\x61v\x01"),
        "an admission with a handle only": raw(encode({"h": bytes(32), "v": 1})),
        "an admission with a tag only": raw(encode({"t": bytes(16), "v": 1})),
        "a list for an admission": raw(encode([1])),
        "the stamp of another letter": admitted(misfit(other_stamp), "stamp"),
    }


def misfit(make):
    """Another letter's stamp, made until it does not fit this one by chance."""

    def again(stage, letter):
        while True:
            made = make(stage, letter)
            if not stage.node.fits(letter.root, decode(made)["s"]):
                return made

    return again
