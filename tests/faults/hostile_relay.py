"""For hostile.py: the node as a relay, and what those whom it blocks can find out."""

import os

from hostile_letters import check, says, still_good, stamped, subject
from wire import Client, Somebody, admission, blake, decode, deposit, encode

MIB = 1 << 20

# bob's node as dave's relay.


class Depositor:
    def __init__(self, stage, size=100, nameless=False):
        self.stage = stage
        self.client = Client(stage.node, Somebody(), hello=False)
        self.client.greet(b"" if nameless else None)
        self.letter = self.client.me.letter(subject(stage), size)
        self.number = 0

    def admission(self, key, good=True, **other):
        fields, secret = deposit(self.stage.node, self.stage.owner, self.letter, key)
        stamp = self.stage.owner.stamp(self.letter.root, good) if good is not None else None
        return admission(stamp, **fields | other), secret

    def leave(self, good=True, envelope=None, handle=None, head=None, **other):
        """One deposit, `other` being wrong in its admission; answers its secret."""
        envelope, key = envelope or self.letter.envelope_and_key(self.stage.owner)
        if handle:
            other["h"] = handle
        let_in, secret = self.admission(key, good, **other)
        self.number += 1
        self.client.send(self.letter.offer(self.number, self.stage.node, envelope=envelope,
                                           admission=let_in, **head or {}))
        return secret

    def ask(self, secret, withdraw=False):
        """The state of the answer."""
        self.number += 1
        self.client.say(encode({"h": secret, "v": 1, "w": withdraw}), v="ask", n=self.number)
        came = self.client.until(lambda one: one[0].get("n") == self.number)[-1]
        check(came and came[0]["v"] == "told", f"{came and came[0]} comes in place of an answer")
        return decode(came[1], 1 << 17)["s"]


def deposits(play, nameless=False):
    def case(stage):
        one = Depositor(stage, nameless=nameless)
        before = len(stage.rows())
        with one.client:
            kept = play(one) or 0
        check(len(stage.rows()) == before + kept, f"{before} rows became {len(stage.rows())}")

    return case


def honest_deposit(one):
    secret = one.leave()
    says(one.client, 1, "stored")
    check(one.ask(secret) == 0, "it does not wait")
    one.stage.held.append(one.letter.subject)
    return 1


def refused_deposit(*kinds, again=True, **wrong):
    def play(one):
        one.leave(**wrong)
        says(one.client, 1, *kinds)
        one.leave()
        says(one.client, 2, "stored")
        one.stage.held.append(one.letter.subject)
        return 1

    return play


def same_handle(one):
    """Whatever else is said under it, the first stays."""
    secret = one.leave()
    says(one.client, 1, "stored")
    for size in (100, 9000):
        one.letter = one.client.me.letter("never", size)
        one.leave(handle=blake("p2pmail/handid", secret))
        says(one.client, one.number, "stored")
    check(one.ask(secret) == 0, "it does not wait any more")
    check(one.ask(secret, withdraw=True) == 3, "it cannot be withdrawn")


def withdrawn(one):
    secret = one.leave()
    says(one.client, 1, "stored")
    check(one.ask(os.urandom(32), withdraw=True) == 3, "somebody else's handle is known")
    check(one.ask(secret) == 0 and one.ask(secret, True) == 3, "it cannot be withdrawn")
    check(one.ask(secret) == 3, "it is still there")


def questions(one):
    for _ in range(100):
        check(one.ask(os.urandom(32)) == 3, "a random handle is known")
    for body in (b"x", b"\xa0", encode({"h": bytes(31), "v": 1, "w": False}),
                 encode({"h": bytes(32), "v": 1}), encode({"h": bytes(32), "v": 1, "w": 1}),
                 encode({"h": bytes(32), "v": 1, "w": False, "x": 1}), bytes(1024)):
        one.number += 1
        one.client.say(body, v="ask", n=one.number)
        says(one.client, one.number, "malformed")
    one.number += 1
    one.client.say(encode({"h": bytes(32), "v": 2, "w": False}), v="ask", n=one.number)
    says(one.client, one.number, "unsupported")


def false_letter(one):
    stream = one.letter.stream
    one.letter.stream = bytes(len(stream))
    one.leave()
    says(one.client, 1, "forged")
    one.letter.stream = stream


def wrong_sizes(one):
    """Of a letter whose stream is there already: what is not its size is not taken."""
    one.leave()
    says(one.client, 1, "stored")
    one.stage.held.append(one.letter.subject)
    stream = one.letter.stream
    for size in (len(stream) + 1024, 70_000, MIB):
        one.number += 1
        let_in, _ = one.admission(os.urandom(32), z=size)
        one.client.send(one.letter.offer(one.number, one.stage.node, envelope=b"x" * 500,
                                         admission=let_in, inline=False, z=size))
        came = one.client.until(lambda got: got[0]["n"] == one.number)[-1]
        check(came and came[0]["v"] == "take", f"{came and came[0]} comes in place of take")
        one.client.block(one.number, 0, (stream + bytes(size))[:size])
        says(one.client, one.number, "forged")
    return 1


def quota(one):
    """Many at once, before the node has committed any of them."""
    one.letter = one.client.me.letter("never", 5 * MIB)
    one.leave(head={"i": False})
    says(one.client, 1, "quota")
    clients = [Depositor(one.stage, 60_000) for _ in range(2)]
    secrets = []
    for client in clients:
        for _ in range(60):
            client.letter = client.client.me.letter("full", 60_000)
            secrets.append(client.leave(envelope=(b"x" * 500, os.urandom(32))))
    kinds = [kind for client in clients for kind in client.client.answers_to(60)]
    check({"stored", "quota"} == set(kinds), f"answers are {set(kinds)}")
    used, most = one.stage.used(), one.stage.quota
    check(used <= most, f"{used} bytes are held, and {most} are allowed")
    for i, secret in enumerate(secrets):
        if kinds[i] == "stored":
            clients[i // 60].ask(secret, withdraw=True)
    for client in clients:
        client.client.close()


def large_at_once(one):
    """Three letters of 1.9 MiB, of which two fit."""
    secrets, parts = [], []
    for _ in range(3):
        part = Depositor(one.stage, int(1.9 * MIB))
        envelope = (b"x" * 500, os.urandom(32))
        secrets.append(part.leave(envelope=envelope))
        parts.append(part)
    stored = 0
    for part in parts:
        for head in iter(lambda: (part.client.receive() or [{"v": None}])[0], None):
            if head["v"] == "want":
                part.client.say(b"".join(part.letter.leaves), v="hashes", n=1, g=1)
            elif head["v"] == "credit":
                break
            elif head["v"] in ("error", None):
                part.letter = None
                break
    for part in parts:
        if part.letter:
            for index in range(len(part.letter.leaves)):
                part.client.block(1, index, part.letter.block(index))
            stored += part.client.answer_to(1) == "stored"
    used, most = one.stage.used(), one.stage.quota
    for part, secret in zip(parts, secrets):
        part.number = 1
        part.ask(secret, withdraw=True)
        part.client.close()
    check(used <= most and stored, f"{used} bytes are held, and {most} are allowed")


def many_rows(one):
    """The same small letter under many handles: each counts."""
    secrets, stored = [], 0
    for _ in range(900):
        secrets.append(one.leave(envelope=(b"x" * 500, os.urandom(32))))
        got = one.client.answer_to(one.number)
        check(got in ("stored", "quota"), f"the answer is {got}")
        stored += got == "stored"
        if got == "quota":
            break
    check(0 < stored < 900, f"{stored} of 900 are held")
    one.client.close()
    other = Depositor(one.stage)
    with other.client:
        for secret in secrets:
            if other.number == 1000:
                break
            other.ask(secret, withdraw=True)


def unreadable(one):
    """Envelopes that dave cannot open, and one for somebody else; he gets what is good."""
    stage, letter = one.stage, one.letter
    one.leave(envelope=(os.urandom(500), os.urandom(32)))
    says(one.client, 1, "stored")
    one.leave(envelope=letter.envelope_and_key(stage.owner, prekey=Somebody().prekey))
    says(one.client, 2, "stored")
    one.leave(envelope=letter.envelope_and_key(stage.owner, z=len(letter.stream) + 16))
    says(one.client, 3, "stored")
    one.leave()
    says(one.client, 4, "stored")
    stage.held.append(letter.subject)
    return 4


def relay_cases(_stage):
    refused = refused_deposit
    return {
        "an honest deposit": deposits(honest_deposit),
        "an honest deposit without a name": deposits(honest_deposit, nameless=True),
        "for somebody whose mail is not held": deposits(refused("refused", t=bytes(16))),
        "without a stamp": deposits(refused("stamp", good=None)),
        "with a stamp that does not fit": deposits(refused("stamp", good=False)),
        "without deletion hashes": deposits(refused("malformed", d=[])),
        "with 17 deletion hashes": deposits(refused("malformed", d=[bytes(32)] * 17)),
        "with a short deletion hash": deposits(refused("malformed", d=[bytes(31)])),
        "with a text for a deletion hash": deposits(refused("malformed", d=["x" * 32])),
        "with a short handle": deposits(refused("malformed", h=bytes(31))),
        "with a short tag": deposits(refused("malformed", t=bytes(15))),
        "with a size that no letter has": deposits(refused("malformed", z=65537)),
        "with a size of 17 TiB": deposits(refused("malformed", z=17 << 40)),
        "with another size than its offer": deposits(refused("forged", z=8208)),
        "with another root than its offer": deposits(refused("stamp", "forged", r=bytes(32))),
        "with one field more": deposits(refused("malformed", x=1)),
        "a letter that does not fit": deposits(false_letter),
        "one handle twice": deposits(same_handle), "withdrawn": deposits(withdrawn),
        "questions": deposits(questions), "questions without a name": deposits(questions, True),
        "wrong sizes of what is there": deposits(wrong_sizes),
        "what the owner cannot open": deposits(unreadable),
        "more than the quota, in small letters": deposits(quota),
        "more than the quota, in large letters": deposits(large_at_once),
        "more than the quota, in one letter": deposits(many_rows),
        "mail without a name": nameless_mail,
    }


def nameless_mail(stage):
    with Client(stage.node, Somebody(), hello=False) as client:
        client.greet(b"")
        letter = client.me.letter("never")
        for number, let_in in enumerate((None, stamped(stage, letter), b"\xa0"), 1):
            client.send(letter.offer(number, stage.node, admission=let_in))
            says(client, number, "malformed" if let_in == b"\xa0" else "refused")


# Whoever is blocked hears what a stranger hears, but that his time never comes.


def heard(stage, me):
    letter = me.letter("from the blocked")
    good, bad = stamped(stage, letter), stamped(stage, letter, False)
    fields, _ = deposit(stage.node, stage.owner, letter, bytes(32))
    tries = [
        {"admission": None}, {"admission": bad}, {"admission": b"\xa0"},
        {"admission": good, "envelope": os.urandom(400)},
        {"admission": good, "envelope": letter.envelope(stage.node, prekey=Somebody().prekey)},
        {"admission": good, "envelope": letter.envelope(stage.node, to=bytes(32))},
        {"admission": good, "envelope": letter.envelope(stage.node, z=17)},
        {"admission": admission(1, **fields | {"t": bytes(16)})},
    ]
    kinds = []
    with Client(stage.node, me) as client:
        for number, one in enumerate(tries, 1):
            client.send(letter.offer(number, stage.node, **one))
            kinds.append(client.answer_to(number))
        client.say(encode({"h": bytes(32), "v": 1, "w": False}), v="ask", n=50)
        kinds.append(client.answer_to(50))
        client.send(letter.offer(51, stage.node, admission=good))
        return kinds, client.answer_to(51)


def blocked_is_like_a_stranger(stage):
    stranger, last = heard(stage, Somebody())
    check(last == "stored", f"a stranger's letter is answered with {last}")
    stage.stored.append("from the blocked")
    blocked, last = heard(stage, stage.blocked)
    check(blocked == stranger, f"a blocked peer hears {blocked}, a stranger {stranger}")
    check(last == "later", f"a blocked peer's letter is answered with {last}")


def blocked_by_another(stage):
    """A stranger brings what a blocked peer wrote."""
    letter = stage.blocked.letter("never")
    with Client(stage.node, Somebody()) as client:
        client.send(letter.offer(1, stage.node, admission=stamped(stage, letter)))
        says(client, 1, "later")
        still_good(stage, client, 2)


def blocked_cases(_stage):
    return {"hears what a stranger hears": blocked_is_like_a_stranger,
            "brought by another": blocked_by_another}
