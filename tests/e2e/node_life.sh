#!/bin/sh
# A node: hands over what waits to whoever dials it, notices new queue entries at once, tries again after
# a failure, ends within a second of SIGTERM, starts again.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob; bob_node=$pid
node alice; alice_node=$pid
befriend alice bob
stop "$bob_node"
echo waits | as alice send -s waiting bob
[ "$(count_mail bob .)" = 0 ] || die "delivered to nobody"
# Alice's node has tried in vain. Bob dials, and gets what waits in the same conversation; the card that
# he presents replaces the one that alice has.
until_true 10 sh -c "P2PMAIL_HOME=$work/alice '$P2PMAIL' queue --json | grep -qv '\"attempts\":0'" ||
  die "no attempt was noted"
node bob; bob_node=$pid
echo hello | as bob send -v --wait 20s -s 'I am back' alice >sent
grep -q delivered sent || die "bob cannot reach alice: $(cat sent)"
as bob fetch -q
until_true 10 has_mail bob . 1 || die "the node did not hand over what waited: $(as alice queue)"
until_true 10 queue_is_empty alice || die "alice's queue is not empty"
# A new entry is noticed at once, and goes to the new port.
echo quick | as alice send --no-push -s quick bob
until_true 5 has_mail bob . 2 || die "a new queue entry was not noticed: $(as alice queue)"
until_true 5 queue_is_empty alice || die "alice's queue is not empty"
# ends PID SECONDS: it is gone, or only its exit status is left.
ends() { until_true "$2" sh -c "! kill -0 $1 2>/dev/null || grep -q '^State:.Z' /proc/$1/status"; }
kill "$alice_node"
ends "$alice_node" 1 || die "SIGTERM did not end it within a second"
wait "$alice_node" || die "the node did not end cleanly: $?"
node alice; alice_node=$pid
as alice card -o alice.card
as bob peers add alice alice.card
as bob send -v --wait 20s -s again alice </dev/null >sent
grep -q delivered sent || die "a node that was started again does not take mail: $(cat sent)"
