#!/usr/bin/env python3
"""A hostile network between two nodes: partitions, half-open and reset connections, cuts at random
bytes, delays, doubled connections and replays. When it calms down, each letter is there once.

  proxy.py [--seconds N] [--seed N] [--mode MODE]

Both nodes listen on loopback and advertise a port of the proxy, which chooses a mode for each
connection that it takes.
"""

import argparse
import random
import selectors
import shutil
import socket
import struct
import sys
import threading
import time

import world
from world import Violation, check_claims, check_disk, check_holds, check_once, until

PIECE = 16 * 1024
DARKNESS = 8  # seconds at most; a conversation itself waits for much longer
RECORDING = 64 * 1024  # bytes of a connection that are kept for a replay
MOST_CONNECTIONS = 64
MOST_AT_ONCE = 6  # commands
CALM = 60  # seconds for the queues to become empty


class Link:
    """One connection from a dialer to the node behind the proxy, and what the mode does to it."""

    MODES = [
        "pass", "refuse", "reset", "cut", "silence", "deaf", "mute", "delay", "dribble", "twice",
        "replay",
    ]

    def __init__(self, near, far, mode, rng):
        self.near, self.far, self.mode, self.random = near, far, mode, rng
        self.passed = 0
        # Handshake and hello are some kilobytes, a letter some more.
        self.limit = rng.choice([rng.randrange(600), rng.randrange(8000), rng.randrange(200_000)])
        self.heard = b""
        self.second = None  # for twice: the same bytes to a connection of their own
        self.end = None  # when a link that went dark is reset at last

    def others(self):
        return list({one for one in (self.near, self.far, self.second) if one is not None})

    def forward(self, source, data):
        """False when the link is over."""
        target = self.far if source is self.near else self.near
        self.passed += len(data)
        over = self.passed > self.limit
        if source is self.near and len(self.heard) < RECORDING:
            self.heard += data
        if over and self.mode in ("cut", "reset"):
            if self.mode == "cut":
                send_all(target, data[: self.random.randrange(len(data))])
            return False
        if over and self.is_dark(source):
            self.end = self.end or time.monotonic() + self.random.uniform(1, DARKNESS)
            return True
        if self.mode == "delay":
            time.sleep(self.random.uniform(0, 0.05))
        if self.mode == "dribble" and self.passed < 4000:
            return all(send_all(target, data[i : i + 1]) for i in range(len(data)))
        if self.second is not None and source is self.near:
            send_all(self.second, data)
        return send_all(target, data)

    def is_dark(self, source):
        """silence: both ways; deaf: the node hears nothing more; mute: it is not heard any more."""
        from_dialer = source is self.near
        return {"silence": True, "deaf": from_dialer, "mute": not from_dialer}.get(self.mode, False)

    def close(self):
        for one in self.others():
            if self.mode == "reset" or self.end is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()


def send_all(target, data):
    try:
        target.settimeout(2)
        target.sendall(data)
        return True
    except OSError:
        return False


class Proxy(threading.Thread):
    """Listens on a port of its own for one node. Set `target` before anybody dials."""

    def __init__(self, seed, modes):
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.modes, self.calm = modes, False
        self.target = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.links, self.used = [], {mode: 0 for mode in Link.MODES}
        self.ended, self.must_drop = threading.Event(), threading.Event()

    def run(self):
        while not self.ended.is_set():
            if self.must_drop.is_set():
                for link in self.links:
                    link.close()
                self.links = []
                self.must_drop.clear()
            self.turn()
        for link in self.links:
            link.close()
        self.listener.close()

    def turn(self):
        for link in [link for link in self.links if link.end and link.end < time.monotonic()]:
            link.close()
            self.links.remove(link)
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            for link in self.links:
                for one in link.others():
                    selector.register(one, selectors.EVENT_READ, link)
            for key, _ in selector.select(0.05):
                if key.data is None:
                    self.accept()
                elif key.data in self.links:
                    self.move(key.data, key.fileobj)

    def accept(self):
        near, _ = self.listener.accept()
        mode = "pass" if self.calm else self.random.choice(self.modes)
        if mode == "refuse" or len(self.links) >= MOST_CONNECTIONS:
            self.used["refuse"] += 1
            near.close()
            return
        far = self.dial()
        if far is None:
            near.close()
            return
        link = Link(near, far, mode, self.random)
        if mode == "twice":
            link.second = self.dial()
        self.used[mode] += 1
        self.links.append(link)

    def dial(self):
        host, _, port = self.target.removeprefix("tcp://").rpartition(":")
        try:
            return socket.create_connection((host, int(port)), timeout=2)
        except OSError:
            return None

    def move(self, link, source):
        try:
            source.settimeout(2)
            data = source.recv(PIECE)
        except OSError:
            data = b""
        if source is link.second:
            if not data:
                link.second.close()
                link.second = None
            return
        if data and link.forward(source, data):
            return
        link.close()
        self.links.remove(link)
        if link.mode == "replay" and link.heard:
            self.replay(link.heard)

    def replay(self, heard):
        """What a dialer said once more to the node, which must not believe it."""
        again = self.dial()
        if again is None:
            return
        send_all(again, heard)
        # Held open for a while: the node's answers go nowhere.
        listening = Link(again, again, "silence", self.random)
        listening.limit = 0
        self.links.append(listening)

    def be_calm(self):
        self.calm = True
        self.must_drop.set()
        return until(5, lambda: not self.must_drop.is_set())

    def end(self):
        self.ended.set()
        self.join(5)


class Weather:
    def __init__(self, directory, seed, modes):
        self.random = random.Random(seed)
        self.alice, self.bob = (world.make_person(directory, name) for name in ("alice", "bob"))
        self.people = (self.alice, self.bob)
        self.proxies = [Proxy(self.random.random(), modes) for _ in self.people]
        for one, proxy in zip(self.people, self.proxies):
            proxy.target = one.serve(more=["--advertise", proxy.place])
            proxy.start()
        world.befriend(*self.people)
        self.accepted = {"alice": [], "bob": []}  # by the name of the recipient
        self.jobs, self.count = world.Jobs(), 0

    def letter(self):
        sender = self.random.choice(self.people)
        recipient = self.bob if sender is self.alice else self.alice
        subject = f"letter {self.count}"
        self.count += 1
        body = (world.MARKER + b" word\n") * self.random.choice([1, 1, 500, 100_000])
        words = ["send", "--json", "--wait", "1s", "-s", subject, recipient.name]

        def note(done):
            if done.status not in (0, 75):
                raise Violation(f"mail that has to wait is no error: {done}")
            self.accepted[recipient.name].append(subject)
            if done.status == 0:
                check_holds(recipient, subject, "send --wait")

        self.jobs.start(sender, *words, body=body, then=note)

    def fetch(self):
        def note(done):
            if done.status != 0:
                raise Violation(f"who cannot be reached is no error: {done}")

        self.jobs.start(self.random.choice(self.people), "fetch", "--timeout", "3s", then=note)

    def blow(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.jobs.reap()
            if len(self.jobs.running) >= MOST_AT_ONCE:
                time.sleep(0.01)
            elif self.random.random() < 0.6:
                self.letter()
            else:
                self.fetch()

    def clear_up(self):
        for proxy in self.proxies:
            if not proxy.be_calm():
                raise Violation("the proxy itself hangs")
        self.jobs.wait()
        world.drain(self.people, CALM)

    def check(self):
        for one in self.people:
            check_once(one, self.accepted[one.name])
        check_claims(self.alice, self.bob)
        check_claims(self.bob, self.alice)
        for one in self.people:
            one.stop()
        check_disk(*self.people)

    def end(self):
        for proxy in self.proxies:
            proxy.end()
        world.end_nodes(self.people)
        self.jobs.end()


def main():
    parser = argparse.ArgumentParser(description="A hostile network between two nodes.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--mode", choices=Link.MODES, help="this one only, besides pass")
    options = parser.parse_args()
    world.say(f"proxy: seed {options.seed}")
    directory = world.scratch_directory()
    weather = None
    try:
        modes = ["pass", options.mode] if options.mode else Link.MODES
        weather = Weather(directory, options.seed, modes)
        weather.blow(options.seconds)
        weather.clear_up()
        weather.check()
        used = {mode: sum(proxy.used[mode] for proxy in weather.proxies) for mode in Link.MODES}
        words = ", ".join(f"{mode} {number}" for mode, number in used.items())
        world.say(f"proxy: {weather.count} letters, connections: {words}; 0 failed")
        return 0
    except Violation as broken:
        again = f"--seconds {options.seconds:g} --seed {options.seed}"
        world.say(f"FAILED proxy.py {again}\n    {broken}")
        return 1
    finally:
        if weather:
            weather.end()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
