"""What a user would pick instead, each on loopback with its own configuration, keys and port in the
scratch directory: Postfix with its smtp-source and msmtp, NNCP with mdeliver, age over ssh."""

import json
import os
import re
import shutil
import time
from pathlib import Path

from people import Failed, Skipped, answers, entries, free_port, until


def need(*programs):
    """The paths of the programs; Skipped when one is missing."""
    found = [shutil.which(one, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") for one in programs]
    for name, path in zip(programs, found):
        if not path:
            raise Skipped(f"no {name} on this machine")
    return found


def timed(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started


POSTFIX = """
compatibility_level = 3.6
queue_directory = {at}/spool
data_directory = {at}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
maillog_file = {at}/log
maillog_file_prefixes = {at}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.invalid
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
virtual_transport = virtual
virtual_mailbox_domains = bench.invalid
virtual_mailbox_base = {at}/mail
virtual_mailbox_maps = static:bob/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
alias_maps =
alias_database =
"""


class Postfix:
    """SMTP from loopback to a Maildir, by the ordinary queue and the delivery agent for virtual
    mailboxes. Postfix fsyncs its queue file before it takes a mail, and the delivered file."""

    SESSIONS = 10  # at once; more were no faster on two cores

    def __init__(self, world):
        self.program, self.source, self.msmtp = need("postfix", "smtp-source", "msmtp")
        if os.geteuid() != 0:
            raise Skipped("Postfix starts only as root")
        self.world, self.port = world, free_port()
        self.at = world.directory("postfix")
        self.box = self.at / "mail" / "bob"
        self.configure()
        world.run([self.program, "-c", self.at / "etc", "start"], limit=60)
        world.endings.append(self.stop)
        until(20, lambda: answers(self.port), "Postfix answers")

    def configure(self):
        daemons = next(
            (one for one in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if os.path.isdir(one)), None)
        master = Path("/etc/postfix/master.cf.proto")
        if not daemons or not master.exists():
            raise Skipped("no Postfix as Debian lays it out")
        for name in ("etc", "spool", "data", "mail"):
            (self.at / name).mkdir()
        shutil.chown(self.at / "data", "postfix")
        os.chown(self.at / "mail", 65534, 65534)
        (self.at / "etc" / "main.cf").write_text(POSTFIX.format(at=self.at, daemons=daemons))
        (self.at / "etc" / "master.cf").write_text(self.services(master.read_text()))

    def services(self, text):
        """Debian's own services, listening on our port only, and without chroot."""
        text = re.sub(r"^smtp(\s+)inet", rf"127.0.0.1:{self.port}\1inet", text, flags=re.M)
        kinds = r"^(\S+\s+(?:inet|unix|fifo|unix-dgram|pass)\s+\S+\s+\S+\s+)[y-](\s)"
        return re.sub(kinds, r"\1n\2", text, flags=re.M)

    def stop(self):
        try:
            self.world.run([self.program, "-c", self.at / "etc", "stop"], limit=30)
        except Failed:
            self.world.run([self.program, "-c", self.at / "etc", "abort"], limit=30)

    def many(self, count, size, limit):
        """Seconds until that many mails are in the Maildir."""
        before = entries(self.box / "new")
        seconds, _ = self.world.run(
            [self.source, "-s", self.SESSIONS, "-m", count, "-l", size, "-f", "alice@bench.invalid",
             "-t", "bob@bench.invalid", f"127.0.0.1:{self.port}"], limit=limit)
        # Most are delivered by now; the Maildir is only looked at from here on.
        seconds += timed(lambda: until(
            limit, lambda: entries(self.box / "new") - before >= count, "Postfix delivers all", 0.05))
        shutil.rmtree(self.box)
        return seconds

    def one(self, text):
        """Seconds of one msmtp, until Postfix has taken the mail."""
        words = [self.msmtp, "--host=127.0.0.1", f"--port={self.port}", "--auth=off", "--tls=off",
                 "--from=alice@bench.invalid", "bob@bench.invalid"]
        seconds, _ = self.world.run(words, limit=30, stdin=text)
        return seconds


class Nncp:
    """Two NNCP nodes. A mail is a call of mdeliver (mblaze) by nncp-exec; files go by nncp-file.
    nncp-call is ended when everything has arrived, for it waits a while for more."""

    def __init__(self, world):
        self.new, self.execute, self.file, self.daemon, self.call, self.toss, self.deliver = need(
            "nncp-cfgnew", "nncp-exec", "nncp-file", "nncp-daemon", "nncp-call", "nncp-toss", "mdeliver")
        self.world, self.port = world, free_port()
        self.at = world.directory("nncp")
        self.box, self.incoming = self.at / "box", self.at / "incoming"
        for name in ("cur", "new", "tmp"):
            (self.box / name).mkdir(parents=True)
        for path in (self.incoming, self.at / "alice.spool", self.at / "bob.spool"):
            path.mkdir()
        self.ids = {}
        alice, bob = self.keys(), self.keys()
        self.configure("alice", alice, "bob", bob, {"addrs": {"lo": f"127.0.0.1:{self.port}"}})
        self.configure("bob", bob, "alice", alice, {
            "exec": {"mail": [self.deliver, str(self.box)]}, "incoming": str(self.incoming)})
        world.start([self.daemon, "-quiet", "-cfg", self.at / "bob.cfg", "-bind", f"127.0.0.1:{self.port}"],
                    self.at / "log")
        until(20, lambda: answers(self.port), "nncp-daemon answers")

    def keys(self):
        _, out = self.world.run([self.new, "-nocomments"])
        return dict(re.findall(r"^\s+(id|exchp\w+|signp\w+|noisep\w+): (\w+)$", out.decode(), flags=re.M))

    def configure(self, name, own, other, others, more):
        public = {key: others[key] for key in ("id", "exchpub", "signpub", "noisepub")}
        mine = {key: own[key] for key in ("id", "exchpub", "signpub", "noisepub")}
        self.ids[name] = own["id"]
        (self.at / f"{name}.cfg").write_text(json.dumps({
            "spool": str(self.at / f"{name}.spool"), "log": str(self.at / f"{name}.log"),
            "self": own, "neigh": {"self": mine, other: {**public, **more}}}))

    def command(self, who, program, *words, **more):
        return self.world.run([program, "-quiet", "-cfg", self.at / f"{who}.cfg", *words], **more)[0]

    def transfer(self, count, limit):
        """Seconds until that many packets of alice are in bob's spool and were handled there."""
        started = time.monotonic()
        caller = self.world.start(
            [self.call, "-noprogress", "-cfg", self.at / "alice.cfg", "bob"], self.at / "call.log")
        arrived = self.at / "bob.spool" / self.ids["alice"] / "rx"
        until(limit, lambda: whole_packets(arrived) >= count, "NNCP transfers all", 0.05)
        self.command("bob", self.toss, limit=limit)
        seconds = time.monotonic() - started
        self.world.stop(caller)
        return seconds

    def many(self, bodies, limit):
        """(seconds to queue, seconds from the queue to the Maildir)"""
        queueing = sum(self.command("alice", self.execute, "bob", "mail", stdin=body) for body in bodies)
        seconds = self.transfer(len(bodies), limit)
        if entries(self.box / "new") < len(bodies):
            raise Failed(f"NNCP delivered {entries(self.box / 'new')} of {len(bodies)}")
        self.clear(self.box / "new")
        return queueing, seconds

    def one_file(self, path, limit):
        """Seconds until the file lies in bob's directory."""
        seconds = self.command("alice", self.file, path, "bob:", limit=limit)
        seconds += self.transfer(1, limit)
        if not (self.incoming / path.name).exists():
            raise Failed("NNCP did not deliver the file")
        self.clear(self.incoming)
        return seconds

    def clear(self, directory):
        for path in directory.iterdir():
            path.unlink()
        for who, other in (("alice", "bob"), ("bob", "alice")):
            for kind in ("tx", "rx"):
                shutil.rmtree(self.at / f"{who}.spool" / self.ids[other] / kind, ignore_errors=True)


def whole_packets(directory):
    """Those that came as a whole and whose sum was checked: a bare name, 52 letters and digits."""
    try:
        return sum(1 for name in os.listdir(directory) if re.fullmatch(r"[A-Z2-7]{52}", name))
    except FileNotFoundError:
        return 0


SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {at}/host
AuthorizedKeysFile {at}/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


class AgeOverSsh:
    """age -e | ssh | age -d, through an sshd of its own for this user."""

    def __init__(self, world):
        self.sshd, self.ssh, keygen, self.age, age_keygen = need(
            "sshd", "ssh", "ssh-keygen", "age", "age-keygen")
        self.world, self.port = world, free_port()
        self.at = world.directory("ssh")
        for name in ("host", "user"):
            world.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.at / name])
        world.run([age_keygen, "-o", self.at / "key"])
        _, public = world.run([age_keygen, "-y", self.at / "key"])
        (self.at / "key.pub").write_bytes(public)
        (self.at / "sshd_config").write_text(SSHD.format(at=self.at, port=self.port))
        self.privilege_separation()
        world.start([self.sshd, "-D", "-e", "-f", self.at / "sshd_config"], self.at / "log")
        until(20, lambda: answers(self.port), "sshd answers")
        self.login = (
            f"{self.ssh} -F none -p {self.port} -i {self.at}/user -o IdentitiesOnly=yes -o BatchMode=yes"
            f" -o StrictHostKeyChecking=no -o UserKnownHostsFile={self.at}/known_hosts"
            f" -o LogLevel=ERROR 127.0.0.1")
        world.run(["sh", "-c", f"{self.login} true"], limit=30)

    def privilege_separation(self):
        """sshd of root wants this directory, which an installed but stopped service does not make."""
        place = Path("/run/sshd")
        if os.geteuid() == 0 and not place.exists():
            place.mkdir(mode=0o755)
            self.world.endings.append(place.rmdir)

    def one_file(self, path, limit):
        """Seconds until the file is decrypted and synced on the other side."""
        out = self.at / "out"
        there = f"{self.age} -d -i {self.at}/key > {out} && sync {out}"
        line = f"{self.age} -e -R {self.at}/key.pub < '{path}' | {self.login} '{there}'"
        seconds, _ = self.world.run(["sh", "-c", line], limit=limit)
        if out.stat().st_size != path.stat().st_size:
            raise Failed("age over ssh delivered another size")
        out.unlink()
        return seconds
