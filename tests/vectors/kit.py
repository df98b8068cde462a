"""The grammar of the vector kit: see README."""
import pathlib


def bytes_of(text):
    """Hex digits; what ends in *N is there N times."""
    out = []
    for word in text.split():
        digits, _, times = word.partition("*")
        out.append(bytes.fromhex(digits) * int(times or 1))
    return b"".join(out)


class Case:
    def __init__(self, path):
        self.path, self.fields, self.edits = path, {}, []
        own = {}
        for line in path.read_text("utf-8").split("\n"):
            if line.startswith(" "):
                own[name][-1] += "\n" + line[1:]
            elif line and not line.startswith("#"):
                name, colon, value = line.partition(":")
                assert colon, f"{path}: {line}"
                own.setdefault(name, []).append(value[1:])
        for base in own.pop("base", []):
            self.fields = dict(Case(path.parent / base).fields)
        for edit in ("put", "cut", "add"):
            self.edits += [(edit, *value.split(None, 2)) for value in own.pop(edit, [])]
        self.fields.update(own)
        self.expect = own["expect"][0]
        del self.fields["expect"]
        self.asked = set()

    def all(self, name):
        self.asked.add(name)
        return self.fields.get(name, [])

    def text(self, name, missing=None):
        values = self.all(name)
        assert len(values) <= 1, f"{self.path}: {name} more than once"
        return values[0] if values else missing

    def number(self, name):
        return int(self.text(name))

    def bytes(self, name, missing=None):
        text = self.text(name)
        return missing if text is None else self.edited(name, bytes_of(text))

    def edited(self, name, data):
        for edit, field, *rest in self.edits:
            if field != name:
                continue
            if edit == "put":
                at, new = int(rest[0]), bytes_of(rest[1])
                assert at + len(new) <= len(data)
                data = data[:at] + new + data[at + len(new):]
            elif edit == "cut":
                assert int(rest[0]) < len(data)
                data = data[:int(rest[0])]
            else:
                data += bytes_of(" ".join(rest))
        return data


def cases(directory):
    return [Case(path) for path in sorted(pathlib.Path(directory).glob("*/*.txt"))]
