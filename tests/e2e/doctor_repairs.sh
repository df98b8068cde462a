#!/bin/sh
# A database that does not open is set aside and made anew, without losing queued mail or the address book;
# what a crash left of files is removed.
. "$(dirname "$0")/lib.sh"
for name in alice bob; do person $name; done
node bob
bob=$pid
befriend alice bob
echo 'got this before' | as alice send -s before bob
stop "$bob"
echo 'waits' | as alice send -s waits bob
entries=$(find alice/queue -name '*.entry' | wc -l)
[ "$entries" = 1 ] || die "nothing is queued"
as alice doctor --offline >said || die "$(cat said)"

# Damage of every kind: garbage, a page of it, cut short.
damage() { # damage FILE HOW
  rm -f "$1-wal" "$1-shm"
  case $2 in
    garbage) head -c 8192 /dev/urandom >"$1" ;;
    page) dd if=/dev/urandom of="$1" bs=4096 seek=1 count=1 conv=notrunc 2>/dev/null ;;
    cut) dd if=/dev/null of="$1" bs=1000 seek=5 2>/dev/null ;;
  esac
}
for how in garbage page cut; do
  damage alice/state.db $how
  expect 78 as alice doctor --offline
  grep -q 'problem .*database .*state.db: damaged; it holds the address book' out || { cat out; die "$how: not found"; }
  grep -q -- '-> stop p2pmail serve, then p2pmail doctor --repair' out || die "$how: no advice"
  as alice doctor --offline --repair >said || die "$how: $(cat said)"
  grep -q 'set aside as state.db.damaged-' said || die "$how: $(cat said)"
  ls alice/state.db.damaged-* >/dev/null || die "$how: it was thrown away"
  rm -f alice/state.db.damaged-*
  as alice peers | grep -q '^bob ' || die "$how: the address book is gone"
  [ "$(as alice queue --json | wc -l)" = 1 ] || die "$how: the queued letter is gone"
  as alice doctor --offline >said || die "$how, afterwards: $(cat said)"
done
# The queued letter arrives; the one before is not taken a second time, though the index was lost as well.
damage alice/seen.db garbage
as alice doctor --offline --repair >/dev/null
node bob
bob=$pid
as bob card -o bob.card
as alice peers add bob bob.card
as alice fetch
queue_is_empty alice || die "$(as alice queue)"
[ "$(count_mail bob .)" = 2 ] || die "bob has $(count_mail bob .)"
stop "$bob"
damage bob/seen.db garbage
expect 78 as bob doctor --offline
as bob doctor --offline --repair >/dev/null
[ "$(as bob ls --json | wc -l)" = 2 ] || die "bob's mail is gone"

# Files of a crash: old ones go, young ones and those that somebody writes stay.
touch bob/mail/tmp/young bob/mail/.p2pmail/partial/young
as bob doctor --offline --repair >/dev/null
[ -f bob/mail/tmp/young ] || die "a young file was removed"
# Whatever can be asked in JSON is an object.
as bob doctor --offline --repair --json | while read -r line; do
  case $line in '{'*'"type":"finding"'*'}') ;; *) die "no finding: $line" ;; esac
done
