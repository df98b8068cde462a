"""For the fault scripts: people with stores of their own, commands with a bound, and the promises.

The promises: what `send` accepted arrives exactly once or is still honestly queued; nothing is
called delivered that the recipient does not hold; nothing arrives twice; no word of a message on a
disk; no hang, and no exit status that the man pages do not know.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
P2PMAIL = os.environ.get("P2PMAIL") or str(TOP / "build" / "dev" / "p2pmail")
STATUSES = {0, 64, 65, 66, 67, 69, 70, 73, 74, 75, 77, 78}  # 70 is a bug and said to be one
LIMIT = 60  # seconds for a command; more than every bound of its own
MARKER = b"Xylophone"
# The word, and what base64 makes of it at each of the three places where it may start.
WORDS = [MARKER, b"WHlsb3Bob25l", b"h5bG9waG9uZ", b"YeWxvcGhvbm"]


class Violation(Exception):
    """A promise that was broken, in words."""


def scratch_directory():
    """A new directory, where TMPDIR says or in memory; who is told to end removes it, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    base = os.environ.get("TMPDIR")
    if not base and os.access("/dev/shm", os.W_OK):
        base = "/dev/shm"
    return Path(tempfile.mkdtemp(prefix="p2pmail-faults-", dir=base))


def build_shim(directory):
    """Compiles the shim; answers its path."""
    shim = directory / "shim.so"
    compiler = [os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC"]
    subprocess.run([*compiler, "-o", shim, HERE / "shim.c", HERE / "power.c"], check=True)
    return shim


def shim_environment(shim, **settings):
    """Environment that loads the shim; a sanitizer that is linked in does not mind."""
    env = {"LD_PRELOAD": str(shim)}
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    env["ASAN_OPTIONS"] = sanitizer.lstrip(":")
    env.update({name: str(value) for name, value in settings.items()})
    return env


def shim_works(shim):
    """None, or why not."""
    env = {**os.environ, **shim_environment(shim)}
    done = subprocess.run([P2PMAIL, "--version"], env=env, capture_output=True, timeout=LIMIT)
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()[:200]


def until(seconds, condition):
    """Polls `condition` until it is true; False when the bound is reached."""
    end = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.02)


class Done:
    """What a command left: status, lines of JSON from standard output, text from standard error."""

    def __init__(self, words, status, out, err):
        self.words, self.status, self.err = words, status, err
        self.out = out
        self.killed = status == -signal.SIGKILL

    def objects(self, kind=None):
        found = []
        for line in self.out.decode(errors="replace").splitlines():
            try:
                one = json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed
            if kind is None or one.get("type") == kind:
                found.append(one)
        return found

    def __str__(self):
        said = self.err.decode(errors="replace").strip().splitlines()[-3:]
        words = " ".join(self.words)
        return f"`p2pmail {words}` ended with {self.status}: {' | '.join(said)[:600]}"


def check_status(done, may_be_killed):
    if done.killed and may_be_killed:
        return
    if done.status not in STATUSES:
        raise Violation(f"a crash: {done}")
    if done.status == 70:
        raise Violation(f"a bug of its own word: {done}")
    if MARKER in done.err:
        raise Violation(f"a word of a message in a log: {done}")


class Person:
    """One identity in a directory of its own."""

    def __init__(self, directory, name):
        self.name, self.home = name, Path(directory) / name
        self.node = None

    def run(self, *words, env=None, body=b"", limit=LIMIT, may_be_killed=False):
        """One command to its end."""
        done = self.finish(self.start(*words, env=env, body=body), limit)
        check_status(done, may_be_killed or bool(env and env.get("FAULT_AT")))
        return done

    def must(self, *words, **more):
        done = self.run(*words, **more)
        if done.status != 0:
            raise Violation(f"without a fault it should succeed: {done}")
        return done

    def start(self, *words, env=None, body=b""):
        """A command in the background; for `finish`."""
        out, err, source = (tempfile.TemporaryFile() for _ in range(3))
        source.write(body)
        source.seek(0)
        full = {**os.environ, "P2PMAIL_HOME": str(self.home), **(env or {})}
        command = [P2PMAIL, *words]
        process = subprocess.Popen(command, env=full, stdin=source, stdout=out, stderr=err)
        source.close()
        process.words, process.files = words, (out, err)
        return process

    def finish(self, process, limit=LIMIT):
        try:
            status = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Violation(f"a hang: `p2pmail {' '.join(process.words)}` runs for {limit} seconds")
        texts = []
        for file in process.files:
            file.seek(0)
            texts.append(file.read())
            file.close()
        return Done(process.words, status, *texts)

    # A node of one's own.

    def serve(self, endpoint="tcp://127.0.0.1:0", env=None, must=True, more=()):
        """Starts to listen; answers the endpoint, None when it ended before that."""
        self.log_path = self.home.parent / f"{self.name}.serve"
        with open(self.log_path, "wb") as out, open(f"{self.log_path}.err", "wb") as err:
            full = {**os.environ, "P2PMAIL_HOME": str(self.home), **(env or {})}
            self.node = subprocess.Popen(
                [P2PMAIL, "serve", "--json", "--listen", endpoint, *more],
                env=full, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )
        self.node_env = env or {}
        said = lambda: self.listening() or self.node.poll() is not None
        if not until(LIMIT, said):
            self.stop()
            raise Violation("a hang: serve neither listens nor ends")
        if self.node.poll() is not None and must:
            raise Violation(f"serve does not start: {self.node_error()}")
        return self.listening() if self.node.poll() is None else None

    def listening(self):
        for line in self.log_path.read_bytes().splitlines():
            if b'"listening"' in line and line.endswith(b"}"):
                return json.loads(line)["endpoint"]
        return None

    def node_error(self):
        text = Path(f"{self.log_path}.err").read_bytes()
        return f"{text.decode(errors='replace').strip()[-400:]} (status {self.node.poll()})"

    def is_serving(self):
        return self.node is not None and self.node.poll() is None

    def stop(self, how=signal.SIGTERM, limit=LIMIT):
        """Ends the node and looks at how it ended."""
        node, self.node = self.node, None
        if node is None:
            return
        if node.poll() is None:
            node.send_signal(how)
        try:
            status = node.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()
            raise Violation("a hang: serve does not end when told to")
        err = Path(f"{self.log_path}.err").read_bytes()
        done = Done(("serve",), status, b"", err)
        check_status(done, how == signal.SIGKILL or bool(self.node_env.get("FAULT_AT")))

    # What there is.

    def messages(self, folder="INBOX"):
        done = self.run("ls", "--json", folder)
        if done.status == 66:
            return []
        if done.status != 0:
            raise Violation(f"the mail cannot be listed: {done}")
        return done.objects("message")

    def subjects(self, folder="INBOX"):
        found = self.messages(folder)
        for one in found:
            if one["damage"]:
                raise Violation(f"{self.name} has a damaged message in {folder}: {one['damage']}")
        return [one["subject"] for one in found]

    def all_subjects(self):
        """Of every folder that holds received mail."""
        found = []
        for folder in (self.home / "mail").glob(".[A-Z]*"):
            holds = [*folder.glob("new/*"), *folder.glob("cur/*")]
            if folder.name != ".Sent" and holds:
                found += self.subjects(folder.name)
        return found + self.subjects()

    def queued(self):
        done = self.must("queue", "--json")
        return done.objects("queue-entry")

    def introduce(self, other):
        """`other` learns my card."""
        card = self.must("card").out
        other.must("peers", "add", self.name, body=card)


class Jobs:
    """Commands in the background; some are killed at a moment that was chosen before."""

    def __init__(self):
        self.running, self.kills = [], 0

    def start(self, person, *words, body=b"", death=None, then=None):
        """`death`: a time.monotonic(); `then` gets what the command left, killed or not."""
        self.running.append((person.start(*words, body=body), person, death, then))

    def reap(self):
        still = []
        for process, person, death, then in self.running:
            if process.poll() is None:
                if death is not None and time.monotonic() >= death:
                    process.kill()
                    self.kills += 1
                still.append((process, person, death, then))
                continue
            done = person.finish(process)
            check_status(done, may_be_killed=death is not None)
            if then is not None:
                then(done)
        self.running = still

    def wait(self):
        def all_done():
            self.reap()
            return not self.running

        if not until(LIMIT, all_done):
            raise Violation(f"a hang: {[job[0].words for job in self.running]}")

    def end(self):
        for process, *_ in self.running:
            process.kill()
            process.wait()


def drain(people, seconds):
    """Everybody fetches until nobody has anything queued."""

    def drained():
        for one in people:
            one.must("fetch")
        return not any(one.queued() for one in people)

    for one in people:
        if one.node is not None and not one.is_serving():
            raise Violation(f"{one.name}'s node ended by itself: {one.node_error()}")
    if not until(seconds, drained):
        left = {one.name: [q["reason"] for q in one.queued()] for one in people}
        raise Violation(f"what is queued is not delivered: {left}")


def end_nodes(people):
    for one in people:
        if one.is_serving():
            one.node.kill()
            one.node.wait()


def make_person(directory, name):
    person = Person(directory, name)
    person.must("keygen", "--name", name, "--no-passphrase")
    return person


def befriend(*people):
    for one in people:
        for other in people:
            if one is not other:
                one.introduce(other)


def copy_home(source, target):
    """A home as a backup has it; in memory faster than a program for it."""
    shutil.copytree(source, target, symlinks=True)


# The promises.


def check_once(recipient, expected, queued=()):
    """Each of `expected` is there once, unless it is in `queued`; nothing is there twice."""
    there = recipient.all_subjects()
    twice = sorted({s for s in there if there.count(s) > 1})
    if twice:
        raise Violation(f"{recipient.name} has got twice: {twice}")
    lost = [s for s in expected if s not in there and s not in queued]
    if lost:
        raise Violation(f"accepted, and neither with {recipient.name} nor queued: {lost}")


def check_claims(sender, recipient):
    """What the sender calls delivered, its one recipient holds."""
    sent = [one for one in sender.messages(".Sent") if one["id"]]
    claimed = {one["subject"] for one in sent if one["delivery"] == "delivered"}
    for one in sent[-1:]:
        for said in sender.run("queue", "show", "--json", one["id"]).objects("delivery"):
            if said["state"] == "delivered" and said["recipient"] == recipient.name:
                claimed.add(one["subject"])
    missing = claimed - set(recipient.all_subjects()) if claimed else None
    if missing:
        raise Violation(f"called delivered, and {recipient.name} has it not: {sorted(missing)}")


def check_holds(recipient, subject, who_says):
    if subject not in recipient.all_subjects():
        raise Violation(f"{who_says} calls {subject!r} delivered, and {recipient.name} has it not")


def check_disk(*people):
    """No word of a message in any file."""
    for person in people:
        for path in person.home.rglob("*"):
            try:
                content = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:
                continue
            if any(word in content for word in WORDS):
                raise Violation(f"a word of a message on disk: {path.relative_to(person.home)}")


def say(text):
    print(text, flush=True)
