#!/usr/bin/env python3
"""One Maildir that many use at once: a node that receives, two fetches, commands that move and
flag, and a mail program that renames files from new/ to cur/, between folders and for flags.

  readers.py [--seconds N] [--seed N]
"""

import argparse
import os
import random
import shutil
import sys
import threading
import time

import world
from world import Violation, check_disk, check_once

DRAINING = 60  # seconds


class MailProgram(threading.Thread):
    """Renames as mutt does: it knows names only, and looks them up again when they are gone."""

    def __init__(self, mail, seed):
        super().__init__(daemon=True)
        self.mail, self.random = mail, random.Random(seed)
        self.ended, self.renamed = threading.Event(), 0

    def run(self):
        lists = self.mail / ".Lists"
        for sub in ("tmp", "new", "cur"):
            (lists / sub).mkdir(parents=True, exist_ok=True)
        while not self.ended.is_set():
            for folder in (self.mail, lists):
                self.turn(folder, lists if folder is self.mail else self.mail)
            time.sleep(0.005)

    def turn(self, folder, other):
        for name in os.listdir(folder / "new"):
            self.rename(folder / "new" / name, folder / "cur" / f"{name}:2,")
        names = os.listdir(folder / "cur")
        for name in self.random.sample(names, min(3, len(names))):
            unique, _, flags = name.partition(":2,")
            flags = "".join(sorted(set(flags) ^ {self.random.choice("FRS")}))
            target = other if self.random.random() < 0.3 else folder
            self.rename(folder / "cur" / name, target / "cur" / f"{unique}:2,{flags}")

    def rename(self, source, target):
        try:
            if not target.exists():
                source.rename(target)
                self.renamed += 1
        except FileNotFoundError:
            pass  # another one was quicker


class Crowd:
    def __init__(self, directory, seed):
        self.random = random.Random(seed)
        self.alice, self.bob = (world.make_person(directory, name) for name in ("alice", "bob"))
        for one in (self.alice, self.bob):
            one.serve()
        world.befriend(self.alice, self.bob)
        self.program = MailProgram(self.bob.home / "mail", self.random.random())
        self.jobs, self.letters = world.Jobs(), []

    def start(self, person, *words, body=b""):
        def note(done):
            # A message that the mail program has moved meanwhile is "no such message".
            if done.status != 0 and not (done.status == 66 and words[0] in ("mv", "flag")):
                raise Violation(f"it should succeed: {done}")

        self.jobs.start(person, *words, body=body, then=note)

    def work(self, seconds):
        self.program.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.jobs.reap()
            if len(self.jobs.running) >= 4:
                time.sleep(0.005)
                continue
            kind = self.random.random()
            if kind < 0.5:
                subject = f"letter {len(self.letters)}"
                self.letters.append(subject)
                push = ["--no-push"] if self.random.random() < 0.5 else []
                words = ("send", *push, "-s", subject, "bob")
                self.start(self.alice, *words, body=world.MARKER + b"\n")
            elif kind < 0.8:
                self.start(self.bob, "fetch")
                self.start(self.bob, "fetch")
            elif kind < 0.9:
                self.start(self.bob, "flag", "@", "+flagged")
            else:
                self.start(self.bob, "mv", "@", self.random.choice(["Lists", "Kept"]))
        self.jobs.wait()

    def calm(self):
        self.program.ended.set()
        self.program.join(10)
        world.drain([self.bob, self.alice], DRAINING)
        check_once(self.bob, self.letters)
        ids = []
        for folder in ("INBOX", "Lists", "Kept"):
            ids += [one["id"] for one in self.bob.messages(folder)]
        if len(ids) != len(set(ids)) or len(ids) != len(self.letters):
            raise Violation(f"{len(self.letters)} letters, {len(ids)} files, {len(set(ids))} ids")
        for one in (self.alice, self.bob):
            one.stop()
        check_disk(self.alice, self.bob)

    def end(self):
        self.program.ended.set()
        self.jobs.end()
        world.end_nodes((self.alice, self.bob))


def main():
    parser = argparse.ArgumentParser(description="One Maildir that many use at once.")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    world.say(f"readers: seed {options.seed}")
    directory = world.scratch_directory()
    crowd = None
    try:
        crowd = Crowd(directory, options.seed)
        crowd.work(options.seconds)
        crowd.calm()
        letters, renames = len(crowd.letters), crowd.program.renamed
        world.say(f"readers: {letters} letters, {renames} renames; 0 failed")
        return 0
    except Violation as broken:
        again = f"--seconds {options.seconds:g} --seed {options.seed}"
        world.say(f"FAILED readers.py {again}\n    {broken}")
        return 1
    finally:
        if crowd:
            crowd.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
