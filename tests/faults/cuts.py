#!/usr/bin/env python3
"""One large letter over a link that breaks at random bytes: cut, the sender killed, the receiver killed.
It arrives once, as it was, and the bytes on the wire are not many more than its own.

  cuts.py [--mib N] [--breaks N] [--seed N]
"""

import argparse
import os
import random
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROGRAM = os.environ["P2PMAIL"]
WAIT = 120  # seconds, for anything
MIB = 1 << 20


class Wire:
    """Forwards one connection after another to `port`, and counts. After `limit` bytes: `on_limit`."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.port, self.bytes, self.limit, self.on_limit = None, 0, None, None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.port), 5)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self.forward, args=(near, far), daemon=True).start()

    def forward(self, near, far):
        with near, far, selectors.DefaultSelector() as both:
            both.register(near, selectors.EVENT_READ, far)
            both.register(far, selectors.EVENT_READ, near)
            try:
                while self.step(both):
                    pass
            except OSError:
                pass

    def step(self, both):
        for key, _ in both.select(WAIT):
            data = key.fileobj.recv(1 << 16)
            if not data:
                return False
            key.data.sendall(data)
            self.bytes += len(data)
            if self.limit is not None and self.bytes >= self.limit:
                self.limit = None
                return self.on_limit()
        return True


class Play:
    def __init__(self, directory, size, seed):
        self.home, self.size, self.random = Path(directory), size, random.Random(seed)
        self.wire, self.node, self.sending = Wire(), None, None
        for name in ("alice", "bob"):
            self.run(name, "keygen", "--name", name, "--no-passphrase")
        self.serve("tcp://127.0.0.1:0")
        for who, other in (("alice", "bob"), ("bob", "alice")):
            card = self.home / f"{other}.card"
            card.write_bytes(self.run(other, "card"))
            self.run(who, "peers", "add", other, str(card))
        self.data = self.home / "data.bin"
        with self.data.open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))

    def start(self, who, *words, **how):
        env = os.environ | {"P2PMAIL_HOME": str(self.home / who)}
        return subprocess.Popen([PROGRAM, *words], env=env, stdin=subprocess.DEVNULL, **how)

    def run(self, who, *words):
        one = self.start(who, *words, stdout=subprocess.PIPE)
        out, _ = one.communicate(timeout=WAIT)
        if one.returncode:
            raise AssertionError(f"{who} {words} ends with {one.returncode}")
        return out

    def serve(self, place):
        log = self.home / "node.log"
        with log.open("wb") as out:
            self.node = self.start("bob", "serve", "--listen", place, "--advertise", self.wire.place,
                                   stdout=out, stderr=out)
        end = time.monotonic() + WAIT
        while not (found := re.search(rb"listening on tcp://[^\s:]+:(\d+)", log.read_bytes())):
            if time.monotonic() > end or self.node.poll() is not None:
                raise AssertionError(f"the node does not start: {log.read_bytes()}")
            time.sleep(0.02)
        self.wire.port = int(found[1])

    def fetch(self):
        self.sending = self.start("alice", "fetch", "-q", stderr=subprocess.DEVNULL)

    def break_once(self, kind):
        """After some bytes more; the sender goes on until then."""
        done = threading.Event()

        def happen():
            if kind == "sender":
                self.sending.kill()
            if kind == "receiver":
                self.node.kill()
            done.set()
            return False

        self.wire.on_limit = happen
        self.wire.limit = self.wire.bytes + self.random.randrange(MIB, self.size // 8)
        self.fetch()
        if not done.wait(WAIT):
            raise AssertionError("nothing comes")
        if kind == "receiver":
            self.node.wait()
            self.serve(f"tcp://127.0.0.1:{self.wire.port}")
        self.sending.wait(WAIT)

    def finish(self):
        end = time.monotonic() + WAIT
        while self.run("alice", "queue", "--json"):
            if time.monotonic() > end:
                raise AssertionError("it does not arrive")
            self.fetch()
            self.sending.wait(WAIT)
        mail = self.home / "bob" / "mail"
        count = sum(1 for folder in ("new", "cur") for _ in (mail / folder).iterdir())
        if count != 1:
            raise AssertionError(f"it is there {count} times")
        left = [one.name for one in (mail / ".p2pmail" / "partial").iterdir()]
        if left:
            raise AssertionError(f"left: {left}")
        saved = self.home / "saved"
        saved.mkdir()
        self.run("bob", "show", "-q", "--save", str(saved), "@")
        if subprocess.run(["cmp", self.data, saved / "data.bin"], check=False).returncode:
            raise AssertionError("it is not what was sent")

    def play(self, breaks):
        # Queued while nobody answers; the rest is for fetch.
        self.node.kill()
        self.node.wait()
        sent = self.start("alice", "send", "-q", "-s", "large", "-a", str(self.data), "bob",
                          stderr=subprocess.DEVNULL)
        sent.wait(WAIT)
        self.serve(f"tcp://127.0.0.1:{self.wire.port}")
        for index in range(breaks):
            self.break_once(("cut", "sender", "receiver")[index % 3])
        self.finish()
        return self.wire.bytes / self.size

    def end(self):
        for one in (self.node, self.sending):
            if one and one.poll() is None:
                one.send_signal(signal.SIGTERM)
                one.wait(WAIT)


def main():
    parser = argparse.ArgumentParser(description="A large letter over a link that breaks.")
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--breaks", type=int, default=6)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"cuts: seed {options.seed}")
    directory = tempfile.mkdtemp(prefix="p2pmail-cuts-")
    play = None
    try:
        play = Play(directory, options.mib * MIB, options.seed)
        ratio = play.play(options.breaks)
        print(f"cuts: {options.mib} MiB, {options.breaks} breaks, {ratio:.3f} times its size on the wire")
        return 0 if ratio < 1.3 else 1
    finally:
        if play:
            play.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
