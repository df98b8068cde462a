#!/usr/bin/env python3
"""Breaks one call on a file after the other, and looks whether every promise about mail holds.

  sweep.py [--seconds N] [--seed N] [--scenario NAME ...] [--jobs N]   a sample; without N all cases
  sweep.py --only SCENARIO:SIDE:KIND:AT [--keep]                       one, as a failure names it
  sweep.py --list
  --lying-disk with --only ...:power:...: no fsync counts, which has to be found out

Each scenario runs once without a fault to count its calls. Then each case starts from a fresh copy
of prepared homes, breaks call AT of one side (shim.c says how), lets the other calls through,
heals, and checks. In the end the kinds of faults that did happen are counted.
"""

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

import world
from relays import RELAY_SCENARIOS
from scenarios import KINDS, SCENARIOS, Case, Template
from world import Violation, check_claims, check_disk, check_once, until

SCENARIOS = SCENARIOS | RELAY_SCENARIOS
HEALING = 20  # seconds for what was interrupted to be finished


class Worker:
    """Runs cases one by one; has templates of its own, so that no two workers share a port."""

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
            world.end_nodes(case.people if case else ())
        result = (trouble, case.calls() if case else [], case.fired() if case else False)
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
        return result


def play(scenario, case):
    scenario.act(case)
    if case.at == "end":  # its power is cut when it has ended
        for one in case.people:
            if one.name == case.side:
                one.stop()
    if hasattr(scenario, "heal"):
        scenario.heal(case)
    else:
        heal(case, case.person(scenario.listener))
    check_once(case.bob, case.accepted)
    back = set(case.cancelled) & set(case.bob.all_subjects())
    if back:
        raise Violation(f"cancelled, and delivered even so: {sorted(back)}")
    check_sent(case)
    check_claims(case.alice, case.bob)
    for one in case.people:
        one.stop()
    check_disk(*case.people)


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
    pool = ProcessPoolExecutor(options.jobs, initializer=start_worker, initargs=(directory, shim))
    with pool:
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
