"""The cases. Each takes the bench (bench.py), measures in rounds, peers and p2pmail in turn, and hands
over its figures. The homes of a round are copies of prepared ones, so that all rounds start alike."""

import base64
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

from peers import AgeOverSsh, Nncp, Postfix
from people import Failed, Person, Skipped, free_port, two_people
from proxy import DelayingProxy

MIB = 1024 * 1024
SMALL = 2048  # bytes of a small mail's text


def text():
    """A text that does not compress and that no two mails share."""
    lines = base64.encodebytes(os.urandom(SMALL))
    return lines[:SMALL - 1] + b"\n"


def at_once(action, items):
    """Some at a time; what an interruption or a failure finds waiting is not begun any more."""
    pool = ThreadPoolExecutor(2 * (os.cpu_count() or 1))
    try:
        return list(pool.map(action, items))
    finally:
        pool.shutdown(cancel_futures=True)


def queue_many(person, count, recipient):
    """Fills the queue, a process for each mail, some at once; answers seconds."""
    def one(_):
        person.run("send", "-q", "--no-push", "-s", "bench", recipient, stdin=text())

    started = time.monotonic()
    at_once(one, range(count))
    return time.monotonic() - started


def expect_mails(person, count):
    if person.mails() != count:
        raise Failed(f"{person.name} has {person.mails()} mails, not {count}")


def fetch_until(bench, person, condition, label):
    """Seconds of as many fetches as it takes; more than one is worth a note."""
    seconds, _ = person.run("fetch", limit=900, label=label)
    runs = 1
    while not condition():
        if runs == 100:
            raise Failed(f"{label}: not all there after {runs} fetches")
        seconds += person.run("fetch", limit=900, label=label)[0]
        runs += 1
    if runs > 1:
        bench.note(f"{label} had to run {runs} times")
    return seconds


def held(relay):
    """Letters that it holds for all together."""
    _, out = relay.run("relay", "ls", "--json")
    return sum(json.loads(line).get("letters", 0) for line in out.splitlines())


def small(bench):
    """2 KiB mails with full fsync from a filled queue to the recipient's Maildir."""
    count, few = (300, 30) if bench.quick else (10_000, 500)
    world, port = bench.world, free_port()
    alice, bob = two_people(world, port)
    filling = queue_many(alice, count, "bob")
    bench.figure("small", f"queueing {count} mails, a process each", "/s", [count / filling])
    postfix, nncp = bench.peer(Postfix), bench.peer(Nncp)
    ours, smtp, packets, queued = [], [], [], []
    for _ in bench.each_round():
        ours.append(count / small_round(bench, alice, bob, port, count))
        smtp.append(bench.beside(postfix, lambda: count / postfix.many(count, SMALL, limit=900)))
        both = bench.beside(nncp, lambda: nncp.many([text() for _ in range(few)], limit=300))
        packets.append(few / both[1] if both else None)
        queued.append(few / both[0] if both else None)
    bench.figure("small", f"{count} mails, queue to Maildir", "/s", ours, ("Postfix", smtp), goal=5)
    whole = [1 / (1 / one + filling / count) for one in ours]
    bench.figure("small", "the same with queueing before it", "/s", whole, ("Postfix", smtp))
    bench.figure("small", "queue to Maildir beside call and toss", "/s", ours, ("NNCP", packets), goal=50)
    bench.figure("small", "queueing beside nncp-exec", "/s", [count / filling], ("NNCP", queued))


def small_round(bench, alice, bob, port, count):
    world = bench.world
    alice = alice.copy_to(world.place / "round" / "alice")
    bob = bob.copy_to(world.place / "round" / "bob").serve(port)
    os.sync()
    seconds = fetch_until(bench, alice, lambda: bob.mails() >= count, "small: fetch (sender)")
    expect_mails(bob, count)
    bob.leave("small: serve (recipient)")
    return seconds


def relay(bench):
    """The same by way of a relay: left there by the sender, then collected by the recipient. Measured
    with a recipient who asks for no stamps; what the usual stamp costs has a figure of its own."""
    count, few = (100, 10) if bench.quick else (2_000, 50)
    port = free_port()
    people = relay_people(bench.world, port, "stamp_bits = 0\n")
    queue_many(people[0], count, "bob")
    left, collected, whole = [], [], []
    for _ in bench.each_round():
        first, second = relay_round(bench, people, port, count)
        left.append(count / first)
        collected.append(count / second)
        whole.append(count / (first + second))
    bench.figure("relay", f"{count} mails, queue to relay", "/s", left)
    bench.figure("relay", "relay to Maildir", "/s", collected)
    bench.figure("relay", "queue to Maildir through a relay", "/s", whole)
    shutil.rmtree(bench.world.place / "people")
    people = relay_people(bench.world, port, "")
    queue_many(people[0], few, "bob")
    bench.figure("relay", f"{few} mails, queue to relay, usual stamp", "/s",
                 [few / relay_round(bench, people, port, few)[0]])


def relay_people(world, port, settings):
    """Alice, Bob with these settings, and Carol, who holds letters for him."""
    carol, alice = Person(world, "carol").create(), Person(world, "alice").create()
    bob = Person(world, "bob").create(settings)
    carol.serve(port).leave()
    bob.knows(carol)
    carol.knows(bob)
    carol.run("relay", "allow", "bob")
    bob.run("relay", "use", "carol")
    alice.knows(bob, carol)
    bob.knows(alice)
    carol.knows(alice, bob)
    return alice, bob, carol


def relay_round(bench, people, port, count):
    world = bench.world
    alice, bob, carol = (one.copy_to(world.place / "round" / one.name) for one in people)
    carol.serve(port)
    os.sync()
    first = fetch_until(bench, alice, lambda: held(carol) >= count, "relay: fetch (sender)")
    second = fetch_until(bench, bob, lambda: bob.mails() >= count, "relay: fetch (recipient)")
    expect_mails(bob, count)
    carol.leave("relay: serve (relay)")
    return first, second


def once(bench):
    """One small mail, from the start of the process to its end with the receipt seen."""
    port = free_port()
    alice, bob = two_people(bench.world, port)
    bob.serve(port)
    postfix = bench.peer(Postfix)
    ours, smtp = [], []
    for _ in range(10 if bench.quick else 50):
        seconds, _ = alice.run("send", "-q", "-s", "bench", "--wait", "10s", "bob", stdin=text(), limit=30)
        ours.append(1000 * seconds)
        smtp.append(bench.beside(postfix, lambda: 1000 * postfix.one(b"Subject: bench\n\n" + text())))
    alice.run("send", "-q", "--wait", "10s", "bob", stdin=text(), label="once: send")
    expect_mails(bob, len(ours) + 1)
    bench.figure("once", "send --wait, start to receipt", "ms", ours, ("msmtp", smtp), goal=1, less=True)


def random_file(path, size):
    with open(path, "wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))
        os.fsync(out.fileno())
    return path


def need_space(directory, size):
    free = shutil.disk_usage(directory).free
    if free < size:
        raise Skipped(f"{free // MIB} MiB free, {size // MIB} MiB are needed")


def large(bench):
    """A random file from the command line to the recipient's fsynced store, and saved again."""
    size = (64 if bench.quick else 1024) * MIB
    world, port = bench.world, free_port()
    need_space(world.place, 7 * size)
    file = random_file(world.directory("large") / "file", size)
    alice, bob = two_people(world, port)
    age, nncp = bench.peer(AgeOverSsh), bench.peer(Nncp)
    sent, saved, piped, packet = [], [], [], []
    for _ in bench.each_round():
        to_store, to_file = large_round(world, alice, bob, port, file, "large")
        sent.append(to_store)
        saved.append(to_store + to_file)
        piped.append(bench.beside(age, lambda: age.one_file(file, limit=600)))
        packet.append(bench.beside(nncp, lambda: nncp.one_file(file, limit=600)))
    name = f"{size // MIB} MiB"
    bench.figure("large", f"{name}, send to fsynced store", "s", sent, ("age | ssh", piped), 1.5, less=True)
    bench.figure("large", f"{name}, send to saved file", "s", saved, ("age | ssh", piped), less=True)
    bench.figure("large", f"{name}, send to saved file", "s", saved, ("NNCP", packet), less=True)


def large_round(world, alice, bob, port, file, case, spend_file=False):
    """(seconds until the receipt, seconds of show --save); what was saved is compared."""
    alice = alice.copy_to(world.place / "round" / "alice")
    bob = bob.copy_to(world.place / "round" / "bob").serve(port)
    os.sync()
    sent, _ = alice.run("send", "-q", "--wait", "900s", "-a", file, "bob", limit=960, label=f"{case}: send")
    digest = checksum(world, file)
    if spend_file:
        file.unlink()
    shutil.rmtree(alice.home)  # its copy of the letter: disk space
    os.sync()
    out = world.emptied("saved")
    saved, _ = bob.run("show", "-q", "--save", out, "@", limit=600, label=f"{case}: show --save")
    bob.leave(f"{case}: serve (recipient)")
    if checksum(world, out / file.name) != digest:
        raise Failed("the saved file is another one")
    shutil.rmtree(bob.home)
    shutil.rmtree(out)
    return sent, saved


def checksum(world, path):
    _, out = world.run(["b2sum", path], limit=600)
    return out.split()[0].lstrip(b"\\")


def huge(bench):
    """Memory while 10 GiB go the same way; also a sparse file when there is no room for a random one."""
    size = (256 if bench.quick else 10 * 1024) * MIB
    world, port = bench.world, free_port()
    place = world.directory("huge") / "file"
    try:
        need_space(world.place, 4 * size + 1024 * MIB)
        random_file(place, size)
        kind = "random"
    except Skipped as why:
        kind = "sparse"  # its letter is small, for letters are compressed; the reading is the same
        bench.note(f"huge: a sparse file, for {why}")
        need_space(world.place, size + 1024 * MIB)  # show --save may write it as a whole
        with open(place, "wb") as out:
            out.truncate(size)
    alice, bob = two_people(world, port)
    sent, saved = large_round(world, alice, bob, port, place, "huge", spend_file=True)
    bench.figure("huge", f"{size // MIB} MiB ({kind}), send to store", "s", [sent], less=True)
    bench.figure("huge", "show --save", "s", [saved], less=True)
    for process in ("send", "serve (recipient)", "show --save"):
        peak = world.peaks[f"huge: {process}"] / 1024
        bench.figure("huge", f"peak memory of {process}", "MiB", [peak], goal=32, less=True)


def trips(bench):
    """Round trips of one small mail after TCP and CURVE, through a proxy that delays by 100 ms a way."""
    delay = 0.1
    world, port = bench.world, free_port()
    proxy = DelayingProxy(port, delay)
    world.endings.append(proxy.close)
    alice, bob = two_people(world, port, advertise=proxy.port)
    bob.serve(port, advertise=proxy.port)
    counted, handshakes, whole = [], [], []
    for _ in range(3 if bench.quick else 9):
        started = time.monotonic()
        seconds, _ = alice.run("send", "-q", "--wait", "20s", "bob", stdin=text(), limit=40)
        if not proxy.handshake_over or proxy.handshake_over < started:
            raise Failed("the proxy has seen no handshake")
        handshakes.append((proxy.handshake_over - started) / (2 * delay))
        counted.append((started + seconds - proxy.handshake_over) / (2 * delay))
        whole.append(1000 * seconds)
    expect_mails(bob, len(whole))
    bench.figure("trips", "round trips after the handshakes", "RTT", [int(one) for one in counted], goal=2,
                 less=True)  # what is left of them is work at both ends
    bench.figure("trips", "from there to the end, with all work", "RTT", counted, less=True)
    bench.figure("trips", "start of the process to the end of CURVE", "RTT", handshakes, less=True)
    bench.figure("trips", "send --wait at 200 ms RTT", "ms", whole, less=True)


LOOP = """i=0
while [ $i -lt {count} ]; do
  "$P2PMAIL" send -q {options} -s bench bob < {text} || exit
  i=$((i + 1))
done"""


def loop(bench):
    """send in a shell loop, with and without a push, and one send to very many recipients."""
    count = 20 if bench.quick else 200
    world, port = bench.world, free_port()
    alice, bob = two_people(world, port)
    bob.serve(port)
    (world.place / "text").write_bytes(text())
    queueing, pushing = [], []
    for _ in bench.each_round():
        for options, rates in (("--no-push", queueing), ("", pushing)):
            rates.append(count / shell_loop(alice, count, options))
            alice.run("fetch", limit=300)
    expect_mails(bob, 2 * count * len(pushing))
    bench.figure("loop", f"{count} times send --no-push", "/s", queueing)
    bench.figure("loop", f"{count} times send with its push", "/s", pushing)
    many_recipients(bench)


def shell_loop(person, count, options):
    script = LOOP.format(count=count, options=options, text=person.world.place / "text")
    environment = {"P2PMAIL_HOME": str(person.home), "P2PMAIL": os.environ["P2PMAIL"]}
    seconds, _ = person.world.run(["sh", "-c", script], limit=300, env=environment)
    return seconds


def many_recipients(bench):
    """None of them can be reached: what is measured is sealing for each and queueing."""
    count = 50 if bench.quick else 1_000
    sender = Person(bench.world, "sender").create()

    def make(number):
        one = Person(bench.world, f"r{number}").create()
        one.card()
        return one

    recipients = at_once(make, range(count))
    started = time.monotonic()
    for one in recipients:
        sender.run("peers", "add", one.name, bench.world.place / f"{one.name}.card")
    bench.figure("loop", f"peers add, {count} times", "/s", [count / (time.monotonic() - started)])
    names = [one.name for one in recipients]
    for options, what in ((["--no-push"], "--no-push "), ([], "")):
        label = "loop: send to many"
        seconds = [sender.run("send", "-q", *options, *names, stdin=text(), limit=300, label=label)[0]
                   for _ in bench.each_round()]
        bench.figure("loop", f"one send {what}to {count} recipients", "s", seconds, less=True)


def inner(bench):
    """The inner parts against the primitives' own speed, when bench_inner is built."""
    program = os.environ.get("BENCH_INNER")
    if not program:
        raise Skipped("bench_inner is not built")
    words = [program] + (["--benchmark_min_time=0.05"] if bench.quick else [])
    _, out = bench.world.run(words, limit=600)
    bench.section("inner", out.decode(errors="replace").rstrip())


# Listing 100,000 mails beside mblaze and notmuch comes with the index; its case belongs here.
CASES = {"small": small, "relay": relay, "once": once, "large": large, "huge": huge, "trips": trips,
         "loop": loop, "inner": inner}
# Seconds after which a case is given up; its commands have bounds of their own.
BOUNDS = {"small": 3600, "relay": 1800, "once": 300, "large": 3600, "huge": 1800, "trips": 300, "loop": 1200,
          "inner": 700}
