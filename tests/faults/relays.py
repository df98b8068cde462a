"""For sweep.py: scenarios in which carol's machine holds letters for bob."""

import shutil
import sqlite3

from scenarios import BODY
from world import Violation, until

HEALING = 20  # seconds


def held(relay):
    """Letters that the relay holds, or held until they were collected or refused."""
    if not (relay.home / "relay.db").exists():
        return 0
    db = sqlite3.connect(relay.home / "relay.db", timeout=10)
    try:
        return db.execute("SELECT count(*) FROM held").fetchone()[0]
    except sqlite3.OperationalError as why:
        if "no such table" in str(why):
            return 0
        raise Violation(f"the relay's database cannot be read: {why}") from None
    finally:
        db.close()


def relayed(sender):
    return [one["subject"] for one in sender.queued() if one["state"] == "relayed"]


def lose_everything(relay):
    for path in relay.home.glob("relay*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


class Relayed:
    """alice writes to bob, who is not there; his relays are."""

    listener = "bob"
    relays = ["carol"]

    def prepare(self, template):
        (template.bob.home / "config").write_text("stamp_bits = 4\n")  # work is not tried here
        template.bob.must("fetch")
        for name in self.relays:
            relay = template.add(name)
            template.bob.introduce(relay)
            relay.introduce(template.bob)
            relay.introduce(template.alice)  # else a place that is not public is not dialed
            relay.must("relay", "allow", "bob")
            template.bob.must("relay", "use", name)
        template.bob.introduce(template.alice)
        self.prepare_mail(template)
        for one in template.people:
            one.stop()

    def prepare_mail(self, template):
        pass

    def leave(self, template, count=2):
        """Letters that the relays hold."""
        for name in self.relays:
            one = template.person(name)
            one.serve(template.places[name])
        for i in range(count):
            template.alice.must("send", "-s", f"held {i}", "bob", body=BODY)
            template.accepted.append(f"held {i}")
        if len(relayed(template.alice)) != count:
            raise Violation("the letters of the template are not with the relay")

    def serve_relays(self, case):
        for name in self.relays:
            one = case.person(name)
            if one.node is not None and not one.is_serving():
                one.stop()
            if one.node is None:
                case.serve(one, env=None if case.healing else case.env(one))

    def check_claims(self, case):
        said = relayed(case.alice)
        least = min(held(case.person(name)) for name in self.relays[:1])
        if len(said) > least:
            raise Violation(f"called relayed: {said}, and the relay holds {least}")

    def act(self, case):
        self.serve_relays(case)
        self.do(case)
        self.check_claims(case)

    def heal(self, case):
        """bob collects and alice asks, until she knows that all has arrived."""
        self.check_claims(case)  # again: at the end a power cut came after the first time
        (case.directory / "side" / "room").touch()
        case.healing = True

        def drained():
            self.serve_relays(case)
            case.bob.must("fetch")
            case.alice.must("fetch")
            return not case.alice.queued()

        if not until(HEALING, drained):
            left = [(one["subject"], one["state"], one["reason"]) for one in case.alice.queued()]
            raise Violation(f"what is queued is not delivered without a fault: {left}")
        self.serve_relays(case)
        case.bob.must("fetch")  # a second copy would come now


class Leave(Relayed):
    """send that leaves a letter at a relay."""

    sides = ["alice", "carol"]

    def do(self, case):
        words = ("send", "--json", "-s", "letter", "bob")
        done = case.alice.run(*words, body=BODY * 3000, env=case.env(case.alice))
        if done.status in (0, 75):
            case.accepted.append("letter")


class Collect(Relayed):
    """fetch that collects from a relay."""

    sides = ["bob", "carol"]

    def prepare_mail(self, template):
        self.leave(template)

    def do(self, case):
        case.bob.run("fetch", env=case.env(case.bob))


class Receipt(Relayed):
    """fetch that learns from a relay that letters were collected."""

    sides = ["alice", "carol"]

    def prepare_mail(self, template):
        self.leave(template)
        template.bob.must("fetch")

    def do(self, case):
        case.alice.run("fetch", env=case.env(case.alice))


class Lost(Relayed):
    """fetch that learns from a relay that has lost everything: queued again, and delivered."""

    sides = ["alice"]

    def prepare_mail(self, template):
        self.leave(template)
        for name in self.relays:
            relay = template.person(name)
            relay.stop()
            lose_everything(relay)

    def do(self, case):
        case.alice.run("fetch", env=case.env(case.alice))

    def check_claims(self, case):
        if str(case.at) == "0" and relayed(case.alice):  # without a fault she knows now
            raise Violation(f"called relayed, and the relay has lost it: {relayed(case.alice)}")

    def heal(self, case):
        case.serve(case.bob)
        super().heal(case)


class TwoRelays(Relayed):
    """Left at two relays and delivered directly: one letter each."""

    sides = ["alice", "bob"]
    relays = ["carol", "dave"]

    def prepare_mail(self, template):
        self.leave(template)
        counts = [held(template.person(name)) for name in self.relays]
        if counts != [2, 2]:
            raise Violation(f"the two relays hold {counts}")

    def do(self, case):
        case.serve(case.bob, env=case.env(case.bob))
        case.alice.run("fetch", env=case.env(case.alice))
        case.bob.run("fetch")


RELAY_SCENARIOS = {
    "leave": Leave(), "collect": Collect(), "receipt": Receipt(), "lost": Lost(),
    "two-relays": TwoRelays(),
}
