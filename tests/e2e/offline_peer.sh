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
# What is cancelled is never called delivered, not by a send that waits for its receipt either.
as alice send -s third --wait 30s bob >/dev/null 2>third.err </dev/null &
waits=$!
until_true 10 sh -c "P2PMAIL_HOME=$work/alice '$P2PMAIL' queue --json | grep -q third" || die "third is not queued"
until_true 20 as alice queue cancel Sent/@ || die "it cannot be cancelled"
set +e
wait "$waits"
[ $? = 69 ] || die "a cancelled message counts as delivered: $(cat third.err)"
set -e
grep -q 'cancelled' third.err || die "not said: $(cat third.err)"
[ "$(as alice queue --json | wc -l)" = 2 ] || die "more than the third is gone"
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
