"""For the benchmarks: commands with a bound and their peak memory, people with stores of their own,
nodes on loopback, and one place that ends and removes everything that was started or made."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

P2PMAIL = os.environ.get("P2PMAIL", "p2pmail")
TIME = "/usr/bin/time"


class Failed(Exception):
    """What went wrong, in words: the case is counted as failed."""


class Skipped(Exception):
    """Why it cannot be done here: counted as skipped."""


class World:
    """The scratch directory, the processes that run in it, and the peak memory of those that ended.

    A peak is the process's own high-water mark of resident memory, in KiB: from time(1) for commands,
    from VmHWM right before the end for nodes. (Waiting for a child of Python's own would report at
    least the size of the interpreter, which the child was forked from.)
    """

    def __init__(self):
        self.place = Path(tempfile.mkdtemp(prefix="p2pmail-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.place.chmod(0o711)  # other users' servers have to reach their own directories in it
        self.running = []
        self.endings = []
        self.peaks = {}
        self.lock = threading.Lock()

    def close(self):
        for process in reversed(self.running):
            end(process)
        self.running = []
        for ending in reversed(self.endings):
            ending()
        self.endings = []
        shutil.rmtree(self.place, ignore_errors=True)

    def directory(self, name):
        path = self.place / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def emptied(self, name):
        shutil.rmtree(self.place / name, ignore_errors=True)
        return self.directory(name)

    def start(self, words, log, **more):
        """A server; ended by `stop`, or with the world."""
        with open(log, "ab") as out:
            process = subprocess.Popen(
                [str(one) for one in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, **more)
        self.running.append(process)
        return process

    def stop(self, process, label=None):
        if label:
            self.note_peak(label, high_water(process.pid))
        end(process)
        if process in self.running:
            self.running.remove(process)

    def run(self, words, limit=60, stdin=b"", label=None, env=None):
        """Runs a command; answers (seconds, standard output). With a label its peak is noted."""
        words = [str(one) for one in words]
        if not label:
            return self.run_plainly(words, limit, stdin, env)
        with tempfile.NamedTemporaryFile(dir=self.place) as told:
            done = self.run_plainly([TIME, "-q", "-f", "%M", "-o", told.name, *words], limit, stdin, env)
            self.note_peak(label, int((told.read().split() or [b"0"])[-1]))
        return done

    def run_plainly(self, words, limit, stdin, env):
        started = time.monotonic()
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})}, start_new_session=True)
        try:
            out, err = process.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {limit} s: {' '.join(words[-6:])[:300]}") from None
        finally:
            end(process)
        seconds = time.monotonic() - started
        if process.returncode != 0:
            said = err.decode(errors="replace").strip()[-400:]
            raise Failed(f"exit {process.returncode} of {' '.join(words[-6:])[-300:]}: {said}")
        return seconds, out

    def note_peak(self, label, kib):
        with self.lock:
            self.peaks[label] = max(kib, self.peaks.get(label, 0))


def end(process):
    """Ends a process and what it started (its own session), within 15 seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        pass


def high_water(pid):
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(seconds, condition, what, pause=0.02):
    """Polls; a Failed when the bound is reached."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(pause)


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def entries(directory):
    try:
        with os.scandir(directory) as found:
            return sum(1 for _ in found)
    except FileNotFoundError:
        return 0


class Person:
    """One store; `copy_to` makes the same person in another place, for rounds that start alike."""

    def __init__(self, world, name, home=None):
        self.world, self.name = world, name
        self.home = home or world.place / "people" / name
        self.server = None

    def create(self, settings=""):
        self.home.mkdir(parents=True)
        (self.home / "config").write_text(settings)
        self.run("keygen", "--name", self.name, "--no-passphrase")
        return self

    def run(self, *words, **more):
        return self.world.run([P2PMAIL, *words], env={"P2PMAIL_HOME": str(self.home)}, **more)

    def card(self):
        path = self.world.place / f"{self.name}.card"
        self.run("card", "-o", path)
        return path

    def knows(self, *others):
        for other in others:
            self.run("peers", "add", other.name, other.card())

    def copy_to(self, home):
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        self.world.run(["cp", "-a", self.home, home], limit=600)
        return Person(self.world, self.name, home)

    def serve(self, port, advertise=None):
        log = self.world.place / f"{self.name}.log"
        log.write_bytes(b"")
        words = [P2PMAIL, "serve", "--listen", f"tcp://127.0.0.1:{port}"]
        if advertise:
            words += ["--advertise", f"tcp://127.0.0.1:{advertise}"]
        self.server = self.world.start(words, log, env={**os.environ, "P2PMAIL_HOME": str(self.home)})
        until(20, lambda: b"listening on" in log.read_bytes(), f"{self.name}'s node listens")
        return self

    def leave(self, label=None):
        if self.server:
            self.world.stop(self.server, label)
            self.server = None

    def mails(self):
        return entries(self.home / "mail" / "new") + entries(self.home / "mail" / "cur")


def two_people(world, port, advertise=None):
    """Alice and Bob, who know each other; Bob's card says where he listens."""
    alice, bob = Person(world, "alice").create(), Person(world, "bob").create()
    bob.serve(port, advertise).leave()
    alice.knows(bob)
    bob.knows(alice)
    return alice, bob
