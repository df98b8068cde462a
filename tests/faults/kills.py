#!/usr/bin/env python3
"""Many letters between three people whose nodes, senders and fetches are killed at random moments.

  kills.py [--seconds N] [--seed N]

carol is the relay of the others, whose nodes stay away for a while when they were killed; now and
then she loses everything that she holds. After the storm everything runs undisturbed; then each
accepted letter is there exactly once, and each letter whose `send` was killed at most once.
"""

import argparse
import random
import shutil
import signal
import sys
import time

import world
from relays import held, lose_everything
from world import Violation, check_disk, check_once

MOST_AT_ONCE = 4
QUIET = 60  # seconds for the queues to become empty after the storm
SIZES = [1, 1, 1, 50, 3000, 60_000]  # lines of a letter


class Storm:
    def __init__(self, directory, seed):
        self.random = random.Random(seed)
        self.people = [world.make_person(directory, name) for name in ("alice", "bob", "carol")]
        self.places = {one.name: one.serve() for one in self.people}
        world.befriend(*self.people)
        self.carol = self.people[2]
        self.use_relay()
        self.away = {}  # name -> when the node is started again
        self.held = self.losses = 0
        self.jobs = world.Jobs()
        self.letters = {}  # subject -> [sender, recipients, "accepted" | "perhaps"]
        self.node_kills = 0

    def moment_of_death(self, share):
        moment = time.monotonic() + self.random.uniform(0, 0.15)
        return moment if self.random.random() < share else None

    def start_send(self):
        sender = self.random.choice(self.people)
        others = [one for one in self.people if one is not sender]
        recipients = self.random.sample(others, self.random.choice([1, 1, 2]))
        subject = f"letter {len(self.letters)}"
        words = ["send", "-s", subject, *(one.name for one in recipients)]
        if self.random.random() < 0.3:
            words[1:1] = ["--wait", "2s"]
        body = (world.MARKER + b" word\n") * self.random.choice(SIZES)
        letter = self.letters[subject] = [sender, recipients, "perhaps"]

        def note(done):
            if done.status in (0, 75):
                letter[2] = "accepted"
            elif not done.killed:
                raise Violation(f"mail that has to wait is no error: {done}")

        self.jobs.start(sender, *words, body=body, death=self.moment_of_death(0.4), then=note)

    def start_fetch(self):
        def note(done):
            if not done.killed and done.status != 0:
                raise Violation(f"who cannot be reached is no error: {done}")

        one = self.random.choice(self.people)
        self.jobs.start(one, "fetch", death=self.moment_of_death(0.5), then=note)

    def use_relay(self):
        for one in self.people[:2]:
            (one.home / "config").write_text("stamp_bits = 4\n")
            self.carol.must("relay", "allow", one.name)
            one.must("relay", "use", "carol")
            one.must("fetch")
        world.befriend(*self.people)

    def kill_a_node(self):
        up = [one for one in self.people if one.name not in self.away]
        if not up:
            return
        one = self.random.choice(up)
        one.stop(signal.SIGKILL)
        self.node_kills += 1
        self.away[one.name] = time.monotonic()
        if one is self.carol:
            if self.random.random() < 0.3:
                self.lose_the_shelf()
        elif self.random.random() < 0.6:
            self.away[one.name] += self.random.uniform(0.3, 2)

    def lose_the_shelf(self):
        self.held += held(self.carol)
        lose_everything(self.carol)
        for one in self.people[:2]:
            self.carol.must("relay", "allow", one.name)
        self.losses += 1

    def start_nodes(self, now):
        for one in self.people:
            if one.name in self.away and self.away[one.name] <= now:
                del self.away[one.name]
                one.serve(self.places[one.name])

    def blow(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.jobs.reap()
            self.start_nodes(time.monotonic())
            if len(self.jobs.running) >= MOST_AT_ONCE:
                time.sleep(0.002)
                continue
            kind = self.random.random()
            if kind < 0.15:
                self.kill_a_node()
            elif kind < 0.4:
                self.start_fetch()
            else:
                self.start_send()
        self.held += held(self.carol)
        self.start_nodes(time.monotonic() + QUIET)
        self.jobs.wait()

    def check(self):
        for one in self.people:
            letters = [(subject, *letter) for subject, letter in self.letters.items()]
            accepted = [letter[:3] for letter in letters if letter[3] == "accepted"]
            check_once(one, [subject for subject, _, to in accepted if one in to])
            mine = [subject for subject, sender, _ in accepted if sender is one]
            sent = one.subjects(".Sent")
            wrong = [s for s in mine if sent.count(s) != 1]
            if wrong:
                raise Violation(f"accepted, and not once in Sent of {one.name}: {wrong}")
            one.stop()
        check_disk(*self.people)

    def end(self):
        self.jobs.end()
        world.end_nodes(self.people)


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
        world.drain(storm.people, QUIET)
        storm.check()
        accepted = sum(fate == "accepted" for *_, fate in storm.letters.values())
        world.say(
            f"kills: {storm.node_kills} of nodes, {storm.jobs.kills} of others; "
            f"{len(storm.letters)} letters, {accepted} accepted, {storm.held} held by the relay, "
            f"which lost everything {storm.losses} times; 0 failed"
        )
        return 0
    except Violation as broken:
        again = f"--seconds {options.seconds:g} --seed {options.seed}"
        world.say(f"FAILED kills.py {again}\n    {broken}")
        return 1
    finally:
        if storm:
            storm.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
