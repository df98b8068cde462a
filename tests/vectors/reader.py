#!/usr/bin/python3
"""Reads the vector kit, and mail of a real store, with nothing of the program's own code.

    reader.py check [DIRECTORY]                     every vector; 1 when one is not as it should be
    reader.py mail HOME FOLDER [PASSPHRASE-FILE]    opens every message of a folder of a store, one
        line each: verdict, sender, subject; its parts go to the files of --save DIRECTORY
"""
import argparse
import base64
import email
import email.policy
import mailbox
import pathlib
import quopri
import sys

import nacl.bindings as sodium

import cards
import codec
import heads
import kit
import mail


def read_cbor(case):
    codec.decode(case.bytes("bytes"))
    return {}


def read_sizes(case):
    for line in case.all("size"):
        plain, padded, sealed = map(int, line.split())
        got = (mail.padme(plain), mail.sealed_size(mail.padme(plain)))
        assert got == (padded, sealed), f"{case.path}: {line}: {got}"
        assert mail.plain_size(sealed) == padded
    for line in case.all("no-size"):
        try:
            mail.plain_size(int(line))
            raise AssertionError(f"{case.path}: {line} is no size")
        except codec.Refused:
            pass
    return {}


def stream_of(case):
    """The sealed stream: as it is, or made of chunks: number, mark, plaintext."""
    stream = case.bytes("stream", b"")
    for line in case.all("chunk"):
        number, last, plain = [*line.split(None, 2), ""][:3]
        stream += codec.aead_seal(case.bytes("payload-key"), mail.nonce_of(int(number), int(last)),
                                  b"", kit.bytes_of(plain))
    return case.edited("stream", stream) if case.all("chunk") else stream


def read_letter(case):
    stream = stream_of(case)
    return {"root": mail.read_tree(stream)["root"], "size": len(stream),
            **mail.read_letter(case.bytes("payload-key"), stream)}


def read_tree(case):
    if case.all("stream"):
        return mail.read_tree(case.bytes("stream"))
    groups = [kit.bytes_of(text) for text in case.all("of-group")]
    return {"root": mail.root_of(case.number("of-size"), groups)}


def read_key(case):
    passphrase = case.text("passphrase")
    return mail.read_key(case.bytes("bytes"), case.text("kind"),
                         None if passphrase is None else passphrase.encode())


def read_envelope(case):
    secrets = [kit.bytes_of(text) for text in case.all("prekey-secret")]
    return mail.read_envelope(case.bytes("bytes"), case.bytes("recipient"), secrets)


KINDS = {
    "cbor": read_cbor,
    "address": lambda case: cards.parse_address(case.text("text")),
    "endpoint": lambda case: cards.parse_endpoint(case.text("text")),
    "link": lambda case: cards.parse_link(case.text("text")),
    "roster": lambda case: cards.read_roster(case.bytes("bytes")),
    "record": lambda case: cards.read_record(case.bytes("bytes")),
    "card": lambda case: cards.read_card(case.bytes("bytes")),
    "card-text": lambda case: cards.read_card_text(case.text("text")),
    "key": read_key,
    "device-keys": lambda case: mail.read_device_keys(case.bytes("bytes")),
    "sizes": read_sizes,
    "tree": read_tree,
    "letter": read_letter,
    "envelope": read_envelope,
    "receipt": lambda case: mail.read_receipt(case.bytes("bytes")),
    "capsule": lambda case: mail.read_capsule(case.bytes("bytes"), case.bytes("store-secret"),
                                              case.bytes("own-card"), case.number("stream-size")),
    "sealed-file": lambda case: mail.read_sealed_file(
        case.bytes("bytes"), case.bytes("store-secret"), case.bytes("own-card")),
    "queue-entry": lambda case: mail.read_queue_entry(
        case.bytes("bytes"), case.text("name"), case.bytes("queue-key")),
    "head": lambda case: heads.read_message(case.bytes("head"), case.bytes("body", b"")),
}
# For those that write: what a structure was signed with.
FOR_WRITERS = {"signing-secret"}


def same(found, wanted):
    if isinstance(found, bytes):
        return found == kit.bytes_of(wanted)
    return str(found) == wanted


def differences(case, found):
    for name, value in found.items():
        if isinstance(value, dict):
            continue
        wanted = case.fields.get(name)
        if name in case.asked:
            continue
        if isinstance(value, list):
            wanted = wanted or []
            if len(value) != len(wanted) or not all(map(same, value, wanted)):
                yield f"{name}: {value}"
        elif wanted is not None and not same(value, wanted[0]):
            yield f"{name}: {value}"
    for name in set(case.fields) - set(found) - case.asked - FOR_WRITERS:
        yield f"nothing gives {name}"


def check(directory):
    bad, seen = 0, {}
    for case in kit.cases(directory):
        kind = case.path.parent.name
        seen[kind] = seen.get(kind, 0) + 1
        try:
            wrong = list(differences(case, KINDS[kind](case)))
            outcome, why = "ok", ""
        except codec.Refused as refused:
            outcome, why, wrong = refused.code, str(refused), []
        if outcome != case.expect:
            wrong = [f"{outcome}, not {case.expect}: {why}"]
        for line in wrong if outcome == "ok" or outcome != case.expect else []:
            print(f"{case.path}: {line}")
        bad += bool(wrong)
    for kind in set(KINDS) - set(seen):
        print(f"no vectors for {kind}")
        bad += 1
    print(f"{sum(seen.values())} vectors, {bad} of them wrong")
    return 1 if bad else 0


def leaves(data):
    """Header and content of each part. Python's own parser finds the boundaries after CR LF too, and so
    loses a CR at the end of binary content: the page says that LF alone ends a line."""
    head, _, body = (b"", b"", data[1:]) if data.startswith(b"\n") else data.partition(b"\n\n")
    header = email.message_from_bytes(head + b"\n\n", policy=email.policy.default)
    if header.get_content_maintype() == "multipart":
        boundary = b"\n--" + header.get_boundary().encode()
        for piece in (b"\n" + body).split(boundary)[1:-1]:
            yield from leaves(piece.partition(b"\n")[2])
        return
    encoding = header.get("Content-Transfer-Encoding", "7bit").lower()
    if encoding == "base64":
        body = base64.b64decode(body)
    elif encoding == "quoted-printable":
        body = quopri.decodestring(body)
    yield header, body


def save_parts(message, directory, number):
    directory.mkdir(parents=True, exist_ok=True)
    for at, (header, content) in enumerate(leaves(message)):
        name = pathlib.PurePath(header.get_filename() or f"part{at}").name
        (directory / f"{number}.{name}").write_bytes(content)


def read_mail(home, folder, passphrase_file, save):
    passphrase = None
    if passphrase_file:
        passphrase = passphrase_file.read_bytes().split(b"\n")[0].removesuffix(b"\r")
    key = mail.read_key((home / "keys/store").read_bytes(), "store", passphrase)
    assert key["public"] == mail.read_store_pub((home / "keys/store.pub").read_text())
    assert key["public"] == sodium.crypto_scalarmult_base(key["secret"])
    card = (home / "card").read_bytes()
    box = mailbox.Maildir(home / "mail", create=False)
    if folder != "INBOX":
        box = box.get_folder(folder)
    for number, name in enumerate(sorted(box.keys())):
        data = box.get_bytes(name)
        found = mail.read_sealed_file(data, key["secret"], card, home / "mail/.p2pmail/blobs")
        outer = email.message_from_bytes(data, policy=email.policy.default)
        assert outer["P2pmail-Id"] == found["id"].hex(), "the outer header names another message"
        assert outer.get_content_type() == "multipart/encrypted"
        inner = email.message_from_bytes(found["message"], policy=email.policy.default)
        assert outer["From"] == inner["From"], "the outer header names another sender"
        print(found["verdict"], cards.key_text(found["sender"]), found["subject"], sep="\t")
        if save:
            save_parts(found["message"], save, number)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    checking = commands.add_parser("check")
    checking.add_argument("directory", type=pathlib.Path, nargs="?",
                          default=pathlib.Path(__file__).parent)
    reading = commands.add_parser("mail")
    reading.add_argument("home", type=pathlib.Path)
    reading.add_argument("folder")
    reading.add_argument("passphrase_file", type=pathlib.Path, nargs="?")
    reading.add_argument("--save", type=pathlib.Path)
    words = parser.parse_args()
    if words.command == "check":
        return check(words.directory)
    try:
        return read_mail(words.home, words.folder, words.passphrase_file, words.save)
    except codec.Refused as refused:
        print(refused, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
