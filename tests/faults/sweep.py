#!/usr/bin/env python3
"""Breaks one call on a file after the other, and looks whether every promise about mail still holds.

  sweep.py [--seconds N] [--seed N] [--scenario NAME ...] [--jobs N]    a sample that fits, without N all
  sweep.py --only SCENARIO:SIDE:KIND:AT [--keep]                        one case, as a failure names it
  sweep.py --list
  --lying-disk with --only ...:power:...: no fsync counts, which has to be found out

Each scenario runs once without a fault to count its calls. Then each case starts from a fresh copy of
prepared homes, breaks call AT of one side (shim.c says how), lets the other calls through, heals, and
checks. In the end the kinds of faults that did happen are counted.
"""

import argparse
import os
import random
import re
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

import world
from world import Violation, check_claims, check_disk, check_holds, check_once, until

HEALING = 20  # seconds for what was interrupted to be finished
KINDS = ["enospc", "eio", "full", "short", "kill-before", "kill-after", "power"]
BODY = world.MARKER + b" and more words of a letter\n"


class Case:
    """Two people, copied from a template, and what was accepted from them."""

    def __init__(self, directory, template, shim, side=None, kind=None, at=None):
        self.directory, self.shim = directory, shim
        self.side, self.kind, self.at = side, kind, at
        for name in ("alice", "bob"):
            world.copy_home(template.directory / name, directory / name)
        self.alice, self.bob = world.Person(directory, "alice"), world.Person(directory, "bob")
        self.places = template.places
        self.accepted, self.cancelled = list(template.accepted), []
        self.log = directory / "calls.log"
        (directory / "side").mkdir()

    def env(self, person):
        """The fault, when it is this side's."""
        if person.name != self.side:
            return None
        return world.shim_environment(
            self.shim, FAULT_DIR=person.home, FAULT_LOG=self.log, FAULT_SIDE=self.directory / "side",
            FAULT_AT=self.at, FAULT_KIND=self.kind,
        )

    def serve(self, person, env=None):
        """True when it listens."""
        place = person.serve(self.places[person.name], env=env, must=env is None)
        return place is not None

    def fired(self):
        return self.log.exists() and b"fired" in self.log.read_bytes()

    def calls(self):
        """(number, class, place) each; names that change from run to run are left out of the place."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        calls = [line.split(" ", 2) for line in lines if not line.startswith("fired")]
        return [(number, call, re.sub(r"[0-9a-f]{8,}|[0-9]+", "#", path)) for number, call, path in calls]


# Scenarios: what is prepared, and what is done with a fault on one side.


class Queue:
    """send that only queues, openly to bob and blindly to alice herself."""

    sides = ["alice"]
    listener = "bob"

    def prepare(self, template):
        pass

    def act(self, case):
        words = ("send", "--no-push", "-s", "letter", "bob", "-b", "me")
        done = case.alice.run(*words, body=BODY, env=case.env(case.alice))
        queued = [one["subject"] for one in case.alice.queued()]
        if done.status == 0:
            case.accepted.append("letter")
            if len(queued) != 2:
                raise Violation(f"accepted, and {len(queued)} of 2 entries are queued")
            if case.alice.subjects(".Sent") != ["letter"]:
                raise Violation("accepted, and not once in Sent")
        elif not done.killed and queued:
            raise Violation(f"failed, and even so {len(queued)} of 2 entries are queued: {done}")


class Push:
    """send that waits for the receipt of a node."""

    sides = ["alice", "bob"]
    listener = "bob"
    size = 1

    def prepare(self, template):
        pass

    def act(self, case):
        case.serve(case.bob, env=case.env(case.bob))
        body = BODY * self.size
        words = ("send", "--json", "--wait", "1s", "-s", "letter", "bob")
        done = case.alice.run(*words, body=body, env=case.env(case.alice))
        if done.status in (0, 75):  # 75: queued, and no receipt in time
            case.accepted.append("letter")
        if done.status == 0 or any(o["state"] == "delivered" for o in done.objects("delivery")):
            check_holds(case.bob, "letter", "send --wait")


class PushBig(Push):
    """The same with a letter of several blocks."""

    size = 100_000


class Waiting:
    """Three letters wait with alice."""

    def prepare(self, template):
        for i in range(3):
            template.alice.must("send", "--no-push", "-s", f"waiting {i}", "bob", body=BODY)
            template.accepted.append(f"waiting {i}")


class Fetch(Waiting):
    """fetch that receives from a node."""

    sides = ["alice", "bob"]
    listener = "alice"

    def act(self, case):
        case.serve(case.alice, env=case.env(case.alice))
        case.bob.run("fetch", env=case.env(case.bob))


class FetchPush(Waiting):
    """fetch that delivers to a node."""

    sides = ["alice", "bob"]
    listener = "bob"

    def act(self, case):
        case.serve(case.bob, env=case.env(case.bob))
        case.alice.run("fetch", env=case.env(case.alice))


class ServePush(Waiting):
    """A node that delivers its queue to another node."""

    sides = ["alice"]
    listener = "bob"

    def act(self, case):
        case.serve(case.bob)
        if case.serve(case.alice, env=case.env(case.alice)):
            until(3, lambda: not case.alice.is_serving() or not case.alice.queued())


class Files:
    """A command that moves received mail, or changes its flags."""

    sides = ["bob"]
    listener = "bob"

    def __init__(self, *words):
        self.words = words

    def prepare(self, template):
        for i in range(3):
            template.alice.must("send", "--no-push", "-s", f"old {i}", "bob", body=BODY)
            template.accepted.append(f"old {i}")
        template.bob.serve(template.places["bob"])
        template.alice.must("fetch")
        template.bob.stop()
        if len(template.bob.subjects()) != 3:
            raise Violation("the mail of the template did not arrive")

    def act(self, case):
        case.bob.run(*self.words, env=case.env(case.bob))


class Cancel(Waiting):
    """queue cancel: what it cancelled does not come back, and what it did not is delivered."""

    sides = ["alice"]
    listener = "bob"

    def act(self, case):
        entry = next(one for one in case.alice.queued() if one["subject"] == "waiting 1")
        done = case.alice.run("queue", "cancel", entry["id"], env=case.env(case.alice))
        if case.at == "end" or "waiting 1" not in [one["subject"] for one in case.alice.queued()]:
            case.accepted.remove("waiting 1")
            case.cancelled.append("waiting 1")
        elif done.status == 0:
            raise Violation("cancelled, and still queued")


class Rotate(Waiting):
    """A replacement of the prekey, 40 days later, while letters for the older one are on their way."""

    sides = ["bob"]
    listener = "bob"

    def act(self, case):
        later = world.shim_environment(case.shim, FAULT_CLOCK_OFFSET=40 * 86_400)
        case.bob.run("fetch", env=later | case.env(case.bob))
        case.bob.must("fetch", env=later)


class Move:
    """A node at a new place, which its card has to name."""

    sides = ["bob"]
    listener = "bob"

    def prepare(self, template):
        pass

    def act(self, case):
        if case.bob.serve(env=case.env(case.bob), must=False):
            case.bob.stop()
        case.alice.must("send", "--no-push", "-s", "letter", "bob", body=BODY)
        case.accepted.append("letter")


class Keygen:
    """keygen, which is done again when it failed."""

    sides = ["carol"]
    listener = "bob"

    def prepare(self, template):
        pass

    def act(self, case):
        carol = world.Person(case.directory, "carol")
        carol.home.mkdir()
        words = ("keygen", "--name", "carol", "--no-passphrase")
        done = carol.run(*words, env=case.env(carol))
        known = carol.run("whoami", "--json")
        if done.status == 0 or known.status == 0:
            carol.must("ls")
            if done.status == 0 and done.out.split()[:1] != carol.must("whoami").out.split()[:1]:
                raise Violation(f"another address than the one that was printed: {done.out!r}")
        else:
            carol.must(*words)


SCENARIOS = {
    "queue": Queue(), "push": Push(), "push-big": PushBig(), "fetch": Fetch(),
    "fetch-push": FetchPush(), "serve-push": ServePush(),
    "mv": Files("mv", "@", "@~1", "Lists"), "flag": Files("flag", "@", "@~1", "+flagged", "-seen"),
    "rm": Files("rm", "@", "@~1"), "cancel": Cancel(), "rotate": Rotate(), "move": Move(), "keygen": Keygen(),
}


class Template:
    """Prepared homes of one scenario, and where their nodes listen."""

    def __init__(self, directory, base=None):
        directory.mkdir(parents=True)
        self.directory = directory
        if base is not None:
            for name in ("alice", "bob"):
                world.copy_home(base.directory / name, directory / name)
            self.alice, self.bob = world.Person(directory, "alice"), world.Person(directory, "bob")
            self.places, self.accepted = base.places, []
            return
        self.alice, self.bob = (world.make_person(directory, name) for name in ("alice", "bob"))
        self.places, self.accepted = {}, []
        for one in (self.alice, self.bob):
            self.places[one.name] = one.serve()
        for one in (self.alice, self.bob):
            one.stop()
        world.befriend(self.alice, self.bob)


class Worker:
    """Runs cases one by one; makes its templates when they are wanted, each worker on its own ports."""

    def __init__(self, directory, shim):
        self.directory, self.shim = Path(directory) / f"worker-{os.getpid()}", shim
        self.templates, self.count = {}, 0

    def template(self, name):
        if "" not in self.templates:
            self.templates[""] = Template(self.directory / "base")
        if name not in self.templates:
            made = Template(self.directory / f"template-{name}", self.templates[""])
            SCENARIOS[name].prepare(made)
            self.templates[name] = made
        return self.templates[name]

    def run(self, name, side, kind, at, keep=False):
        """(what went wrong or None, the calls of this side, whether the fault happened)"""
        self.count += 1
        directory = self.directory / f"case-{self.count}"
        directory.mkdir(parents=True, exist_ok=True)
        case = None
        try:
            case = Case(directory, self.template(name), self.shim, side, kind, at)
            play(SCENARIOS[name], case)
            trouble = None
        except Violation as broken:
            trouble = str(broken)
        finally:
            world.end_nodes((case.alice, case.bob) if case else ())
        result = (trouble, case.calls() if case else [], case.fired() if case else False)
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
        return result


def play(scenario, case):
    scenario.act(case)
    if case.at == "end":  # its power is cut when it has ended
        for one in (case.alice, case.bob):
            if one.name == case.side:
                one.stop()
    heal(case, case.alice if scenario.listener == "alice" else case.bob)
    check_once(case.bob, case.accepted)
    back = set(case.cancelled) & set(case.bob.all_subjects())
    if back:
        raise Violation(f"cancelled, and delivered even so: {sorted(back)}")
    check_sent(case)
    check_claims(case.alice, case.bob)
    for one in (case.alice, case.bob):
        one.stop()
    check_disk(case.alice, case.bob)


def heal(case, listener):
    """Whoever died starts again; then everything that is queued has to arrive."""
    (case.directory / "side" / "room").touch()
    dialer = case.alice if listener is case.bob else case.bob

    def drained():
        # The fault may happen only now, when a node still works.
        for one in (case.alice, case.bob):
            if one.node is not None and not one.is_serving():
                one.stop()
        if listener.node is None:
            case.serve(listener)
        dialer.must("fetch")
        return not case.alice.queued()

    if not until(HEALING, drained):
        left = [(one["subject"], one["reason"]) for one in case.alice.queued()]
        raise Violation(f"what is queued is not delivered without a fault: {left}")


def check_sent(case):
    sent = case.alice.subjects(".Sent")
    wrong = [s for s in case.accepted if sent.count(s) != 1]
    if wrong:
        raise Violation(f"accepted, and not once in Sent: {wrong}")


# Which cases there are, and running them.

worker = None


def start_worker(directory, shim):
    global worker
    worker = Worker(directory, shim)


def run_case(case):
    return case, worker.run(*case)


def kinds_for(call):
    for kind in KINDS:
        if kind == "short" and call not in ("write", "pwrite"):
            continue
        if kind == "full" and call in ("unlink", "ftruncate"):
            continue
        yield kind


def cases_of(worker, name, side):
    trouble, calls, _ = worker.run(name, side, "none", 0)
    if trouble:
        raise SystemExit(f"FAILED {name}:{side} without any fault: {trouble}")
    sites = {}
    for number, call, place in calls:
        for kind in kinds_for(call):
            sites[name, side, kind, number] = (name, side, call, place)
    sites[name, side, "power", "end"] = (name, side, "end")
    return sites, len(calls)


def in_order(sites, rng):
    """Shuffled; each kind of call comes once, with one fault, before any comes twice."""
    cases = list(sites)
    rng.shuffle(cases)
    rank, seen = {}, Counter()
    for case in cases:
        rank[case] = seen[sites[case]]
        seen[sites[case]] += 1
    return sorted(cases, key=rank.get)


def sweep(options, directory, shim):
    start_worker(directory, shim)
    sites = {}
    for name in options.scenario or SCENARIOS:
        for side in SCENARIOS[name].sides:
            cases, calls = cases_of(worker, name, side)
            world.say(f"{name}:{side}: {calls} calls, {len(cases)} cases")
            sites |= cases
    todo = in_order(sites, random.Random(options.seed))
    total = len(todo)
    deadline = time.monotonic() + options.seconds if options.seconds else None
    happened, ran, failures = Counter(), 0, 0
    with ProcessPoolExecutor(options.jobs, initializer=start_worker, initargs=(directory, shim)) as pool:
        rest = iter(todo)
        running = {pool.submit(run_case, case) for case in islice(rest, options.jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                case, (trouble, _, fired) = future.result()
                ran += 1
                happened[case[2]] += fired
                if trouble:
                    failures += 1
                    world.say(f"FAILED sweep.py --only {':'.join(map(str, case))}\n    {trouble}")
                if deadline is None or time.monotonic() < deadline:
                    running |= {pool.submit(run_case, following) for following in islice(rest, 1)}
    counts = ", ".join(f"{kind} {happened[kind]}" for kind in KINDS)
    world.say(f"sweep: {ran} of {total} cases, faults that happened: {counts}; {failures} failed")
    if sum(happened.values()) < ran // 2:
        world.say("FAILED: most faults did not happen: the shim does not work")
        failures += 1
    return failures


def one_case(options, directory, shim):
    name, side, kind, at = options.only.split(":")
    trouble, calls, fired = Worker(directory, shim).run(name, side, kind, at, options.keep)
    hit = calls[int(at) - 1] if at.isdigit() and 0 < int(at) <= len(calls) else at
    world.say(f"{options.only}: {'happened' if fired else 'did not happen'} at {hit}")
    world.say(f"FAILED: {trouble}" if trouble else "every promise held")
    return 1 if trouble else 0


def main():
    parser = argparse.ArgumentParser(description="Breaks one file call after the other.")
    parser.add_argument("--seconds", type=float, help="start no further case after so long")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", metavar="SCENARIO:SIDE:KIND:AT")
    parser.add_argument("--keep", action="store_true", help="leave the homes of --only")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--lying-disk", action="store_true")
    options = parser.parse_args()
    if options.lying_disk:
        os.environ["FAULT_LYING_DISK"] = "1"  # the shim of each command reads it
    if options.list:
        for name, scenario in SCENARIOS.items():
            world.say(f"{name} ({', '.join(scenario.sides)}): {scenario.__doc__}")
        return 0
    directory = world.scratch_directory()
    try:
        shim = world.build_shim(directory)
        why_not = world.shim_works(shim)
        if why_not:
            world.say(f"the shim cannot be loaded here: {why_not}")
            return 77
        if options.only:
            return one_case(options, directory, shim)
        world.say(f"sweep: seed {options.seed}")
        return 1 if sweep(options, directory, shim) else 0
    finally:
        if options.keep:
            world.say(f"left in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
