"""For hostile.py: the node as the one who sends, and what is wrong below the messages."""

import contextlib
import os
import socket
import threading

from hostile_letters import check, stamped
from wire import Client, Somebody, encode, signed_by

# The node offers two letters, a small and a large one, to somebody whom it knows.


class Offered:
    def __init__(self, stage, card=None):
        self.stage, self.me = stage, stage.target()
        self.client = Client(stage.node, self.me, hello=False)
        self.client.greet(card)
        self.heads = {}
        while len(self.heads) < 2:
            came = self.client.until(lambda one: one[0]["v"] == "offer")[-1]
            check(came, "the letters that wait are not offered")
            self.heads["small" if came[0]["i"] else "large"] = came[0]
        self.small, self.large = self.heads["small"]["n"], self.heads["large"]["n"]

    def say(self, verb, number, body=b"", **more):
        self.client.say(body, v=verb, n=number, **more)

    def leaves(self):
        self.say("want", self.large, g=1)
        check(self.client.until(lambda one: one[0]["v"] == "hashes")[-1], "no hashes")

    def take(self):
        self.leaves()
        self.say("take", self.large)


def sends(play, *kinds):
    """What is waiting still waits afterwards: hostile.py counts it in the end."""

    def case(stage):
        one = Offered(stage)
        with one.client:
            play(one)
            if kinds:
                how = one.client.end()
                check(how in kinds, f"it ends with {how}")

    return case


def words(*steps, take=False):
    """Steps: (verb, "small" or "large" or a number, fields, body)."""

    def play(one):
        if take:
            one.take()
        for verb, which, more, body in steps:
            one.say(verb, one.heads[which]["n"] if isinstance(which, str) else which, body, **more)

    return sends(play, "malformed")


def receipt_of(one, signer=None, **other):
    """A receipt as the device would sign it, for an envelope that was not the one."""
    me = signer or one.me
    body = {"d": me.device, "e": bytes(32), "f": one.stage.node.identity, "o": 0,
            "r": one.heads["small"]["r"], "t": me.now, "to": one.me.identity, "v": 1} | other
    return signed_by(me.device_secret, "p2pmail/receipt", encode(body))


def false_receipts(one):
    one.say("stored", one.small, receipt_of(one))
    one.say("stored", one.large, receipt_of(one, signer=Somebody(), r=one.heads["large"]["r"]))


def garbage_receipts(one):
    one.say("stored", one.small, os.urandom(300))
    one.say("stored", one.large, encode({"v": 1}))


def refusals(one):
    one.say("error", one.small, k="refused", t="\u202e\u200bno")
    one.say("error", one.large, k="no-space", t="")


def prekeys(card, again):
    """unknown-prekey with this card; the letter is offered again, once, or not at all."""

    def offered_again(one):
        one.say("error", one.small, card(one), k="unknown-prekey", t="")
        return one.client.until(lambda got: got[0]["v"] == "offer", 0.3)[-1]

    def play(one):
        came = offered_again(one)
        check(bool(came) == again, f"offered again: {came and came[0]}")
        if came:
            one.small = came[0]["n"]
            check(not offered_again(one), "offered a third time")

    return play


def newer_card(one):
    one.me.sequence += 1
    return one.me.make_card(k=[{"k": Somebody().prekey, "t": one.me.now}])


def sending_cases(_stage):
    none = {}
    return {
        "take of nothing": words(("take", 99, none, b"")),
        "take of what is in its offer": words(("take", "small", none, b"")),
        "take twice": words(("take", "large", none, b""), take=True),
        "want of nothing": words(("want", 99, {"g": 1}, b"")),
        "want of a small letter": words(("want", "small", {"g": 1}, b"")),
        "want of the groups": words(("want", "large", {"g": 0}, b"")),
        "want of a group that is not there": words(("want", "large", {"g": 2}, b"")),
        "want twice": words(*[("want", "large", {"g": 1}, b"")] * 2),
        "credit before take": words(("credit", "large", {"b": 0, "c": 1}, b"")),
        "credit beyond the end": words(("credit", "large", {"b": 0, "c": 65536}, b""), take=True),
        "credit by one too many": words(("credit", "large", {"b": 0, "c": 3}, b""),
                                        ("credit", "large", {"b": 1, "c": 2}, b""), take=True),
        "credit for a block behind the end": words(("credit", "large", {"b": 1 << 20, "c": 1}, b""),
                                                   take=True),
        "stored twice": words(*[("stored", "small", none, b"x")] * 2),
        "an error about what was answered": words(
            *[("error", "small", {"k": "later", "t": ""}, b"")] * 2),
        "a second bye": sends(
            lambda one: [one.client.say(v="bye") for _ in range(2)], "malformed"),
        "an offer after bye": sends(
            lambda one: (one.client.say(v="bye"),
                         one.client.send(one.me.letter("x").offer(1, one.stage.node))),
            "malformed"),
        "a question after bye": sends(
            lambda one: (one.client.say(v="bye"), one.say("ask", 1, b"x")), "malformed"),
        "false receipts": sends(false_receipts),
        "receipts of random bytes": sends(garbage_receipts),
        "refusals": sends(refusals),
        "a prekey error with random bytes": sends(prekeys(lambda _: os.urandom(99), False)),
        "a prekey error with another's card": sends(prekeys(lambda _: Somebody().card, False)),
        "a prekey error with a newer card, twice": sends(prekeys(newer_card, True)),
        "an error about everything": sends(
            lambda one: one.client.say(v="error", n=0, k="internal", t="x" * 200)),
    }


# Connections.


class Line:
    """In front of the node: lets `limit` bytes of one client through."""

    def __init__(self, endpoint, limit):
        self.target, self.limit = endpoint, limit
        self.door = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.door.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        near, _ = self.door.accept()
        host, port = self.target[6:].rsplit(":", 1)
        far = socket.create_connection((host, int(port)))
        back = threading.Thread(target=carry, args=(far, near, 1 << 30), daemon=True)
        back.start()
        carry(near, far, self.limit)
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        back.join()
        near.close()
        far.close()


def carry(source, target, limit):
    try:
        while limit > 0 and (chunk := source.recv(65536)):
            target.sendall(chunk[:limit])
            limit -= len(chunk)
    except OSError:
        pass


def through(stage, limit):
    """A good letter over a line that ends after so many bytes of the client."""
    line = Line(stage.node.endpoint, limit)
    node = type("Node", (), {"endpoint": line.endpoint, "transport": stage.node.transport})
    try:
        with Client(node, Somebody()) as client:
            letter = client.me.letter("never", 60_000)
            client.send(letter.offer(1, stage.node, admission=stamped(stage, letter)))
            client.end(0.5)
    except AssertionError:
        pass  # not even a hello came through
    line.door.close()


def cut_lines(stage):
    for limit in (1, 11, 64, 200, 300, 700, 2000, 5000, 20_000, 60_000):
        through(stage, limit)


def other_key(stage):
    with Client(stage.node, Somebody(), server_key=Somebody().transport, hello=False) as client:
        client.say(v="bye")
        check(client.receive(0.5) is None, "an answer under another key")


def no_curve(stage):
    with Client(stage.node, Somebody(), mechanism=None, hello=False) as client:
        client.say(Somebody().card, v="hello", p=1, c=1)
        check(client.receive(0.5) is None, "an answer without CURVE")


def raw(*chunks):
    def case(stage):
        host, port = stage.node.endpoint[6:].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as line:
            line.settimeout(1)
            try:
                for chunk in chunks:
                    line.sendall(chunk)
                while line.recv(4096):
                    pass
            except OSError:
                pass

    return case


def conversations_of_one_key(stage):
    me = Somebody()
    clients = [Client(stage.node, me, hello=False) for _ in range(12)]
    for client in clients:
        client.say(me.card, v="hello", p=1, c=1)
    answers = [client.receive(1) for client in clients]
    answered = [one for one in answers if one and one[0]["v"] == "hello"]
    stage.check_alive()
    for client in clients:
        client.close()
    check(1 <= len(answered) <= 4, f"{len(answered)} conversations of one key")


GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE" + bytes(47)


def line_cases(_stage):
    return {
        "cut at many places": cut_lines, "another key of the node": other_key,
        "no CURVE": no_curve, "conversations of one key": conversations_of_one_key,
        "random bytes": raw(os.urandom(3000)), "HTTP": raw(b"GET / HTTP/1.1\r\n\r\n"),
        "a greeting of another version": raw(b"\xff" + bytes(8) + b"\x7f\1\0" + bytes(80)),
        "a greeting and random bytes": raw(GREETING, os.urandom(3000)),
        "a greeting and a giant frame": raw(GREETING, b"\2" + b"\x7f" * 8, bytes(100_000)),
        "a greeting and an empty command": raw(GREETING, b"\4\0"),
        "a greeting and messages": raw(GREETING, b"\0\1x" * 1000),
    }
