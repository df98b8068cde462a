#!/bin/sh
# The other one is away: mail waits in the queue, the exit status says so, and a later fetch brings it
# over in either direction, also when only one side can be dialed.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob; bob_node=$pid
befriend alice bob
stop "$bob_node"
echo one | as alice send -v -s first bob >sent 2>&1 || die "queued mail is not an error"
grep -q 'bob: queued' sent || die "not said to be queued: $(cat sent)"
[ "$(as alice queue --json | wc -l)" = 1 ] || die "not in the queue"
set +e
echo two | as alice send -s second --wait 1s bob >/dev/null 2>&1
[ $? = 75 ] || die "--wait without a receipt is not 75"
set -e
expect 0 as alice fetch -q
[ "$(count_mail bob .)" = 0 ] || die "mail arrived by itself"
# Bob comes back and dials alice, who listens now; bob's own node stays down.
node alice
as alice card -o alice.card
as bob peers add alice alice.card >/dev/null
as bob fetch -q
until_true 10 has_mail bob . 2 || die "fetch did not bring both"
until_true 10 queue_is_empty alice || die "alice does not know that it was delivered"
[ "$(count_mail bob .)" = 2 ] || die "not exactly two messages"
as bob fetch -q & first=$!
as bob fetch -q & second=$!
wait "$first"; wait "$second"
[ "$(count_mail bob .)" = 2 ] || die "two fetches at once doubled mail"
