#!/bin/sh
# Everything that --json prints follows the schema that is installed with the program: real stores, every
# command with output, and errors of many kinds. A type that is never seen is a failure too, and so is an
# exit status that the page of the command does not name.
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/e2e/lib.sh"
python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"

# Types of the schema whose commands are not built yet. One that is seen must leave this list.
coming=''

# json STATUS NAME COMMAND...: runs it with --json, keeps what it says in said and the output in out.
json() {
  want=$1
  who=$2
  shift 2
  expect "$want" env P2PMAIL_HOME="$work/$who" "$P2PMAIL" "$@" --json
  cat out err >>said
  [ "$want" = 0 ] || [ "$(grep -c '"type":"error"' err)" = 1 ] || die "not one error: $(cat err): $*"
  # Only `send --wait` says something before it fails: what became of each recipient.
  case $want in 0 | 75) ;; *) [ ! -s out ] || die "output although it failed: $(cat out): $*" ;; esac
  page=$top/man/p2pmail-$1.1
  [ ! -f "$page" ] || grep -qx "\.It $want" "$page" || die "$page does not tell of exit status $want: $*"
  ! grep -q '"type":"error"' out || die "an error on standard output: $*"
  ! grep '^{' err | grep -qv '"type":"error"' || die "output on standard error: $*"
}
# some TYPE [WORDS]: the last output has an object of this type, with these words in it.
some() { grep "\"type\":\"$1\"" out | grep -qF -- "${2:-}" || die "no $1 with '${2:-}' in: $(cat out)"; }

# Keys, cards, people.
echo secret >secret
json 0 alice keygen --name 'Alice "A" Ärger' --no-passphrase
some identity Ärger
json 0 carol keygen --kdf-fast --passphrase-file secret
person bob; person dora; person eve
json 0 alice whoami
json 0 alice card
some card '"card":"'
json 0 alice card -o alice.json
cat alice.json >>said
json 78 alice card --link
json 0 bob peers
[ ! -s out ] || die "somebody in an empty address book"
node bob --json; bob_node=$pid
json 0 bob card --link
some card '"link":"p2pmail://'
befriend alice bob
befriend alice eve
befriend alice carol
json 0 bob relay allow alice
json 0 bob relay ls
some relay '"role":"holds"'
json 0 bob relay revoke alice
json 0 alice peers add dora "$(as dora whoami)"
json 0 alice peers block dora
json 0 alice peers
some peer '"blocked":true'
some peer '"card":false'
json 0 alice peers ls
json 0 alice peers show bob
some peer '"endpoints":["tcp://'

# Sending: delivered, queued without and with an attempt; strangers, attachments, Bcc, oneself.
head -c 3000 /dev/urandom >'odd "name" ü.bin'
json 0 alice send -s 'quo"ted \ Grüße' -a 'odd "name" ü.bin' bob -b me
some delivery '"state":"delivered"'
json 0 alice send -s later --no-push bob
some delivery '"reason":""'
json 0 alice send -s unreachable eve
some delivery '"state":"queued"'
json 0 alice queue
some queue-entry '"attempts":0'
json 0 alice queue ls
json 0 alice queue retry
json 0 alice queue show Sent/@
as eve peers add bob bob.card
json 0 eve send -s 'from a stranger' bob
json 0 alice fetch
until_true 20 has_mail bob . 2 || die "bob has not got his mail"
until_true 20 has_mail bob .Requests 1 || die "bob has no request"
json 0 carol send -s 'to myself' me
json 75 alice send --wait 1s -s again eve
stop "$bob_node"
cat bob.log >>said
cp bob.log out
some listening tcp://127.0.0.1:
some new-mail '"folder":".Requests"'

# Reading.
json 0 bob ls
some message '"verdict":"peer"'
json 0 bob ls Requests
some message '"from":"?'
json 0 alice ls Sent
some message '"to":"'
json 0 carol ls
some message '"locked":true'
json 0 carol ls --passphrase-file secret
some message '"locked":false'
json 0 bob show @~1
some content '"type":"application/octet-stream"'
json 0 bob show Requests/@
some content '"verdict":"stranger"'
json 0 alice show Sent/@~3
some content '"bcc":"me"'
json 0 alice show @
some content '"verdict":"self"'
json 0 bob show --save saved @~1
some saved
json 0 bob folders
some folder '"folder":".Sent"'
for part in --raw --headers '--part 1'; do
  # shellcheck disable=SC2086
  as bob show $part @ --json >plain || die "show $part fails"
  ! grep -q '"v":1' plain || die "show $part gives JSON instead of the message"
done
json 0 bob flag @ +flagged
json 0 bob mv @ Lists
json 0 bob rm Lists/@
printf 'From: x\n\nplain words\n' >bob/mail/cur/plain:2,
json 0 bob ls
some message '"id":""'
rm bob/mail/cur/plain:2,
# fetch says what it brought: alice listens now, bob collects.
echo more | as alice send -s more --no-push bob
node alice
as alice card -o alice.card
as bob peers add alice alice.card
json 0 bob fetch --max-size 1
some waiting '"hint":"'
json 0 bob fetch --list
some waiting '"from":"alice"'
# Whoever was told "later" waits for a few seconds before he offers it again.
came() { as bob fetch --json >came && cat came >>said && grep -q '"type":"new-mail".*"subject":"more"' came; }
until_true 20 came || die "no new-mail: $(cat came)"

# Errors: at least one for every code that a command line can bring about alone.
json 78 nobody ls
json 64 alice sned
json 64 alice ls --no-such-option
json 64 alice show
json 73 alice keygen --no-passphrase
echo 'no card' >bad.card
json 65 alice peers add x bad.card
sed '3y/ABCDEFGH/BCDEFGHA/' bob.card >forged.card
json 65 alice peers add x forged.card
json 66 alice show ffffffff
json 66 alice peers add x missing.card
json 67 alice send -s x bbo
json 0 alice config
some setting '"source":"default"'
echo 'unlock_for = 5m' >alice/config
json 0 alice config unlock_for
some setting '"line":1'
json 0 alice doctor
some finding '"level":"ok"'
json 0 alice peers verify --yes bob
some verification '"verified":true'
json 0 alice peers query BO
some match '"petname":"bob"'
# What takes longer than a second says how far it is.
mkfifo slow
{ head -c 100000 /dev/zero; sleep 1.2; head -c 100000 /dev/zero; } >slow &
json 0 alice send -s slow --no-push -a slow eve
some progress '"direction":"sealing"'
json 0 alice peers export
json 0 bob card --qr
some card '"qr":'
json 69 bob serve --listen "$(sed -n 's/.*listening on //p' alice.log | head -n 1)"
json 69 bob peers add zoe "$(as bob card --link)"
json 73 alice card -o no-such-directory/card
head -c 4000000 /dev/urandom >big
(trap '' XFSZ; ulimit -f 2000; json 74 alice send -s x -a "$work/big" bob) || exit 1
echo guess >wrong
json 77 carol show @ --passphrase-file wrong
chmod 0644 bob/keys/device
json 77 bob whoami
chmod 0600 bob/keys/device
expect 77 env P2PMAIL_HOME="$work/carol" timeout 10 setsid -w "$P2PMAIL" show @ --json
cat out err >>said

python3 - "$top/cmd/p2pmail-json.schema.json" "$coming" said <<'PYTHON'
import json, sys
import jsonschema

schema = json.load(open(sys.argv[1]))
coming = set(sys.argv[2].split())
jsonschema.Draft202012Validator.check_schema(schema)
types = {name[len("object-"):] for name in schema["$defs"] if name.startswith("object-")}
# One validator a type: what oneOf says about a line that fits none helps nobody.
one = {name: jsonschema.Draft202012Validator({"$ref": f"#/$defs/object-{name}", "$defs": schema["$defs"]})
       for name in types}
whole = jsonschema.Draft202012Validator(schema)

wrong, seen, codes, count = [], set(), set(), 0
for line in open(sys.argv[3], encoding="utf-8", newline="\n"):
    if line.startswith("p2pmail: "):
        continue  # for people
    found = json.loads(line)
    kind = found.get("type")
    seen.add(kind)
    count += 1
    if kind == "error":
        codes.add(found["error"]["code"])
    if kind not in one:
        wrong.append(f"unknown type: {line}")
        continue
    wrong += [f"{kind}: {'.'.join(map(str, e.path))}: {e.message}" for e in one[kind].iter_errors(found)]
    if not whole.is_valid(found) and one[kind].is_valid(found):
        wrong.append(f"fits its own type and another: {line}")

# The check can fail: a field too many, one too few, and one of another type are refused.
good = {"v": 1, "type": "folder", "folder": "INBOX", "total": 1, "unread": 0}
for bad in ({**good, "new": 1}, {k: good[k] for k in good if k != "total"}, {**good, "total": "1"}, {**good, "v": 2}):
    if whole.is_valid(bad) or not whole.is_valid(good):
        wrong.append(f"the schema takes {bad}")

wrong += [f"never seen: {name}" for name in types - seen - coming]
wrong += [f"{name} has come: take it out of 'coming'" for name in seen & coming]
if len(codes) < 13:
    wrong.append(f"too few codes of errors: {sorted(codes)}")
print(f"{count} objects of {len(seen)} types, {len(codes)} codes of errors")
print("\n".join(wrong), end="\n" if wrong else "")
sys.exit(bool(wrong))
PYTHON
