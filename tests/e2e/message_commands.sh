#!/bin/sh
# The commands for mail at rest: how messages are named, ls, show, mv, rm, flag, folders, unseal; and
# every --json is JSON.
. "$(dirname "$0")/lib.sh"
if command -v python3 >/dev/null 2>&1; then
  is_json() { python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]'; }
elif command -v jq >/dev/null 2>&1; then
  is_json() { jq . >/dev/null; }
else
  skip "neither python3 nor jq is there to check JSON"
fi
# field NAME: that field of each JSON line.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
# listed FOLDER: the subjects in it, in order, on one line.
listed() { as alice ls --json "$1" | field subject | tr '\n' ' ' | sed 's/ $//'; }
# by_subject SUBJECT: the id of that message.
by_subject() { as alice ls --json | grep "\"subject\":\"$1\"" | field id; }
same() { [ "$1" = "$2" ] || die "'$1' is not '$2'"; }

person alice
for number in one two three four; do
  echo "text of $number" | as alice send -s "$number" me
done

# Names of messages.
same "$(listed INBOX)" 'one two three four'
same "$(as alice ls -n 2 --json | field subject | tr '\n' ' ')" 'three four '
as alice show @ | grep -q 'text of four' || die "@ is not the newest"
as alice show @~0 | grep -q 'text of four' || die "@~0 is not the newest"
as alice show @~3 | grep -q 'text of one' || die "@~3 is not the oldest of four"
as alice show Sent/@~1 | grep -q 'text of three' || die "Sent/@~1"
id=$(by_subject two)
[ ${#id} = 40 ] || die "an id of ${#id} digits"
shown=$(as alice ls | grep 'two$' | cut -d ' ' -f 1)
case $id in "$shown"*) ;; *) die "ls prints $shown, not the start of $id" ;; esac
# The copy in .Sent is another file of the same letter: its id may be the same, so a folder may be needed.
for name in "$shown" "$id"; do
  as alice show "$name" | grep -q 'text of two' || die "$name does not name it"
done
expect 64 as alice show "$(printf '%.3s' "$id")"

# Flags.
same "$(as alice ls --unread --json | field subject | tr '\n' ' ')" 'three '
as alice flag @ +flagged -seen
as alice ls --json | grep '"subject":"four"' | grep -q '"flags":"F"' || die "not flagged: $(as alice ls)"
same "$(as alice ls --unread --json | wc -l | tr -d ' ')" 2
as alice flag @ +seen -flagged
as alice ls --json | grep '"subject":"four"' | grep -q '"flags":"S"' || die "flags do not change back"
id=$(by_subject four)
expect 64 as alice flag @ +seen -seen
same "$(by_subject four)" "$id"

# Folders: the id stays.
as alice mv @ @~1 Lists
same "$(listed Lists)" 'three four'
same "$(listed INBOX)" 'one two'
same "$(as alice ls Lists --json | tail -n 1 | field id)" "$id"
as alice folders --json | grep '".Lists"' | grep -q '"total":2' || die "$(as alice folders)"
as alice mv Lists/@ INBOX
same "$(listed INBOX)" 'one two four'
as alice rm @
same "$(listed INBOX)" 'one two'
same "$(listed Trash)" four
as alice rm Trash/@
same "$(listed Trash)" ''
as alice rm --purge @
same "$(listed INBOX)" one
same "$(listed Trash)" ''

# Attachments: what is inside DIR stays inside, nothing is replaced, parts come out alone.
head -c 70000 /dev/urandom >data.bin
printf 'line\n' >'a name with blanks.txt'
echo body | as alice send -s parts -a data.bin -a 'a name with blanks.txt' me
as alice show --json @ >shown.json
grep -q '"name":"data.bin"' shown.json || die "$(cat shown.json)"
part=$(sed -n 's/.*"part":\([0-9]*\),"type":"[^"]*","name":"data.bin".*/\1/p' shown.json)
as alice show --part "$part" @ | cmp - data.bin || die "--part is not the attachment"
mkdir saved
echo mine >saved/data.bin
as alice show --save saved @ >names
same "$(cat saved/data.bin)" mine
cmp 'a name with blanks.txt' 'saved/a name with blanks.txt' || die "not saved"
cmp data.bin "saved/$(grep data names)" || die "saved under another name it is not the same"
same "$(find saved -type f | wc -l | tr -d ' ')" 3
as alice show --raw @ >raw
as alice show --headers @ >headers
head -c "$(wc -c <headers | tr -d ' ')" raw | cmp - headers || die "--headers is not the start of --raw"
file=$(find alice/mail/cur alice/mail/new -type f -exec ls -t {} + | head -n 1)
as alice unseal "$file" >unsealed 2>said
grep -q '^p2pmail: good: ' said || die "unseal does not say who signed: $(cat said)"
[ "$(tr -d '\000' <unsealed | wc -c)" = "$(wc -c <unsealed)" ] || die "unseal gives NUL bytes"
grep -q body unsealed || die "unseal does not give the text"

# JSON everywhere.
person bob
befriend alice bob
echo x | as alice send -s 'quo"ted \ ü' --json bob >sent.json
for command in whoami card peers 'peers show bob' ls 'ls Sent' 'show @' folders queue fetch; do
  # shellcheck disable=SC2086
  as alice $command --json >json || die "$command --json fails"
  is_json <json || die "$command --json is not JSON: $(cat json)"
done
for command in whoami peers ls 'show @' folders queue; do
  # shellcheck disable=SC2086
  [ -n "$(as alice $command --json)" ] || die "$command --json says nothing"
done
is_json <sent.json || die "send --json is not JSON: $(cat sent.json)"
expect 66 as alice show --json ffffffff
is_json <err || die "an error is not JSON: $(cat err)"
