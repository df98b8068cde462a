#!/usr/bin/env python3
"""A client that breaks every rule of the protocol, one after the other, against one node.

  hostile.py [--seed N] [--only WORD]

After each case the same process lives and answers an honest hello, and every so often a friend's
mail arrives. In the end the mail and the relay's shelf hold what was honestly sent and nothing
else, nothing is left half-written, and the node was never large. Needs zmq and nacl.
"""

import argparse
import random
import shutil
import sqlite3
import sys
import time

import world
from hostile_letters import admission_cases, check, offer_cases
from hostile_others import line_cases, sending_cases
from hostile_relay import blocked_cases, relay_cases
from hostile_transfers import transfer_cases
from hostile_words import fuzz_cases, order_cases, word_cases
from wire import Client, Recipient, Somebody
from world import Violation

OFTEN = 60  # cases between a friend's letters
BITS = 8  # of a stamp
PEAK = 256 * 1024  # KiB
FUZZ = 150
TARGETS = 24  # people for whom the node has letters
QUOTA = 4 << 20  # bytes on the shelf


class Stage:
    """bob's node, alice who is his friend, dave for whom he holds letters; and whom bob knows."""

    def __init__(self, directory, seed):
        self.quota = QUOTA
        self.seed, self.stored, self.letters, self.sent = seed, [], 0, []
        self.people = [self.make(directory, name) for name in ("alice", "bob", "dave")]
        self.alice, self.bob, self.dave = self.people
        endpoint = self.bob.serve()
        self.pid = self.bob.node.pid
        world.befriend(*self.people)
        self.bob.must("relay", "allow", "dave", "--quota", str(QUOTA))
        self.dave.must("relay", "use", "bob")
        self.bob.must("peers", "add", "dave", body=self.dave.must("card").out)
        self.node = Recipient(self.bob.must("card").out)
        self.node.endpoint = endpoint
        self.owner = Recipient(self.dave.must("card").out)
        self.friend = Recipient(self.alice.must("card").out)
        self.held = []  # subjects on the shelf that dave can open
        self.blocked = Somebody("blocked")
        self.bob.must("peers", "add", "blocked", body=self.blocked.armor())
        self.bob.must("peers", "block", "blocked")
        self.write_to_targets(directory)

    def make(self, directory, name):
        person = world.Person(directory, name)
        person.home.mkdir(mode=0o700)
        (person.home / "config").write_text(f"stamp_bits = {BITS}\n")
        person.must("keygen", "--name", name, "--no-passphrase")
        return person

    def write_to_targets(self, directory):
        """Letters that wait in the node for people who will not be nice."""
        self.targets = [Somebody(f"t{i}") for i in range(TARGETS)]
        for one in self.targets:
            self.bob.must("peers", "add", one.name, body=one.armor())
        names = [one.name for one in self.targets]
        (directory / "large").write_bytes(random.Random(1).randbytes(3 << 20))
        large = str(directory / "large")
        self.bob.must("send", "--no-push", "-s", "small", *names, body=b"small\n")
        self.bob.must("send", "--no-push", "-s", "large", "-a", large, *names, body=b"large\n")
        self.waiting = 2 * TARGETS  # entries in bob's queue
        self.unused = list(self.targets)

    def target(self):
        return self.unused.pop()

    # What has to hold after each case, and now and then.

    def check_alive(self):
        if self.bob.node.poll() is not None:
            raise Violation(f"the node ended: {self.bob.node_error()}")
        with Client(self.node, Somebody()) as client:
            client.say(v="bye")
            check(client.until(lambda one: one[0]["v"] == "bye")[-1], "an honest bye has no answer")

    def check_friend(self):
        self.sent.append(f"friend {len(self.sent)}")
        self.alice.must("send", "--wait", "20s", "-s", self.sent[-1], "bob", body=b"x\n")

    def peak(self):
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise Violation("no VmHWM")

    # What has to hold in the end.

    def check_end(self):
        self.check_friend()
        check(self.bob.node.pid == self.pid, "another process")
        self.peak_kib = self.peak()
        is_asan = b"__asan_init" in open(world.P2PMAIL, "rb").read()
        check(is_asan or self.peak_kib <= PEAK, f"the node took {self.peak_kib} KiB")
        partial = self.bob.home / "mail" / ".p2pmail" / "partial"
        gone = world.until(10, lambda: not list(partial.iterdir()))
        check(gone, f"left in partial: {list(partial.iterdir())}")
        self.check_mail(self.bob, self.sent, self.stored)
        check(len(self.bob.queued()) == self.waiting, "bob's queue has not what it had")
        self.check_shelf()
        self.dave.must("fetch")
        self.check_mail(self.dave, [], self.held)
        self.check_shelf()
        log = (self.bob.home.parent / "bob.serve.err").read_bytes()
        for mark in (b"ERROR: AddressSanitizer", b"runtime error:"):
            check(mark not in log, log[-2000:])
        self.bob.stop()
        done = self.bob.run("doctor", "--offline")
        check(done.status == 0, f"doctor: {done.out.decode(errors='replace')[-600:]}")

    def check_mail(self, person, inbox, requests):
        for folder, wanted in (("INBOX", inbox), (".Requests", requests)):
            there = sorted(person.subjects(folder))
            odd = difference(there, wanted)
            check(not odd, f"{person.name} has in {folder} {odd}")
        there = sorted(person.all_subjects())
        check(there == sorted(inbox + requests), f"{person.name} has elsewhere {there}")

    def rows(self):
        db = sqlite3.connect(f"file:{self.bob.home / 'relay.db'}?mode=ro", uri=True)
        try:
            columns = "hex(root), size, length(envelope)"
            return db.execute(f"SELECT {columns} FROM held WHERE state = 0").fetchall()
        finally:
            db.close()

    def used(self):
        return sum(size + envelope for _, size, envelope in self.rows())

    def check_shelf(self):
        rows, shelf = self.rows(), self.bob.home / "relay"
        check(self.used() <= QUOTA, f"{self.used()} bytes are held, and {QUOTA} are allowed")
        sizes = {root.lower(): size for root, size, _ in rows}
        there = {path.stem: path.stat().st_size for path in shelf.glob("*.letter")}
        odd = dict(there.items() ^ sizes.items())
        check(not odd, f"the shelf and its rows do not agree about {odd}")
        whole = world.until(10, lambda: not list(shelf.glob("*.part")))
        check(whole, "a part is left on the shelf")
        leaves = {path.stem for path in shelf.glob("*.leaves")}
        check(leaves <= set(sizes), f"hash lists that nothing needs: {leaves - set(sizes)}")


def difference(there, wanted):
    more = [s for s in there if there.count(s) > wanted.count(s)]
    less = [s for s in wanted if there.count(s) < wanted.count(s)]
    return f"too many {more[:5]} and too few {less[:5]}" if more or less else ""


def all_cases(stage):
    cases = {}
    for part in (word_cases, order_cases, offer_cases, admission_cases, transfer_cases,
                 sending_cases, relay_cases, blocked_cases, line_cases):
        for name, case in part(stage).items():
            cases[f"{part.__name__[:-6]}: {name}"] = case
    return cases | fuzz_cases(stage.seed, FUZZ)


def play(stage, cases):
    failed = 0
    for i, (name, case) in enumerate(cases.items()):
        try:
            case(stage)
        except (Violation, AssertionError) as broken:
            failed += 1
            world.say(f"FAILED {name}: {broken}")
        stage.check_alive()
        if i % OFTEN == OFTEN - 1:
            stage.check_friend()
    return failed


def main():
    parser = argparse.ArgumentParser(description="A client that breaks every rule.")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", default="", help="cases whose names have this word")
    options = parser.parse_args()
    world.say(f"hostile: seed {options.seed}")
    directory = world.scratch_directory()
    stage, began = None, time.monotonic()
    try:
        stage = Stage(directory, options.seed)
        cases = {n: c for n, c in all_cases(stage).items() if options.only in n}
        failed = play(stage, cases)
        stage.check_end()
        world.say(f"hostile: {len(cases)} cases, {failed} failed; {len(stage.sent)} letters of a "
                  f"friend, {len(stage.stored)} of strangers, {len(stage.held)} on the shelf; "
                  f"peak {stage.peak_kib // 1024} MiB; {time.monotonic() - began:.0f} s")
        return 1 if failed else 0
    except (Violation, AssertionError) as broken:
        world.say(f"FAILED hostile.py --seed {options.seed}: {broken}")
        return 1
    finally:
        if stage:
            world.end_nodes(stage.people)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
