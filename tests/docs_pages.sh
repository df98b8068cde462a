#!/bin/sh
# The pages among themselves: mandoc finds nothing to complain about, links lead somewhere, exit statuses
# are those of sysexits(3), `cmake --install` installs every page and the JSON schema, and p2pmail-json(5)
# names the same types, fields and errors as the schema.
set -u
: "${P2PMAIL:?the binary to test}"
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
complain() { echo "$*"; status=1; }
skipped=
skip_part() { skipped="$skipped $*;"; }
cd "$top/man" || exit 1

for page in *.[1-8]; do
  for link in $(sed -n 's/.*[. ]Xr \(p2pmail[a-z-]*\) \([1-8]\).*/\1.\2/p' "$page"); do
    [ -f "$link" ] || complain "$page: there is no page $link"
  done
  grep -q '^\.Sh SEE ALSO' "$page" || complain "$page: no SEE ALSO"
  name=${page%.*}
  grep -qx "\.Nm $name" "$page" || complain "$page: it is about something else"
done

# The numbers of a page are among those of the overview, and 0 and 64 are always there.
statuses_in() { sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It \([0-9]*\)$/\1/p' "$1"; }
for page in *.1; do
  statuses_in "$page" >"$work/statuses"
  for number in 0 64; do
    grep -qx "$number" "$work/statuses" || complain "$page: no exit status $number"
  done
  while read -r number; do
    statuses_in p2pmail.1 | grep -qx "$number" || complain "$page: exit status $number is not in p2pmail.1"
  done <"$work/statuses"
  sort -n -u "$work/statuses" | cmp -s - "$work/statuses" || complain "$page: exit statuses out of order"
done

if command -v mandoc >/dev/null 2>&1; then
  for page in *.[1-8]; do
    # Whether the machine's index of other pages is up to date is not our business.
    mandoc -Tlint "$page" 2>&1 | grep -v 'outdated mandoc.db' >"$work/lint"
    [ ! -s "$work/lint" ] || complain "$(cat "$work/lint")"
  done
else
  skip_part "no lint, mandoc is not installed"
fi

build=$(dirname "$P2PMAIL")
if [ -f "$build/cmake_install.cmake" ]; then
  cmake --install "$build" --prefix "$work/prefix" >"$work/install" 2>&1 || complain "$(cat "$work/install")"
  for page in *.[1-8]; do
    cmp -s "$page" "$work/prefix/share/man/man${page##*.}/$page" || complain "$page is not installed"
  done
  cmp -s ../cmd/p2pmail-json.schema.json "$work/prefix/share/p2pmail/p2pmail-json.schema.json" ||
    complain "the JSON schema is not installed"
else
  skip_part "not looked whether the pages are installed, no build beside $P2PMAIL"
fi

if command -v python3 >/dev/null 2>&1; then
  python3 - "$top" <<'PYTHON' || status=1
import json, os, re, sys

top = sys.argv[1]
schema = json.load(open(top + "/cmd/p2pmail-json.schema.json"))
page = open(top + "/man/p2pmail-json.5").read()

def word_of(what):
    """The type of a field as the page calls it."""
    while "$ref" in what:
        what = schema["$defs"][what["$ref"].rsplit("/", 1)[1]]
    if "enum" in what or "const" in what:
        return "string"
    if what["type"] != "array":
        return what["type"]
    return "array of " + word_of(what["items"]) + "s"

def fields(what, prefix=""):
    for name, field in what["properties"].items():
        if not prefix and name in ("v", "type"):
            continue
        optional = "" if name in what["required"] else ", optional"
        yield f"{prefix}{name} ({word_of(field)}{optional})"
        inner = field.get("items", field)
        if "properties" in inner:
            yield from fields(inner, f"{prefix}{name}.")

wanted = {}
for each in schema["oneOf"]:
    what = schema["$defs"][each["$ref"].rsplit("/", 1)[1]]
    assert what["additionalProperties"] is False, each
    wanted[what["properties"]["type"]["const"]] = set(fields(what))

said = {}
for section in page.split("\n.Sh OBJECTS\n")[1].split("\n.Sh ")[0].split(".Ss ")[1:]:
    rows = re.findall(r"^\.It Va (\S+) Pq (.*)$", section, re.M)
    said[section.split("\n", 1)[0]] = {f"{name} ({what.replace(' ,', ',')})" for name, what in rows}

wrong = [f"only in one of page and schema: {name}" for name in wanted.keys() ^ said.keys()]
for name in wanted.keys() & said.keys():
    wrong += [f"{name}: only in the schema: {field}" for field in wanted[name] - said[name]]
    wrong += [f"{name}: only in the page: {field}" for field in said[name] - wanted[name]]

# The words of errors with their exit statuses: schema, page, program.
report = open(top + "/cmd/report.cpp").read()
program = {(name, getattr(os, ex)) for ex, name in re.findall(r'return \{(EX_\w+), "([a-z-]+)"\};', report)}
table = {(name, int(n)) for name, n in re.findall(r"^\.It Li ([a-z-]+) Ta (\d+) Ta", page, re.M)}
words = set(schema["$defs"]["object-error"]["properties"]["error"]["properties"]["code"]["enum"])
wrong += [f"error only in one of page and program: {row}" for row in program ^ table]
wrong += [f"error only in one of schema and program: {row}" for row in words ^ {row[0] for row in program}]
if len(wanted) < 10 or len(program) < 15:
    wrong.append("too little found")
print("\n".join(wrong), end="\n" if wrong else "")
sys.exit(bool(wrong))
PYTHON
else
  skip_part "p2pmail-json(5) not compared with the schema, python3 is not installed"
fi

[ "$status" = 0 ] && [ -n "$skipped" ] && { echo "$skipped"; exit 77; }
exit "$status"
