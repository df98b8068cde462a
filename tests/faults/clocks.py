#!/usr/bin/env python3
"""Clocks that jump by 400 days between commands, and stores that come back from a backup.

  clocks.py [--seed N] [--rounds N] [NAME ...]     all of them without a name

No later mail is lost, nothing arrives twice, and the sender is told the truth.
"""

import argparse
import random
import shutil
import sys
import time

import world
from world import Violation, check_disk, check_holds, check_once, until

DAY = 86_400
JUMP = 400 * DAY
DRAINING = 20  # seconds
RESTORING = 3  # seconds: more than the records that are published in one
BODY = world.MARKER + b" word\n"


class Pair:
    """alice and bob, who know each other; both have listened once, on ports that stay theirs."""

    def __init__(self, directory, shim):
        self.directory, self.shim = directory, shim
        self.alice, self.bob = (world.make_person(directory, name) for name in ("alice", "bob"))
        self.people = (self.alice, self.bob)
        self.places = {one.name: one.serve() for one in self.people}
        for one in self.people:
            one.stop()
        world.befriend(*self.people)
        self.expected = []  # with bob

    def at(self, seconds):
        """Environment with a clock that is off by so much."""
        return world.shim_environment(self.shim, FAULT_CLOCK_OFFSET=seconds) if seconds else None

    def serve(self, one, offset=0):
        one.serve(self.places[one.name], env=self.at(offset))

    def queue(self, subject, offset=0):
        words = ("send", "--no-push", "-s", subject, "bob")
        self.alice.must(*words, body=BODY, env=self.at(offset))
        self.expected.append(subject)

    def drain(self, dialer=None, offset=0):
        dialer = dialer or self.alice

        def drained():
            dialer.must("fetch", env=self.at(offset))
            return not self.alice.queued()

        if not until(DRAINING, drained):
            left = [(one["subject"], one["reason"]) for one in self.alice.queued()]
            raise Violation(f"what is queued is not delivered: {left}")

    def deliver(self, subject, offset=0):
        """To bob, who starts to listen for it."""
        self.queue(subject, offset)
        self.serve(self.bob, offset)
        self.drain(offset=offset)
        self.bob.stop()

    def end(self):
        world.end_nodes(self.people)

    # A backup of a home, taken while nothing runs.

    def back_up(self, one):
        world.copy_home(one.home, self.directory / f"{one.name}.backup")

    def restore(self, one):
        """Records are numbered by the second, or one more than before for some in one second: a
        backup that comes back in the seconds of the last changes would be taken for a clone."""
        changed = time.time()
        until(RESTORING + 1, lambda: time.time() >= changed + RESTORING)
        shutil.rmtree(one.home)
        (self.directory / f"{one.name}.backup").rename(one.home)


def jumping_clocks(pair, rng, rounds):
    """Commands of both sides, each with the right clock or one that is off by 400 days."""
    for i in range(rounds):
        sender, node, dialer = (rng.choice([0, JUMP, -JUMP]) for _ in range(3))
        pair.serve(pair.bob, node)
        pair.queue(f"jump {i}", sender)
        pair.alice.must("fetch", env=pair.at(dialer))
        pair.bob.stop()
    pair.serve(pair.bob)
    pair.drain()
    check_once(pair.bob, pair.expected)


def attempt_in_the_future(pair, _rng, _rounds):
    """An attempt that failed while the clock was 400 days ahead keeps no mail waiting so long."""
    pair.queue("early")
    pair.alice.must("fetch", env=pair.at(JUMP))  # nobody listens
    pair.serve(pair.bob)
    pair.serve(pair.alice, 7 * 3600)  # longer than the longest pause between attempts
    if not until(DRAINING, lambda: not pair.alice.queued()):
        due = [one["next"] for one in pair.alice.queued()]
        raise Violation(f"a node with the right clock does not try again; next attempts at {due}")
    check_once(pair.bob, pair.expected)


def receiver_restored(pair, _rng, _rounds):
    """bob's whole home comes back as it was: later mail arrives, earlier mail not again."""
    pair.deliver("before")
    pair.back_up(pair.bob)
    pair.deliver("lost with the disk")
    pair.restore(pair.bob)
    pair.expected.remove("lost with the disk")
    pair.deliver("after")
    check_once(pair.bob, pair.expected)


def receiver_restored_elsewhere(pair, _rng, _rounds):
    """The same, and after the backup and after it came back bob listened at other places."""
    pair.deliver("before")
    pair.back_up(pair.bob)
    pair.places["bob"] = pair.bob.serve()
    pair.bob.must("fetch")
    pair.bob.introduce(pair.alice)
    pair.queue("lost with the disk")
    pair.drain()
    pair.bob.stop()
    pair.restore(pair.bob)
    pair.expected.remove("lost with the disk")
    pair.places["bob"] = pair.bob.serve()
    pair.queue("after")
    # bob dials alice, so that she can learn where he is now; then she dials.
    pair.serve(pair.alice)
    pair.drain(pair.bob)
    pair.alice.stop()
    pair.queue("later still")
    pair.drain()
    check_once(pair.bob, pair.expected)


def receiver_restored_with_older_keys(pair, _rng, _rounds):
    """Between backup and restoration bob's prekey was replaced: alice knows only the newer one."""
    pair.deliver("before")
    pair.back_up(pair.bob)
    for day in (40, 80):
        pair.deliver(f"day {day}", day * DAY)
        pair.expected.remove(f"day {day}")
    pair.restore(pair.bob)
    pair.deliver("after", 81 * DAY)
    check_once(pair.bob, pair.expected)


def sender_restored(pair, _rng, _rounds):
    """alice's home comes back with a queue that was delivered since: no second copy with bob."""
    pair.queue("once")
    pair.back_up(pair.alice)
    pair.serve(pair.bob)
    pair.drain()
    check_holds(pair.bob, "once", "an empty queue")
    pair.restore(pair.alice)
    if len(pair.alice.queued()) != 1:
        raise Violation("the backup does not hold the queue")
    pair.drain()
    pair.bob.stop()
    pair.deliver("after")
    check_once(pair.bob, pair.expected)


def damaged_index(pair, rng, _rounds):
    """bob's index of what he has seen is gone: it is rebuilt, and nothing doubled."""
    pair.queue("known")
    pair.back_up(pair.alice)
    pair.serve(pair.bob)
    pair.drain()
    pair.bob.stop()
    for name in ("seen.db", "seen.db-wal", "seen.db-shm"):
        (pair.bob.home / name).unlink(missing_ok=True)
    pair.restore(pair.alice)
    pair.serve(pair.bob)
    pair.drain()
    pair.bob.stop()
    pair.deliver("after")
    check_once(pair.bob, pair.expected)


SCRIPTS = [
    jumping_clocks, attempt_in_the_future, receiver_restored, receiver_restored_elsewhere,
    receiver_restored_with_older_keys, sender_restored, damaged_index,
]
NEEDS_SHIM = {jumping_clocks, attempt_in_the_future, receiver_restored_with_older_keys}


def play(script, options, shim):
    directory = world.scratch_directory()
    pair = None
    try:
        pair = Pair(directory, shim)
        script(pair, random.Random(options.seed), options.rounds)
        for one in pair.people:
            one.stop()
        check_disk(*pair.people)
        return None
    except Violation as broken:
        return str(broken)
    finally:
        if pair:
            pair.end()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="Clocks that jump, stores from a backup.")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--rounds", type=int, default=6)
    names = ", ".join(script.__name__ for script in SCRIPTS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    options = parser.parse_args()
    world.say(f"clocks: seed {options.seed}")
    directory = world.scratch_directory()
    try:
        shim = world.build_shim(directory)
        why_not = world.shim_works(shim)
        failed = ran = 0
        for script in SCRIPTS:
            if options.names and script.__name__ not in options.names:
                continue
            if why_not and script in NEEDS_SHIM:
                continue
            trouble = play(script, options, shim)
            ran += 1
            if trouble:
                failed += 1
                again = f"--seed {options.seed} --rounds {options.rounds} {script.__name__}"
                world.say(f"FAILED clocks.py {again}\n    {trouble}")
        world.say(f"clocks: {ran} scripts, {failed} failed")
        return 1 if failed or not ran else 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
