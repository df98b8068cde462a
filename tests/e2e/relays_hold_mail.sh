#!/bin/sh
# A friend's machine holds mail for somebody who is offline: carol is the relay of bob, alice writes.
. "$(dirname "$0")/lib.sh"
for name in alice bob carol dave; do person $name; done
node carol
carol=$pid
for name in alice bob dave; do befriend $name carol; done
as carol relay allow bob --quota 8M --keep 2d
as carol relay ls | grep -q '^holds for bob: 0 letters, .* of 8.0 MiB, for 2d each' || die "$(as carol relay ls)"
as bob relay use carol
as bob relay ls | grep -q '^my relay carol: tcp://127.0.0.1:' || die "$(as bob relay ls)"
befriend alice bob
befriend dave bob

# Bob is not there: the letter waits at carol's, and alice is told the truth.
echo 'meet me at noon' | as alice send -v -s 'Secret plan' bob >sent
grep -q 'bob: relayed (held by carol until ' sent || die "$(cat sent)"
as alice queue --json | grep -q '"state":"relayed"' || die "$(as alice queue --json)"
[ "$(count_mail bob .)" = 0 ] || die "bob has it already"
as carol relay ls --json | grep -q '"letters":1' || die "$(as carol relay ls --json)"
# Carol's machine can read nothing of it and does not know who wrote.
alice=$(as alice whoami | sed 's/.*@//; s/\..*//')
for word in 'meet me at noon' 'Secret plan'; do
  ! grep -rqa "$word" carol alice/queue alice/relay.db || die "'$word' lies in the open"
done
sqlite3=$(find carol -name 'relay*' -type f)
for file in $sqlite3 carol/relay/*; do
  [ -f "$file" ] || continue
  ! grep -qa "$alice" "$file" || die "$file names the sender"
done

# A large one: block by block, and the same letter for two people is held once.
head -c 3000000 /dev/urandom >large
as dave relay use carol
as carol relay allow dave
as dave card -o dave.card
as alice peers add dave dave.card >/dev/null
echo 'see the attachment' | as alice send -v -s Large -a large bob dave >sent
grep -q 'bob: relayed' sent && grep -q 'dave: relayed' sent || die "$(cat sent)"
[ "$(find carol/relay -name '*.letter' | wc -l)" = 2 ] || die "$(ls carol/relay)"

# Bob comes online: one message each, and the relay lets go of them.
as bob fetch
[ "$(count_mail bob .)" = 2 ] || die "bob has $(count_mail bob .) messages"
as bob show --raw @ >raw
as bob show --save . @ >/dev/null 2>&1 || true
as bob fetch
[ "$(count_mail bob .)" = 2 ] || die "something came twice"
as carol relay ls --json | grep '"bob"' | grep -q '"letters":0' || die "$(as carol relay ls --json)"
[ "$(find carol/relay -name '*.letter' | wc -l)" = 1 ] || die "the other letter is not there for dave"
# Alice learns of it by a receipt that came back through carol.
as alice fetch
as alice queue --json | grep -q bob && die "alice does not know: $(as alice queue)"
as alice queue show Sent/@ | grep -q 'bob  delivered' || die "$(as alice queue show Sent/@)"
as dave fetch
[ "$(count_mail dave .Requests)" = 1 ] || die "dave, who does not know alice, has $(count_mail dave .Requests) messages"
as alice fetch
queue_is_empty alice || die "$(as alice queue)"
[ -z "$(find carol/relay -type f)" ] || die "left on the shelf: $(ls carol/relay)"

# Told apart: no room, not allowed, no relay at all.
head -c 9000000 /dev/urandom >larger
echo 'too much' | as alice send -v -s Larger -a larger bob >sent
grep -q "bob: queued (.*relay carol: quota: the recipient's quota on this relay is used up" sent || die "$(cat sent)"
as alice queue cancel Sent/@ >/dev/null
as carol relay revoke bob
echo 'not any more' | as alice send -v -s Revoked bob >sent
grep -q 'bob: queued (.*relay carol: refused: no letters are held here for this recipient' sent || die "$(cat sent)"
as alice queue cancel Sent/@ >/dev/null
# What is held when the owner of the relay changes his mind is queued again at the sender's.
as carol relay allow bob
echo 'held, then dropped' | as alice send -s Dropped bob
as alice queue --json | grep -q '"state":"relayed"' || die "$(as alice queue --json)"
as carol relay revoke bob
as carol relay allow bob
as alice fetch
as alice queue --json | grep -q '"state":"queued"' || die "$(as alice queue --json)"
as alice fetch
as alice queue --json | grep -q '"state":"relayed"' || die "it was not left there again: $(as alice queue --json)"
# A running node collects, and a running node leaves.
node bob
until_true 20 has_mail bob . 3 || die "bob's node did not collect"
stop "$pid"
as alice fetch
queue_is_empty alice || die "$(as alice queue)"
node alice
echo 'from a node' | as alice send --no-push -s Node bob
relayed() { as alice queue --json | grep -q '"state":"relayed"'; }
until_true 30 relayed || die "alice's node did not leave it: $(as alice queue)"
as bob fetch
[ "$(count_mail bob .)" = 4 ] || die "bob has $(count_mail bob .) messages"
stop "$pid"
as alice fetch
queue_is_empty alice || die "$(as alice queue)"

# Cancelled: taken back from the relay at the next round.
before=$(count_mail bob .)
echo 'not after all' | as alice send -s Cancelled bob
relayed || die "not left: $(as alice queue)"
as alice queue cancel Sent/@ >/dev/null
as alice fetch
as carol relay ls --json | grep '"bob"' | grep -q '"letters":0' || die "carol holds it still: $(as carol relay ls)"
as bob fetch
[ "$(count_mail bob .)" = "$before" ] || die "a letter that was taken back arrived"

# A relay that the recipient has left, and that is gone: the letter is left at his new one.
echo 'for another relay' | as alice send -s Moved bob
as alice queue --json | grep -q '"state":"relayed"' || die "$(as alice queue --json)"
stop "$carol"
person erin
node erin
erin=$pid
befriend bob erin
befriend alice erin # else a place that is not public is not dialed
as erin relay allow bob
as bob relay leave carol
as bob relay use erin
as bob card -o bob.card
as alice peers add bob bob.card >/dev/null
as alice fetch
as erin relay ls --json | grep -q '"letters":1' || die "not left at the new relay: $(as alice queue)"
as bob fetch
[ "$(count_mail bob .)" = 5 ] || die "bob has $(count_mail bob .) messages"
as alice fetch
queue_is_empty alice || die "$(as alice queue)"
node carol
carol=$pid
as bob relay leave erin
stop "$erin"

# Bad words.
expect 67 as carol relay allow nobody
expect 64 as carol relay allow bob --keep 5s
expect 66 as carol relay revoke alice
expect 66 as bob relay leave dave
expect 69 as bob relay use dave
[ -z "$(as bob relay ls)" ] || die "$(as bob relay ls)"
stop "$carol"
