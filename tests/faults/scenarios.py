"""For sweep.py: what is done with a fault on one side, from fresh copies of prepared homes."""

import re

import world
from world import Violation, check_holds, until

KINDS = ["enospc", "eio", "full", "short", "kill-before", "kill-after", "power"]
BODY = world.MARKER + b" and more words of a letter\n"


class Cast:
    """People in a directory, each an attribute of its name."""

    def __init__(self, directory, names):
        self.directory, self.people = directory, []
        for name in names:
            self.join(world.Person(directory, name))

    def join(self, person):
        self.people.append(person)
        setattr(self, person.name, person)
        return person

    def person(self, name):
        return getattr(self, name)


class Template(Cast):
    """Prepared homes of one scenario, and where their nodes listen."""

    def __init__(self, directory, base=None):
        directory.mkdir(parents=True)
        super().__init__(directory, [])
        self.places, self.accepted = dict(base.places) if base else {}, []
        if base is None:
            for name in ("alice", "bob"):
                self.add(name)
            world.befriend(self.alice, self.bob)
            return
        for one in base.people:
            world.copy_home(one.home, directory / one.name)
            self.join(world.Person(directory, one.name))

    def add(self, name):
        """Somebody new, who has listened once."""
        one = self.join(world.make_person(self.directory, name))
        self.places[name] = one.serve()
        one.stop()
        return one


class Case(Cast):
    """People, copied from a template, and what was accepted from them."""

    def __init__(self, directory, template, shim, side=None, kind=None, at=None):
        for one in template.people:
            world.copy_home(one.home, directory / one.name)
        super().__init__(directory, [one.name for one in template.people])
        self.shim, self.healing = shim, False
        self.side, self.kind, self.at = side, kind, at
        self.places = template.places
        self.accepted, self.cancelled = list(template.accepted), []
        self.log = directory / "calls.log"
        (directory / "side").mkdir()

    def env(self, person):
        """The fault, when it is this side's."""
        if person.name != self.side:
            return None
        return world.shim_environment(
            self.shim, FAULT_DIR=person.home, FAULT_SIDE=self.directory / "side",
            FAULT_LOG=self.log, FAULT_AT=self.at, FAULT_KIND=self.kind,
        )

    def serve(self, person, env=None):
        """True when it listens."""
        place = person.serve(self.places[person.name], env=env, must=env is None)
        return place is not None

    def fired(self):
        return self.log.exists() and b"fired" in self.log.read_bytes()

    def calls(self):
        """(number, class, place) each; in the place, "#" is for what changes from run to run."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        calls = [line.split(" ", 2) for line in lines if not line.startswith("fired")]
        changing = re.compile(r"[0-9a-f]{8,}|[0-9]+")
        return [(number, call, changing.sub("#", path)) for number, call, path in calls]


# Scenarios: what is prepared, and what is done with a fault on one side.


class Queue:
    """send that only queues, openly to bob and blindly to alice herself."""

    sides = ["alice"]
    listener = "bob"

    def prepare(self, template):
        pass

    def act(self, case):
        words = ("send", "--no-push", "-s", "letter", "bob", "-b", "me")
        done = case.alice.run(*words, body=BODY, env=case.env(case.alice))
        queued = [one["subject"] for one in case.alice.queued()]
        if done.status == 0:
            case.accepted.append("letter")
            if len(queued) != 2:
                raise Violation(f"accepted, and {len(queued)} of 2 entries are queued")
            if case.alice.subjects(".Sent") != ["letter"]:
                raise Violation("accepted, and not once in Sent")
        elif not done.killed and queued:
            raise Violation(f"failed, and even so {len(queued)} of 2 entries are queued: {done}")


class Push:
    """send that waits for the receipt of a node."""

    sides = ["alice", "bob"]
    listener = "bob"
    size = 1

    def prepare(self, template):
        pass

    def act(self, case):
        case.serve(case.bob, env=case.env(case.bob))
        body = BODY * self.size
        words = ("send", "--json", "--wait", "1s", "-s", "letter", "bob")
        done = case.alice.run(*words, body=body, env=case.env(case.alice))
        if done.status in (0, 75):  # 75: queued, and no receipt in time
            case.accepted.append("letter")
        if done.status == 0 or any(o["state"] == "delivered" for o in done.objects("delivery")):
            check_holds(case.bob, "letter", "send --wait")


class PushBig(Push):
    """The same with a letter of several blocks."""

    size = 100_000


class Waiting:
    """Three letters wait with alice."""

    def prepare(self, template):
        for i in range(3):
            template.alice.must("send", "--no-push", "-s", f"waiting {i}", "bob", body=BODY)
            template.accepted.append(f"waiting {i}")


class Fetch(Waiting):
    """fetch that receives from a node."""

    sides = ["alice", "bob"]
    listener = "alice"

    def act(self, case):
        case.serve(case.alice, env=case.env(case.alice))
        case.bob.run("fetch", env=case.env(case.bob))


class FetchPush(Waiting):
    """fetch that delivers to a node."""

    sides = ["alice", "bob"]
    listener = "bob"

    def act(self, case):
        case.serve(case.bob, env=case.env(case.bob))
        case.alice.run("fetch", env=case.env(case.alice))


class ServePush(Waiting):
    """A node that delivers its queue to another node."""

    sides = ["alice"]
    listener = "bob"

    def act(self, case):
        case.serve(case.bob)
        if case.serve(case.alice, env=case.env(case.alice)):
            until(3, lambda: not case.alice.is_serving() or not case.alice.queued())


class Files:
    """A command that moves received mail, or changes its flags."""

    sides = ["bob"]
    listener = "bob"

    def __init__(self, *words):
        self.words = words

    def prepare(self, template):
        for i in range(3):
            template.alice.must("send", "--no-push", "-s", f"old {i}", "bob", body=BODY)
            template.accepted.append(f"old {i}")
        template.bob.serve(template.places["bob"])
        template.alice.must("fetch")
        template.bob.stop()
        if len(template.bob.subjects()) != 3:
            raise Violation("the mail of the template did not arrive")

    def act(self, case):
        case.bob.run(*self.words, env=case.env(case.bob))


class Cancel(Waiting):
    """queue cancel: what it cancelled does not come back, and what it did not is delivered."""

    sides = ["alice"]
    listener = "bob"

    def act(self, case):
        entry = next(one for one in case.alice.queued() if one["subject"] == "waiting 1")
        done = case.alice.run("queue", "cancel", entry["id"], env=case.env(case.alice))
        if case.at == "end" or "waiting 1" not in [one["subject"] for one in case.alice.queued()]:
            case.accepted.remove("waiting 1")
            case.cancelled.append("waiting 1")
        elif done.status == 0:
            raise Violation("cancelled, and still queued")


class Rotate(Waiting):
    """The prekey is replaced, 40 days later, while letters for the older one are on their way."""

    sides = ["bob"]
    listener = "bob"

    def act(self, case):
        later = world.shim_environment(case.shim, FAULT_CLOCK_OFFSET=40 * 86_400)
        case.bob.run("fetch", env=later | case.env(case.bob))
        case.bob.must("fetch", env=later)


class Move:
    """A node at a new place, which its card has to name."""

    sides = ["bob"]
    listener = "bob"

    def prepare(self, template):
        pass

    def act(self, case):
        if case.bob.serve(env=case.env(case.bob), must=False):
            case.bob.stop()
        case.alice.must("send", "--no-push", "-s", "letter", "bob", body=BODY)
        case.accepted.append("letter")


class Keygen:
    """keygen, which is done again when it failed."""

    sides = ["carol"]
    listener = "bob"

    def prepare(self, template):
        pass

    def act(self, case):
        carol = world.Person(case.directory, "carol")
        carol.home.mkdir()
        words = ("keygen", "--name", "carol", "--no-passphrase")
        done = carol.run(*words, env=case.env(carol))
        known = carol.run("whoami", "--json")
        if done.status == 0 or known.status == 0:
            carol.must("ls")
            if done.status == 0 and done.out.split()[:1] != carol.must("whoami").out.split()[:1]:
                raise Violation(f"another address than the one that was printed: {done.out!r}")
        else:
            carol.must(*words)


SCENARIOS = {
    "queue": Queue(), "push": Push(), "push-big": PushBig(), "fetch": Fetch(),
    "fetch-push": FetchPush(), "serve-push": ServePush(),
    "mv": Files("mv", "@", "@~1", "Lists"), "flag": Files("flag", "@", "@~1", "+flagged", "-seen"),
    "rm": Files("rm", "@", "@~1"), "cancel": Cancel(), "rotate": Rotate(), "move": Move(),
    "keygen": Keygen(),
}
