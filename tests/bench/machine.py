"""What this machine can do at all: the limits beside which the figures have to be read."""

import ctypes
import ctypes.util
import mmap
import os
import platform
import time
from pathlib import Path

MIB = 1024 * 1024


def describe(directory):
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    return {
        "cores": os.cpu_count(), "processor": model, "memory_mib": memory, "kernel": platform.release(),
        "file_system": file_system(directory), "load": round(os.getloadavg()[0], 2)}


def file_system(directory):
    """The type of the file system with the longest mount point above the directory."""
    best = ("", "unknown")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind = line.split()[:3]
        inside = str(directory).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def fsync_rate(directory, seconds):
    """Times per second that 4 KiB can be appended and synced."""
    path = directory / "fsync"
    block = os.urandom(4096)
    with open(path, "wb", buffering=0) as file:
        started = time.monotonic()
        count = 0
        while time.monotonic() - started < seconds:
            file.write(block)
            os.fsync(file.fileno())
            count += 1
        rate = count / (time.monotonic() - started)
    path.unlink()
    return rate


def write_rate(directory, size, direct):
    """MiB per second of a new file, to the end of the final fsync."""
    path = directory / "write"
    block = mmap.mmap(-1, 4 * MIB)  # aligned, as O_DIRECT wants it
    block.write(os.urandom(4 * MIB))
    flags = os.O_WRONLY | os.O_CREAT | (os.O_DIRECT if direct else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
        started = time.monotonic()
        for _ in range(size // (4 * MIB)):
            os.write(descriptor, block)
        os.fsync(descriptor)
        seconds = time.monotonic() - started
        os.close(descriptor)
        return size / MIB / seconds
    except OSError:
        return None  # a file system without O_DIRECT
    finally:
        path.unlink(missing_ok=True)


def primitives(seconds):
    """MiB per second of one core: ChaCha20-Poly1305 and BLAKE2b of libsodium, in pieces as letters
    have them. None without the library."""
    name = ctypes.util.find_library("sodium")
    if not name:
        return None, None
    sodium = ctypes.CDLL(name)
    sodium.sodium_init()
    chunk, block = 65520, MIB
    plain, sealed = ctypes.create_string_buffer(block), ctypes.create_string_buffer(block)
    key, digest = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    size = ctypes.c_ulonglong

    def aead():
        sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
            sealed, None, plain, size(chunk), None, size(0), None, key, key)

    def blake2b():
        sodium.crypto_generichash(digest, ctypes.c_size_t(32), plain, size(block), None, ctypes.c_size_t(0))

    return rate(aead, chunk, seconds), rate(blake2b, block, seconds)


def rate(action, size, seconds):
    started = time.monotonic()
    count = 0
    while time.monotonic() - started < seconds:
        action()
        count += 1
    return count * size / MIB / (time.monotonic() - started)


def limits(directory, quick):
    """The figures in the order in which they are shown."""
    seconds, size = (0.3, 64 * MIB) if quick else (2.0, 1024 * MIB)
    aead, hashing = primitives(seconds)
    return [
        ("append 4 KiB and fsync", fsync_rate(directory, seconds), "/s"),
        ("write with a final fsync", write_rate(directory, size, direct=False), "MiB/s"),
        ("write with O_DIRECT", write_rate(directory, size, direct=True), "MiB/s"),
        ("ChaCha20-Poly1305, one core", aead, "MiB/s"),
        ("BLAKE2b, one core", hashing, "MiB/s"),
    ]
