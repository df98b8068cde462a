"""An independent reader of p2pmail's formats: addresses, endpoints, links, cards: p2pmail-card(5)."""
import base64
import ipaddress
import re

from codec import (KIB, MAX_SEQUENCE, MAX_TIME, Fields, blake, decode, forged, malformed, of_size,
                   verifies)

# ---- Addresses, endpoints, links


def key_text(key, context="p2pmail/address"):
    check = blake(context, key, b"\1")[:2]
    return base64.b32encode(key + check + b"\1").decode().lower()


def parse_key(text, context="p2pmail/address"):
    if not re.fullmatch("[a-zA-Z2-7]{56}", text):
        raise malformed("not 56 base32 characters")
    raw = base64.b32decode(text.upper())
    key, check, version = raw[:32], raw[32:34], raw[34:]
    if blake(context, key, version)[:2] != check:
        raise malformed("the checksum does not fit")
    if version != b"\1":
        raise malformed("another version")
    return key


def is_local(text):
    return (1 <= len(text) <= 64 and re.fullmatch(r"[A-Za-z0-9!#$%&'*/=?^_`{|}~.-]+", text) and
            not text.startswith(".") and not text.endswith(".") and ".." not in text)


def parse_address(text):
    left, at, domain = text.rpartition("@")
    domain = domain.lower()
    if not at or not domain.endswith(".p2pmail.alt"):
        raise malformed("not @<key>.p2pmail.alt")
    key = parse_key(domain[:-len(".p2pmail.alt")])
    local, plus, folder = left.partition("+")
    if not is_local(local) or (plus and not is_local(folder)):
        raise malformed("a bad local part")
    written = f"{local}{plus}{folder}@{key_text(key)}.p2pmail.alt"
    return {"identity": key, "local": local, "folder": folder, "written": written}


def is_name(host):
    labels = host.split(".")
    good = all(re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels)
    return (good and len(host) <= 253 and not labels[-1].isdigit() and
            not labels[-1].startswith("0x") and labels[-1] != "onion")


def is_global(ip):
    if ip.version == 4:
        special = ("0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 "
                   "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 "
                   "198.51.100.0/24 203.0.113.0/24 224.0.0.0/3")
        return not any(ip in ipaddress.ip_network(net) for net in special.split())
    special = "2001::/23 2001:db8::/32 2002::/16 3fff::/20"
    return (ip in ipaddress.ip_network("2000::/3") and
            not any(ip in ipaddress.ip_network(net) for net in special.split()))


def parse_endpoint(text):
    if len(text) > 300 or not text.startswith("tcp://") or not re.fullmatch("[!-~]*", text):
        raise malformed("not an endpoint")
    host, colon, port = text[6:].rpartition(":")
    if not colon or not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise malformed("a bad port")
    host = host.lower()
    public = False
    if host.startswith("[") and host.endswith("]"):
        try:
            ip = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise malformed("a bad IPv6 address") from None
        if "%" in host or int(ip) == 0 or (ip.ipv4_mapped and int(ip.ipv4_mapped) == 0):
            raise malformed("a zone or wildcard")
        public = is_global(ip)
    elif re.fullmatch(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}", host):
        if host == "0.0.0.0" or max(map(int, host.split("."))) > 255:
            raise malformed("a bad IPv4 address")
        public = is_global(ipaddress.IPv4Address(host))
    elif re.fullmatch(r"[a-z2-7]{56}\.onion", host):
        public = True
    elif not is_name(host):
        raise malformed("a bad host")
    return {"written": f"tcp://{host}:{port}", "public": int(public)}


def parse_link(text):
    if not text.startswith("p2pmail://"):
        raise malformed("another scheme")
    key, slash, rest = text[len("p2pmail://"):].partition("/")
    transport, at, place = rest.partition("@")
    if not slash or not at or "@" in key:
        raise malformed("not KEY/KEY@HOST:PORT")
    identity, transport = parse_key(key), parse_key(transport, "p2pmail/transpt")
    endpoint = parse_endpoint("tcp://" + place)["written"]
    written = (f"p2pmail://{key_text(identity)}/{key_text(transport, 'p2pmail/transpt')}@" +
               endpoint[len("tcp://"):])
    return {"identity": identity, "transport": transport, "endpoint": endpoint, "written": written}


# ---- Cards


def signed_parts(data, limit):
    fields = Fields(decode(data, limit))
    body, signature = fields.bytes("b", 1, limit), fields.bytes("s", 64)
    fields.end()
    return body, signature


def read_roster(data):
    body, signature = signed_parts(data, 8 * KIB)
    fields = Fields(decode(body, 8 * KIB), "v")
    devices = [of_size(key, 32) for key in fields.list("d", 1, 16)]
    graves = []
    for value in fields.list("x", 0, 64):
        grave = Fields(value)
        graves.append((grave.bytes("d", 32), grave.number("r", 0, 1)))
        grave.end()
    named = devices + [key for key, _ in graves]
    if len(set(named)) != len(named):
        raise malformed("a device twice")
    out = {"identity": fields.bytes("i", 32), "name": fields.text("n", 128),
           "sequence": fields.number("q", 1, MAX_SEQUENCE), "time": fields.number("t", 0, MAX_TIME),
           "device": devices, "retired": [key for key, why in graves if why == 0],
           "compromised": [key for key, why in graves if why == 1]}
    fields.end()
    if not verifies(out["identity"], "p2pmail/roster", body, signature):
        raise forged("the roster's signature")
    return out


def endpoints_of(fields):
    out = fields.list("e", 0, 8)
    for text in out:
        if type(text) is not str or parse_endpoint(text)["written"] != text:
            raise malformed("an endpoint that is not written as it should be")
    return out


def read_record(data):
    body, signature = signed_parts(data, 8 * KIB)
    fields = Fields(decode(body, 8 * KIB), "v")
    stamp = Fields(fields.take("a", dict))
    prekeys, relays = [], []
    for value in fields.list("k", 1, 4):
        prekey = Fields(value)
        prekeys.append((prekey.bytes("k", 32), prekey.number("t", 0, MAX_TIME)))
        prekey.end()
    times = [time for _, time in prekeys]
    if len({key for key, _ in prekeys}) != len(prekeys) or times != sorted(times, reverse=True):
        raise malformed("a prekey twice, or not newest first")
    for value in fields.list("r", 0, 4):
        relay = Fields(value)
        relays.append((relay.bytes("i", 32), relay.bytes("c", 32), endpoints_of(relay)))
        relay.end()
    out = {"identity": fields.bytes("i", 32), "device": fields.bytes("d", 32),
           "transport": fields.bytes("u", 32), "sequence": fields.number("q", 1, MAX_SEQUENCE),
           "roster-sequence": fields.number("o", 1, MAX_SEQUENCE),
           "time": fields.number("t", 0, MAX_TIME),
           "prekey": [f"{key.hex()} {time}" for key, time in prekeys],
           "endpoint": endpoints_of(fields),
           "relay": [" ".join([who.hex(), key.hex(), *places]) for who, key, places in relays],
           "stamp-bits": stamp.number("b", 0, 40), "stamp-nonce": stamp.bytes("n", 16)}
    stamp.end()
    fields.end()
    if not verifies(out["device"], "p2pmail/record", body, signature):
        raise forged("the record's signature")
    return out


def read_card(data):
    fields = Fields(decode(data, 64 * KIB), "v")
    signed_roster = fields.bytes("r", 1, 8 * KIB)
    signed_records = fields.list("d", 0, 16)
    fields.end()
    roster, records = read_roster(signed_roster), []
    for signed in signed_records:
        if type(signed) is not bytes:
            raise malformed("a record that is no byte string")
        record = read_record(signed)
        if record["identity"] != roster["identity"]:
            raise forged("a record of another identity")
        if records and records[-1]["device"] >= record["device"]:
            raise malformed("records out of order")
        records.append(record)
    counting = [record["device"] for record in records if record["device"] in roster["device"]]
    return {"identity": roster["identity"], "counts": counting, "roster": roster}


def read_card_text(text):
    begin, end = "-----BEGIN P2PMAIL CARD-----", "-----END P2PMAIL CARD-----"
    _, found, rest = text.partition(begin)
    inside, closed, _ = rest.partition(end)
    if not found or not closed or len(inside.encode()) > 2 * 64 * KIB:
        raise malformed("no card in it, or too much of one")
    packed = re.sub("[ \t\r\n]", "", inside)
    try:
        data = base64.b64decode(packed, validate=True)
    except ValueError:
        raise malformed("not base64") from None
    if base64.b64encode(data).decode() != packed:
        raise malformed("base64 with other bits at its end")
    return {"bytes": data, "identity": read_card(data)["identity"]}
