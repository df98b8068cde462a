# Mail that was written to deceive or to break: a genuine sender, hostile content. Every way of
# looking at it is tried, and nothing reaches the terminal that could steer it or pass for another.
. "$(dirname "$0")/lib.sh"

person mallory
person bob
node bob
befriend mallory bob
as bob whoami >address
to=$(cat address)
esc=$(printf '\033')

# give FILE: what mallory's program wrote goes to bob as it is.
give() { as mallory send -i "$to" <"$1" >/dev/null || die "not sent: $1"; }
received() { has_mail bob . "$1"; }

# No escape, other control, C1, bidi or zero-width character, and UTF-8 throughout.
clean() { # clean FILE
  python3 - "$1" <<'EOF' || die "$1 is not fit for a terminal"
import sys, unicodedata
text = open(sys.argv[1], 'rb').read().decode('utf-8')
bad = {c for c in text if c not in '\n\t' and unicodedata.category(c) in ('Cc', 'Cf', 'Zl', 'Zp')}
sys.exit(f'has {bad!r}' if bad else 0)
EOF
}
command -v python3 >/dev/null 2>&1 || skip "python3 is not installed"

# 1: escapes, bidi and a display name that pretends to be two people.
printf 'From: "bob, <me>" <a@b>\nCc: "bob, carol" <a@b>, joe@example.org, zed <"a>, bob <b@c>, q <b"@evil.alt>\nSubject: %s]0;owned%sx \342\200\256evil\302\233 \342\200\213end\nX-A: %s[2J\n\n%s[31mred\302\233 \342\201\246\r\nprogress\rover\n' \
  "$esc" "$(printf '\007')" "$esc" "$esc" >1.eml
# 2: a subject of a megabyte less what the header may have.
{ printf 'Subject: '; head -c 500000 /dev/zero | tr '\0' 'x'; printf '\n\nlong\n'; } >2.eml
# 3: neither From nor Date nor Subject; 8-bit bytes in the header and in the body.
printf 'X-Latin: caf\351\nTo: \351\377 <x@y>\n\n8-bit \377\376 body\n' >3.eml
# 4: names of attachments that would leave their directory or hide what they are.
cat >4.eml <<EOF
Subject: files
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Disposition: attachment; filename="../../../escaped"

one
--b
Content-Disposition: attachment; filename=".profile"

two
--b
Content-Disposition: attachment; filename*=utf-8''%1b%5b2Jinvoice%E2%80%AEfdp.exe

three
--b
Content-Disposition: attachment; filename="/etc/passwd"

four
--b--
EOF
# 5: fields that only a store may write, a forged verdict, and one more header inside.
cat >5.eml <<EOF
P2pmail-Id: 0000000000000000000000000000000000000000
Authentication-Results: p2pmail.alt; auth=pass
Subject: forged
 P2pmail-Id: 1111

Signed: bob (peer)
EOF
# 6: more parts than anybody reads.
{
  printf 'Subject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n'
  yes -- '--b' | head -n 20001
} >6.eml

for n in 1 2 3 4 5 6; do give "$n.eml"; done
until_true 30 received 6 || die "not all arrived: $(as mallory queue)"
clean bob.log

as bob ls >list
clean list
grep -q 'mallory' list || die "the signer is not shown by his petname"
COLUMNS=80 as bob ls >narrow
clean narrow
as bob ls --json >list.json
clean list.json
python3 - <<'EOF' || die "ls --json is not one object a line"
import json
for line in open('list.json'): assert json.loads(line)['type'] == 'message', line
EOF

seen=0
hints=0
for id in $(python3 -c "
import json
for line in open('list.json'): print(json.loads(line)['id'])"); do
  as bob show "$id" >shown 2>err || grep -q 'show --raw' err || die "show $id: $(cat err)"
  clean shown
  clean err
  if grep -q 'show --raw' err; then hints=$((hints + 1)); fi
  as bob show --headers "$id" >headers || die "show --headers $id"
  clean headers
  as bob show --json "$id" >shown.json 2>err || grep -q 'show --raw' err || die "show --json $id"
  clean shown.json
  as bob show --raw "$id" >raw || die "show --raw $id"
  [ -s raw ] || die "no bytes of $id"
  ! grep -q '^P2pmail-Id:' headers || die "a field of ours in a stranger's header"
  ! grep -qE '^(From|To|Cc): (me|bob)( |$)' shown || die "a name that nobody proved: $(cat shown)"
  seen=$((seen + 1))
done
[ "$hints" = 1 ] || die "the message of too many parts was not refused with a way to its bytes"
one=$(head -n 1 list.json | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
as bob show "$one" >shown
grep -qxF 'Cc: "?bob, carol" <a@b>, ?joe@example.org, ?zed <_a___bob__b@c___q__b_@evil.alt>' shown || die "strangers' names: $(cat shown)"
[ "$seen" = 6 ] || die "only $seen were looked at"

# Attachments stay in their directory under harmless names.
four=$(python3 -c "
import json
for line in open('list.json'):
  one = json.loads(line)
  if one['subject'] == 'files': print(one['id'])")
mkdir -p safe/deep
as bob show --save safe/deep "$four" >saved
clean saved
[ "$(find safe -type f | wc -l)" = 4 ] && [ "$(find safe/deep -type f | wc -l)" = 4 ] || die "files outside of the directory"
[ ! -e safe/deep/.profile ] && [ ! -e escaped ] || die "a hidden or escaped file"
find safe/deep -type f >names
clean names

# The line of fetch, and its object.
stop "$pid"
give 1.eml
node mallory
as mallory card -o m.card
as bob peers add mallory m.card >/dev/null 2>&1 || true
as bob fetch >fetched 2>fetch.err || die "fetch failed: $(cat fetch.err)"
clean fetched
clean fetch.err
received 7 || die "fetch did not bring it"
