"""A stranger on loopback who is a nuisance, for stranger_floods.sh:

    stranger_floods.py idle|handshaken|endless|reconnect HOST:PORT LINK SECONDS

Bounded in connections, bytes and time; says what it did on its last line.
"""
import base64
import os
import socket
import sys
import time

import zmq

CONNECTIONS = 1000


def idle(place, _key, end):
    """TCP connections that say nothing, made again when the node closes them."""
    held, made, refused = [], 0, 0
    while time.monotonic() < end:
        for _ in range(CONNECTIONS - len(held)):
            try:
                s = socket.create_connection(place, timeout=5)
            except OSError:
                refused += 1
                continue
            s.setblocking(False)
            held.append(s)
            made += 1
        alive = []
        for s in held:
            try:
                if s.recv(1) == b"":
                    s.close()
                    continue
            except BlockingIOError:
                pass
            except OSError:
                s.close()
                continue
            alive.append(s)
        held = alive
        time.sleep(0.05)
    return f"{made} connections, {refused} refused"


def dealer(context, place, key, again_ms):
    public, secret = zmq.curve_keypair()
    s = context.socket(zmq.DEALER)
    s.setsockopt(zmq.LINGER, 0)
    s.setsockopt(zmq.RECONNECT_IVL, again_ms)
    s.setsockopt(zmq.CURVE_SERVERKEY, key)
    s.setsockopt(zmq.CURVE_PUBLICKEY, public)
    s.setsockopt(zmq.CURVE_SECRETKEY, secret)
    s.connect("tcp://%s:%d" % place)
    return s


def context():
    out = zmq.Context()
    out.set(zmq.MAX_SOCKETS, 2 * CONNECTIONS + 10)
    return out


def handshaken(place, key, end):
    """Connections that finish the key exchange and say nothing; zmq makes them again."""
    c = context()
    sockets = [dealer(c, place, key, 1000) for _ in range(CONNECTIONS)]
    time.sleep(max(0, end - time.monotonic()))
    for s in sockets:
        s.close()
    return f"{CONNECTIONS} sockets"


def endless(place, key, end):
    """Messages of many frames, large and tiny, that go on for far longer than the node can bear."""
    c = context()
    large, tiny = bytes(1 << 20), b""
    sockets = []
    for i in range(24):
        s = dealer(c, place, key, 200)
        for _ in range(400 if i % 2 == 0 else 200000):
            s.send(large if i % 2 == 0 else tiny, zmq.SNDMORE, copy=False)
        s.send(b"")
        sockets.append(s)
    time.sleep(max(0, end - time.monotonic()))
    for s in sockets:
        s.close()
    return f"{len(sockets)} messages, 400 MiB or 200,000 frames each"


def reconnect(place, _key, end):
    """Connects, sends what zmq sends first, goes away."""
    made, refused = 0, 0
    hello = b"\xff\0\0\0\0\0\0\0\1\x7f"
    while time.monotonic() < end:
        try:
            s = socket.create_connection(place, timeout=1)
            s.send(hello)
            s.close()
            made += 1
        except OSError:
            refused += 1
    return f"{made} connections, {refused} refused"


def main():
    what, place, link, seconds = sys.argv[1:5]
    host, port = place.rsplit(":", 1)
    text = link.split("/")[3].split("@")[0].upper()
    key = base64.b32decode(text)[:32]
    attack = {"idle": idle, "handshaken": handshaken, "endless": endless, "reconnect": reconnect}[what]
    said = attack((host, int(port)), key, time.monotonic() + float(seconds))
    print(said, flush=True)
    os._exit(0)  # zmq would take its time


main()
