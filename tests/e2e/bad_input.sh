#!/bin/sh
# Bad input of every kind: one clear line that names what is wrong, the right exit status, nothing
# changed, nothing lost.
. "$(dirname "$0")/lib.sh"

# refused STATUS WORDS COMMAND...: the status, and one error line with these words in it; no output.
refused() {
  words=$2
  status=$1
  shift 2
  expect "$status" "$@"
  [ "$(grep -c '^p2pmail: error: ' err)" = 1 ] || die "not one error line: $(cat err): $*"
  grep '^p2pmail: error: ' err | grep -qF -- "$words" || die "'$words' is not in: $(cat err): $*"
  [ ! -s out ] || die "output although it failed: $(cat out): $*"
}
# flip FILE OFFSET: flips all bits of one byte.
flip() {
  byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
  printf "\\$(printf '%03o' $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
only_mail() { find "$work/$1/mail/new" "$work/$1/mail/cur" -type f | head -n 1; }

# Words on the command line.
refused 78 'no identity' as nobody ls
refused 64 "no command 'sned'" as alice sned
refused 64 'a command is needed' as alice
person alice; person bob
refused 73 'identity already' as alice keygen --no-passphrase
refused 64 '' as alice ls --no-such-option
refused 64 '' as alice show
befriend alice bob
as alice peers --json >peers.before

# Cards and links.
echo 'no card at all' >bad.card
refused 65 bad.card as alice peers add x bad.card
head -c 300 bob.card >cut.card
refused 65 cut.card as alice peers add x cut.card
sed '3y/ABCDEFGH/BCDEFGHA/' bob.card >forged.card
refused 65 forged.card as alice peers add x forged.card
head -c 400000 /dev/zero >huge.card
refused 65 huge.card as alice peers add x huge.card
refused 66 missing.card as alice peers add x missing.card
refused 65 '' as alice peers add x p2pmail://aaaa/bbbb@127.0.0.1:1
refused 65 typo as alice peers add x "$(as bob whoami | sed 's/@a/@b/; t; s/@./@a/')"
refused 64 '' as alice peers add 'two words' bob.card
refused 73 "known as 'bob'" as alice peers add robert bob.card
refused 67 "no peer 'bbo'" as alice peers show bbo
as alice peers --json >peers.after
cmp peers.before peers.after || die "the address book changed"
refused 73 '' as alice card -o no-such-directory/card

# Sending: nothing goes to anybody.
refused 67 "no peer 'nobody'" as alice send -s x bob nobody
refused 66 missing.pdf as alice send -s x -a missing.pdf bob
refused 66 'directory' as alice send -s x -a bob bob
refused 64 subject as alice send -s 'two
lines' bob
refused 64 subject as alice send -s "$(printf 'not UTF-8 \377')" bob
refused 64 soon as alice send -s x --wait soon bob
[ "$(count_mail alice .Sent)" = 0 ] || die "a copy of what was not sent"
queue_is_empty alice || die "something was queued"
[ "$(count_mail bob .)" = 0 ] || die "something was delivered"

# A file that cannot grow: nothing half-written. (SIGXFSZ is ignored, so that write(2) fails.)
head -c 4000000 /dev/urandom >big
(trap '' XFSZ; ulimit -f 2000; refused 74 '' as alice send -s x -a "$work/big" bob) || exit 1
[ "$(count_mail alice .Sent)" = 0 ] || die "half of a message in Sent"
queue_is_empty alice || die "half of a message in the queue"
[ -z "$(find alice -type f -size +1000k)" ] || die "left over: $(find alice -type f -size +1000k)"

# Messages and folders.
node bob; bob_node=$pid
befriend alice bob
echo first | as alice send -s first bob
until_true 20 has_mail bob . 1
refused 66 '' as bob show ffffffff
refused 64 '' as bob show xyz
refused 66 '' as bob show @~1
refused 66 Nowhere as bob ls Nowhere
refused 64 '' as bob mv @ ../elsewhere
refused 64 nosuch as bob flag @ +nosuch
refused 66 'part 99' as bob show --part 99 @
refused 69 '127.0.0.1' as alice serve --listen "$(sed -n 's/.*listening on //p' bob.log | head -n 1)"

# Junk for a node: it lives on.
port=$(sed -n 's/.*listening on tcp:.*:\([0-9]*\)$/\1/p' bob.log | head -n 1)
if command -v python3 >/dev/null 2>&1; then
  python3 - "$port" <<'END'
import os, socket, sys
for junk in (b"", b"GET / HTTP/1.0\r\n\r\n", os.urandom(100000), b"\xff" + b"\0" * 8 + b"\x7f" + b"\xff" * 100000,
             b"\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE" + b"\0" * 47 + os.urandom(5000)):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
    try:
        s.sendall(junk)
    except OSError:
        pass
    s.close()
END
fi
kill -0 "$bob_node" || die "the node died of junk"
echo second | as alice send -v -s second bob >sent
grep -q delivered sent || die "the node does not take mail any more: $(cat sent)"
as bob rm --purge @

# A damaged message: named, not shown, still there; the others are listed.
file=$(only_mail bob)
cp "$file" saved
size=$(wc -c <"$file" | tr -d ' ')
for offset in $((size / 2)) $((size - 200)) $((size - 3000)); do
  flip "$file" "$offset"
  refused 65 "$(basename "$file")" as bob show @
  expect 65 as bob unseal "$file"
  cat saved >"$file"
done
head -c $((size - 500)) saved >"$file"
refused 65 "$(basename "$file")" as bob show @
as bob ls >listed || die "ls fails because one file is damaged"
grep -q damaged listed || die "the damage is not listed: $(cat listed)"
cat saved >"$file"
as bob show @ | grep -q first || die "lost"
printf 'From: x\n\nplain words\n' >bob/mail/cur/plain:2,
: >bob/mail/cur/empty:2,
as bob ls | grep -q first || die "strange files hide the others"
[ -e bob/mail/cur/empty:2, ] || die "a strange file was removed"
refused 65 plain as bob unseal bob/mail/cur/plain:2,
rm bob/mail/cur/plain:2, bob/mail/cur/empty:2,
stop "$bob_node"

# A damaged queue entry.
echo third | as alice send -s third bob
entry=$(find alice/queue -name '*.entry')
cp "$entry" entry.saved
flip "$entry" 60
expect 65 as alice queue
grep -q "$(basename "$entry" .entry)" err || die "the entry is not named: $(cat err)"
expect 65 as alice fetch -q
[ -e "$entry" ] || die "the damaged entry was removed"
cat entry.saved >"$entry"
[ "$(as alice queue --json | wc -l)" = 1 ] || die "the queue lost it"

# Damaged key files.
for key in device identity store; do
  cp -p "alice/keys/$key" key.saved
  case $key in device) command=whoami ;; identity) command='passwd --no-passphrase' ;; store) command='show Sent/@' ;; esac
  # shellcheck disable=SC2086
  {
    flip "alice/keys/$key" 40
    refused 65 "keys/$key" as alice $command
    head -c 30 key.saved >"alice/keys/$key"
    refused 65 "keys/$key" as alice $command
    cat key.saved >"alice/keys/$key"
    chmod 0644 "alice/keys/$key"
    refused 77 "keys/$key" as alice $command
  }
  chmod 0600 "alice/keys/$key"
done
as alice show Sent/@ | grep -q third || die "the keys are not what they were"

# A damaged state: named, and nothing is thrown away.
cp alice/state.db state.saved
rm -f alice/state.db-wal alice/state.db-shm
head -c 5000 /dev/urandom >alice/state.db
expect 65 as alice peers
grep -q state.db err || die "state.db is not named: $(cat err)"
[ "$(wc -c <alice/state.db | tr -d ' ')" = 5000 ] || die "the damaged file was replaced"

# Passphrases: wrong, or nowhere to ask for one.
echo secret >right
echo guess >wrong
: >none
as carol keygen --kdf-fast --passphrase-file right >/dev/null
echo note | as carol send -s 'to myself' me
refused 77 '' as carol show --passphrase-file wrong @
refused 64 none as carol show --passphrase-file none @
refused 66 gone as carol show --passphrase-file gone @
as carol show --passphrase-file right @ | grep -q note || die "the right passphrase does not open it"
refused 77 passphrase env P2PMAIL_HOME="$work/carol" timeout 10 setsid -w "$P2PMAIL" show @
refused 77 passphrase env P2PMAIL_HOME="$work/dave" timeout 10 setsid -w "$P2PMAIL" keygen
[ ! -e dave/keys ] || die "half of an identity"
