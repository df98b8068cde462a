#!/usr/bin/env python3
"""Many letters between three people whose nodes, senders and fetches are killed at random moments.

  kills.py [--seconds N] [--seed N]

After the storm everything runs undisturbed; then each accepted letter is there exactly once, and each
letter whose `send` was killed at most once.
"""

import argparse
import random
import shutil
import signal
import sys
import time

import world
from world import Violation, check_disk, check_once, until

MOST_AT_ONCE = 4
QUIET = 60  # seconds for the queues to become empty after the storm
SIZES = [1, 1, 1, 50, 3000, 60_000]  # lines of a letter


class Storm:
    def __init__(self, directory, seed):
        self.random = random.Random(seed)
        self.people = [world.make_person(directory, name) for name in ("alice", "bob", "carol")]
        self.places = {one.name: one.serve() for one in self.people}
        world.befriend(*self.people)
        self.running = []  # (process, person, when to kill it or None, letter or None)
        self.letters = {}  # subject -> (sender, recipients, "accepted" | "perhaps")
        self.kills = 0

    def moment_of_death(self, share):
        return time.monotonic() + self.random.uniform(0, 0.15) if self.random.random() < share else None

    def start_send(self):
        sender = self.random.choice(self.people)
        others = [one for one in self.people if one is not sender]
        recipients = self.random.sample(others, self.random.choice([1, 1, 2]))
        subject = f"letter {len(self.letters)}"
        words = ["send", "-s", subject, *(one.name for one in recipients)]
        if self.random.random() < 0.3:
            words[1:1] = ["--wait", "2s"]
        body = (world.MARKER + b" word\n") * self.random.choice(SIZES)
        self.letters[subject] = (sender, recipients, "perhaps")
        self.running.append((sender.start(*words, body=body), sender, self.moment_of_death(0.4), subject))

    def start_fetch(self):
        one = self.random.choice(self.people)
        self.running.append((one.start("fetch"), one, self.moment_of_death(0.5), None))

    def kill_a_node(self):
        one = self.random.choice(self.people)
        one.stop(signal.SIGKILL)
        self.kills += 1
        one.serve(self.places[one.name])

    def reap(self):
        still = []
        for process, person, death, subject in self.running:
            if process.poll() is None:
                if death is not None and time.monotonic() >= death:
                    process.kill()
                    self.kills += 1
                still.append((process, person, death, subject))
                continue
            done = person.finish(process)
            world.check_status(done, may_be_killed=death is not None)
            if subject is not None and done.status in (0, 75):
                self.letters[subject] = (*self.letters[subject][:2], "accepted")
            elif not done.killed and done.status not in (0, 75):
                raise Violation(f"without a fault of its own it should succeed: {done}")
        self.running = still

    def blow(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.reap()
            if len(self.running) >= MOST_AT_ONCE:
                time.sleep(0.002)
                continue
            kind = self.random.random()
            if kind < 0.15:
                self.kill_a_node()
            elif kind < 0.4:
                self.start_fetch()
            else:
                self.start_send()
        if not until(world.LIMIT, lambda: self.reap() or not self.running):
            raise Violation("a hang: what was started does not end")

    def calm(self):
        for one in self.people:
            if not one.is_serving():
                raise Violation(f"{one.name}'s node ended by itself: {one.node_error()}")

        def drained():
            for one in self.people:
                one.must("fetch")
            return not any(one.queued() for one in self.people)

        if not until(QUIET, drained):
            left = {one.name: [q["reason"] for q in one.queued()] for one in self.people}
            raise Violation(f"the queues do not become empty: {left}")

    def check(self):
        for one in self.people:
            to_me = [s for s, (_, to, fate) in self.letters.items() if one in to and fate == "accepted"]
            check_once(one, to_me)
            mine = [s for s, (sender, _, fate) in self.letters.items() if sender is one and fate == "accepted"]
            sent = one.subjects(".Sent")
            wrong = [s for s in mine if sent.count(s) != 1]
            if wrong:
                raise Violation(f"accepted, and not once in Sent of {one.name}: {wrong}")
            one.stop()
        check_disk(*self.people)

    def end(self):
        for process, *_ in self.running:
            process.kill()
            process.wait()
        for one in self.people:
            if one.is_serving():
                one.node.kill()
                one.node.wait()


def main():
    parser = argparse.ArgumentParser(description="Kills at random moments.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    world.say(f"kills: seed {options.seed}")
    directory = world.scratch_directory()
    storm = None
    try:
        storm = Storm(directory, options.seed)
        storm.blow(options.seconds)
        storm.calm()
        storm.check()
        accepted = sum(fate == "accepted" for *_, fate in storm.letters.values())
        world.say(f"kills: {storm.kills} kills, {len(storm.letters)} letters, {accepted} accepted; 0 failed")
        return 0
    except Violation as broken:
        world.say(f"FAILED kills.py --seconds {options.seconds:g} --seed {options.seed}\n    {broken}")
        return 1
    finally:
        if storm:
            storm.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
