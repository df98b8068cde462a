"""A TCP proxy on loopback that delays every byte, as a distant network would, and notes when the
handshake of a connection was over.

ZMTP 3.1 with CURVE: each side sends a greeting of 64 bytes; then the node answers HELLO with WELCOME
and INITIATE with READY (RFC 26). With the last byte of READY the handshake is over for the caller.
"""

import asyncio
import threading
import time

GREETING = 64
COMMANDS = 2  # WELCOME and READY


def handshake_is_over(heard):
    """Whether the last byte of READY is in what the node has sent so far."""
    at = GREETING
    for _ in range(COMMANDS):
        if len(heard) < at + 9:  # both commands are longer than the longest frame header
            return False
        if heard[at] & 2:  # a long frame
            at += 9 + int.from_bytes(heard[at + 1:at + 9], "big")
        else:
            at += 2 + heard[at + 1]
    return len(heard) >= at


class DelayingProxy:
    """Listens on a free port, and forwards to `target`; `delay` seconds each way."""

    def __init__(self, target, delay):
        self.target, self.delay = target, delay
        self.port = None
        self.handshake_over = None  # time.monotonic() of the last one
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def close(self):
        asyncio.run_coroutine_threadsafe(self.cancel_all(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def cancel_all(self):
        tasks = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def serve(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.connection, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()

    async def connection(self, near_in, near_out):
        try:
            far_in, far_out = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            near_out.close()
            return
        try:
            await asyncio.gather(
                self.pump(near_in, far_out, None), self.pump(far_in, near_out, bytearray()))
        except asyncio.CancelledError:
            pass  # at the end; asyncio's streams would print it

    async def pump(self, source, target, heard):
        waiting = asyncio.Queue()
        writer = asyncio.ensure_future(self.late(waiting, target, heard))
        try:
            while data := await source.read(65536):
                waiting.put_nowait((time.monotonic() + self.delay, data))
        except OSError:
            pass
        waiting.put_nowait((time.monotonic() + self.delay, b""))
        await writer

    async def late(self, waiting, target, heard):
        try:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    break
                target.write(data)
                await target.drain()
                if heard is not None:
                    heard += data
                    if handshake_is_over(heard):
                        self.handshake_over = time.monotonic()
                        heard = None
        except OSError:
            pass
        target.close()
