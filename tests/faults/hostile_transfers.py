"""For hostile.py: strangers' letters of several blocks, sent in every wrong order."""

import os

from hostile_letters import check, says, stamped, still_good, subject
from wire import PIECE, Client, Somebody

MIB = 1 << 20


class Transfer:
    """A stranger who offers a letter of `blocks` blocks, and does then what he is told."""

    def __init__(self, stage, size=int(2.5 * MIB)):
        self.stage, self.client = stage, Client(stage.node, Somebody())
        self.letter = self.client.me.letter(subject(stage), size)

    def offer(self, number=1):
        letter = self.letter
        let_in = stamped(self.stage, letter)
        self.client.send(letter.offer(number, self.stage.node, admission=let_in))

    def hear(self, verb):
        came = self.client.until(lambda one: one[0]["v"] == verb or one[0].get("n") == 0)[-1]
        check(came and came[0]["v"] == verb, f"{came and came[0]} comes in place of {verb}")
        return came[0]

    def hashes(self, index=1, body=None, number=1):
        body = b"".join(self.letter.leaves) if body is None else body
        self.client.say(body, v="hashes", n=number, g=index)

    def block(self, index, body=None, number=1):
        body = self.letter.block(index) if body is None else body
        self.client.block(number, index, body)

    def piece(self, index, offset, size=PIECE):
        body = self.letter.block(index)[offset:offset + size]
        self.client.say(body, v="block", n=1, b=index, o=offset)

    def begin(self):
        self.offer()
        check(self.hear("want")["g"] == 1, "the leaves are not asked for")
        self.hashes()
        self.hear("take")
        asked = self.hear("credit")
        check((asked["b"], asked["c"]) == (0, 2), f"another credit than two blocks: {asked}")


def transfer(play, end="malformed"):
    def case(stage):
        one = Transfer(stage)
        with one.client:
            play(one)
            if end is None:
                return
            if end == "malformed":
                how = one.client.end()
                check(how == end, f"it ends with {how}")
                return
            says(one.client, 1, end)
            if end == "stored":
                stage.stored.append(one.letter.subject)
            else:
                still_good(stage, one.client, 2)

    return case


def after_begin(*steps):
    """Blocks as (index, body or None for the right one, number)."""

    def play(one):
        one.begin()
        for index, body, number in steps:
            one.block(index, body, number)

    return play


def pieces(*steps):
    """As (index, offset) or (index, offset, size)."""

    def play(one):
        one.begin()
        for step in steps:
            one.piece(*step)

    return play


def asked(**how):
    def play(one):
        one.offer()
        one.hear("want")
        one.hashes(**how)

    return play


def in_good_order(one):
    one.begin()
    for index in range(3):
        one.block(index)


def two_lists(one):
    one.begin()
    one.hashes()


def early_block(one):
    one.offer()
    one.hear("want")
    one.block(0)


def same_letter_twice(one):
    one.offer()
    one.hear("want")
    one.offer(2)
    says(one.client, 2, "later")
    one.hashes()
    one.hear("take")
    for index in range(3):
        one.block(index)


def five_offers(one):
    for number in range(1, 6):
        one.letter = one.client.me.letter(f"never {number}", MIB)
        one.offer(number)


def bye_too_early(one):
    one.offer()
    one.client.say(v="bye")


def go_away(one):
    one.begin()
    one.block(0)
    one.client.close(linger=200)


def take_one_block(one):
    """A small letter that is not in its offer."""
    one.letter = one.client.me.letter(one.letter.subject, 5000)
    letter = one.letter
    let_in = stamped(one.stage, letter)
    one.client.send(letter.offer(1, one.stage.node, inline=False, admission=let_in))
    one.hear("take")
    one.block(0)


def transfer_cases(_stage):
    wrong, short = os.urandom(MIB), os.urandom(1000)
    return {
        "blocks in order": transfer(in_good_order, "stored"),
        "one block on its own": transfer(take_one_block, "stored"),
        "a letter that is on its way already": transfer(same_letter_twice, "stored"),
        "blocks: the second first": transfer(after_begin((1, None, 1))),
        "blocks: the first twice": transfer(after_begin((0, None, 1), (0, None, 1))),
        "blocks: the third in place of the second": transfer(
            after_begin((0, None, 1), (2, None, 1))),
        "blocks: far beyond the end": transfer(after_begin((0, None, 1), (1 << 23, b"x", 1))),
        "blocks: one too many": transfer(
            after_begin(*((i, None, 1) for i in range(3)), (3, b"x", 1), (3, b"x", 1))),
        "blocks of another offer": transfer(after_begin((0, None, 2))),
        "a block that does not fit": transfer(after_begin((0, wrong, 1), (1, None, 1)), "forged"),
        "a block that is short": transfer(after_begin((0, None, 1), (1, short, 1))),
        "blocks after a refused one, beyond the credit": transfer(
            after_begin((0, wrong, 1), (1, None, 1), (2, short, 1))),
        "pieces: the second first": transfer(pieces((0, PIECE))),
        "pieces: the first twice": transfer(pieces((0, 0), (0, 0))),
        "pieces: one left out": transfer(pieces((0, 0), (0, 2 * PIECE))),
        "pieces: of another block in between": transfer(pieces((0, 0), (1, 0))),
        "pieces: between two": transfer(pieces((0, 1000))),
        "pieces: a short one": transfer(pieces((0, 0, 1000))),
        "pieces: one of two": transfer(pieces((0, 0, 2 * PIECE))),
        "pieces: of a block that nobody asked for": transfer(pieces((2, 0))),
        "a block before its hashes": transfer(early_block),
        "hashes of another list": transfer(asked(index=0)),
        "hashes of a group that is not there": transfer(asked(index=2)),
        "hashes of another offer": transfer(asked(number=2)),
        "hashes that do not fit": transfer(asked(body=os.urandom(3 * 32)), "forged"),
        "too few hashes": transfer(asked(body=bytes(32)), "forged"),
        "too many hashes": transfer(asked(body=bytes(4096 * 32)), "forged"),
        "hashes that nobody asked for": transfer(two_lists),
        "five offers of larger letters": transfer(five_offers),
        "a bye before its offers are answered": transfer(bye_too_early),
        "a letter that stops coming": transfer(go_away, None),
    }
