"""An independent reader of p2pmail's messages on the wire: p2pmail-protocol(7)."""
from codec import KIB, Fields, Refused, decode, malformed

MAX_CREDIT, MAX_NUMBER, TIB16 = 65536, 1 << 48, 1 << 44
LAST = 4096 * 4096 - 1  # block of a letter
KINDS = ("unknown-prekey later refused too-large no-space quota stamp forged malformed unsupported "
         "internal").split()


def read_message(head, body):
    if len(body) > 256 * KIB:
        raise malformed("the body is too large")
    fields = Fields(decode(head, KIB))
    verb = fields.text("v", 16)
    out = {"verb": verb, "number": 0, "body": body}
    low, high = 0, 0  # of the body's size
    if verb == "hello":
        if fields.number("p") != 1:
            raise Refused("unsupported", "another protocol")
        out["credit"] = fields.number("c", 1, MAX_CREDIT)
        high = 64 * KIB
    elif verb == "error":
        out["number"] = fields.number("n", 0, MAX_NUMBER)
        out["error"], out["text"] = fields.text("k", 32), fields.text("t", 200)
        if out["error"] not in KINDS:
            raise malformed("an unknown kind of error")
        if out["error"] == "unknown-prekey":
            low, high = 1, 64 * KIB
            if out["number"] == 0:
                raise malformed("a prekey error about no offer")
    elif verb != "bye":
        out["number"] = fields.number("n", 1, MAX_NUMBER)
    if verb == "offer":
        out["root"], out["size"] = fields.bytes("r", 32), fields.number("z", 1, TIB16)
        inlined = fields.take("i", bool)
        out["inline"], out["envelope-size"] = int(inlined), fields.number("e", 1, 128 * KIB)
        if "a" in fields.left:
            out["admission"] = fields.bytes("a", 1, 704)
        if inlined and out["size"] > 65536:
            raise malformed("too large for an offer")
        low = high = out["envelope-size"] + (out["size"] if inlined else 0)
    elif verb in ("want", "hashes"):
        out["list"] = fields.number("g", 0, 4096)
        if verb == "hashes":
            low, high = 32, 4096 * 32
            if len(body) % 32:
                raise malformed("not whole hashes")
    elif verb == "block":
        out["index"], out["offset"] = fields.number("b", 0, LAST), fields.number("o", 0, 896 * KIB)
        if out["offset"] % (128 * KIB):
            raise malformed("a piece of nowhere")
        low, high = 1, 128 * KIB
    elif verb == "credit":
        out["index"] = fields.number("b", 0, LAST)
        out["credit"] = fields.number("c", 1, MAX_CREDIT)
    elif verb == "stored":
        low, high = 0, 9 * KIB
    elif verb == "ask":
        low, high = 1, KIB
    elif verb == "told":
        low, high = 1, 80 * KIB
    elif verb not in ("hello", "error", "take", "bye"):
        raise malformed("an unknown verb")
    fields.end()
    if not low <= len(body) <= high:
        raise malformed("a body of the wrong size")
    return out
