#!/usr/bin/env python3
"""Runs the cases, prints the table and writes the results; started by tests/bench/run, which builds
the program and says in $P2PMAIL where it is.

Exit status: 0, also when a goal is missed; 1 when a case failed; 64 for wrong usage.
"""

import argparse
import datetime
import json
import os
import shutil
import signal
import statistics
import sys
from pathlib import Path

import machine
from cases import BOUNDS, CASES
from people import Failed, Skipped, World


class TooLate(Exception):
    """The bound of a case; not a Failed, so that no peer is blamed for it."""


class Bench:
    """What the cases get: the world, rounds, peers that are there, and where figures go."""

    def __init__(self, options):
        self.quick, self.rounds = options.quick, options.rounds
        self.world = None
        self.case = None
        self.figures, self.sections, self.notes, self.peaks = [], [], [], {}
        self.skipped, self.failed, self.broken = [], [], []

    def each_round(self):
        for number in range(self.rounds):
            say(f"  {self.case}: round {number + 1} of {self.rounds}")
            yield number

    def peer(self, kind):
        """The peer, started; None when it cannot be had, which is counted and said."""
        try:
            return kind(self.world)
        except (Skipped, Failed) as why:
            self.skip(f"{self.case} beside {kind.__name__}", why)
            return None

    def beside(self, peer, measure):
        """What the peer's round gave, or None without that peer; one that fails is not asked again."""
        if not peer or peer in self.broken:
            return None
        try:
            return measure()
        except Failed as why:
            self.broken.append(peer)
            self.fail(f"{self.case} beside {type(peer).__name__}", why)
            return None

    def fail(self, what, why):
        self.failed.append({"what": what, "why": str(why)})
        say(f"FAILED {what}: {why}")

    def skip(self, what, why):
        self.skipped.append({"what": what, "why": str(why)})
        say(f"skipped {what}: {why}")

    def note(self, line):
        self.notes.append(line)
        say(f"  {line}")

    def section(self, name, lines):
        self.sections.append({"name": name, "text": lines})

    def figure(self, case, what, unit, ours, peer=None, goal=None, less=False):
        """One line of the table. `ours` and the peer's are all rounds; the ratio, more than 1 when
        p2pmail is the better one, is of the medians. A goal without a peer is a value of `unit`."""
        one = {"case": case, "what": what, "unit": unit, "ours": ours, "median": statistics.median(ours),
               "less_is_better": less, "goal": goal}
        values = [value for value in peer[1] if value is not None] if peer else []
        if values:
            one |= {"peer": peer[0], "peer_values": values, "peer_median": statistics.median(values)}
            quotient = one["median"] / one["peer_median"]
            one["ratio"] = 1 / quotient if less else quotient
        self.figures.append(one)

    def run(self, name):
        """One case in a world of its own, with a bound."""
        say(f"{name}: {CASES[name].__doc__.splitlines()[0]}")
        self.case, self.world = name, World()
        try:
            signal.alarm(BOUNDS[name])
            CASES[name](self)
        except Skipped as why:
            self.skip(name, why)
        except (Failed, TooLate, OSError) as why:
            self.fail(name, why)
        finally:
            signal.alarm(0)
            self.peaks.update(self.world.peaks)
            close(self.world)


ENDINGS = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT}


def close(world):
    """All of it, although somebody asks again for the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    world.close()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def say(line):
    print(line, file=sys.stderr, flush=True)


def number(value):
    """Three digits are as many as these measurements are worth."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def reached(figure):
    """yes, no, or nothing without a goal."""
    if figure["goal"] is None or ("ratio" not in figure and figure["unit"] in ("/s", "ms", "s")):
        return ""
    if "ratio" in figure:
        return "yes" if figure["ratio"] >= figure["goal"] else "no"
    return "yes" if figure["median"] <= figure["goal"] else "no"


def columns(rows):
    """Text in columns, the first two to the left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if at < 2 else cell.rjust(width)
                 for at, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return lines


def table(figures):
    rows = [("case", "what", "p2pmail", "peer", "", "ratio", "goal", "reached")]
    for one in figures:
        peer = number(one["peer_median"]) if "peer" in one else ""
        ratio = f"{one['ratio']:.2f}" if "ratio" in one else ""
        goal = f"{one['goal']:g}" if one["goal"] is not None else ""
        ours = f"{number(one['median'])} {one['unit']}"
        rows.append((one["case"], one["what"], ours, peer, one.get("peer", ""), ratio, goal, reached(one)))
    return columns(rows)


def report(bench, about, limits):
    lines = [f"{about['cores']} cores of {about['processor']}, {about['memory_mib']} MiB, Linux "
             f"{about['kernel']}, {about['file_system']}, load {about['load']} at the start; median of "
             f"{bench.rounds} rounds" + (", quick: sizes too small to mean anything" if bench.quick else "")]
    lines += ["", "The machine's own limits"]
    lines += columns([(what, "", f"{number(value)} {unit}") for what, value, unit in limits])
    if bench.figures:
        lines += ["", "A ratio above 1: p2pmail is the better one", *table(bench.figures)]
    if bench.peaks:
        rows = [(label, "", f"{kib / 1024:.1f} MiB") for label, kib in sorted(bench.peaks.items())]
        lines += ["", "Peak memory of p2pmail's processes", *columns(rows)]
    for section in bench.sections:
        lines += ["", section["name"], section["text"]]
    lines += [""] + [f"note: {one}" for one in bench.notes]
    lines += [f"skipped {one['what']}: {one['why']}" for one in bench.skipped]
    lines += [f"FAILED {one['what']}: {one['why']}" for one in bench.failed]
    lines += [f"{len(bench.figures)} figures, {len(bench.failed)} failed, {len(bench.skipped)} skipped"]
    return "\n".join(lines) + "\n"


def results(bench, about, limits):
    return {
        "version": 1, "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "quick": bench.quick, "rounds": bench.rounds, "machine": about,
        "limits": [{"what": what, "value": value, "unit": unit} for what, value, unit in limits],
        "figures": bench.figures, "peak_kib": bench.peaks, "sections": bench.sections,
        "notes": bench.notes, "skipped": bench.skipped, "failed": bench.failed}


def default_output():
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "p2pmail-bench" / datetime.datetime.now().strftime("%Y-%m-%dT%H%M%S.json")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="sh tests/bench/run", description="Benchmarks beside what a "
                                     "user would pick instead.", epilog="cases: " + " ".join(CASES))
    parser.add_argument("cases", nargs="*", metavar="CASE", help="these only")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, no table")
    parser.add_argument("--rounds", type=int, default=None, metavar="N", help="3, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="small sizes: tries the script, not the speed")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the results go as JSON; the table "
                        "goes beside it, with .txt")
    parser.add_argument("--no-install", action="store_true", help="do without the peers that are missing")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as done:
        sys.exit(64 if done.code else 0)
    unknown = [one for one in options.cases if one not in CASES]
    if unknown or (options.rounds is not None and options.rounds < 1):
        say(f"no such case: {unknown[0]}" if unknown else "at least one round")
        sys.exit(64)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def too_late(*_):
    raise TooLate("the bound of the case was reached")


def write(bench, about, limits, options):
    output = options.output or default_output()
    output.parent.mkdir(parents=True, exist_ok=True)
    found = json.dumps(results(bench, about, limits), indent=1)
    shown = report(bench, about, limits)
    output.write_text(found + "\n")
    output.with_suffix(".txt").write_text(shown)
    print(found if options.json else shown, flush=True)
    say(f"written to {output}")


def main():
    options = parse(sys.argv[1:])
    if not shutil.which("/usr/bin/time"):
        say("GNU time is missing (Debian: time)")
        return 69
    signal.signal(signal.SIGALRM, too_late)
    for ending in ENDINGS:
        signal.signal(ending, lambda which, _: sys.exit(128 + which))
    bench = Bench(options)
    place = World()
    try:
        about = machine.describe(place.place)
        limits = machine.limits(place.place, options.quick)
    finally:
        close(place)
    if about["file_system"] == "tmpfs":
        bench.note("the directory is in memory, where fsync costs nothing: set TMPDIR")
    for name in options.cases or CASES:
        bench.run(name)
    write(bench, about, limits, options)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
