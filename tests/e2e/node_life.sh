#!/bin/sh
# A node: notices new queue entries at once, ends within a second of SIGTERM, starts again.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob; bob_node=$pid
node alice; alice_node=$pid
befriend alice bob
stop "$bob_node"
echo waits | as alice send -s waiting bob
[ "$(count_mail bob .)" = 0 ] || die "delivered to nobody"
# Same store, another port: the card that bob presents replaces the one alice has.
as bob send -s 'I am back' alice <body 2>/dev/null || echo hello | as bob send -s 'I am back' alice
until_true 10 has_mail alice . 1 || die "bob cannot reach alice"
until_true 40 has_mail bob . 1 || die "the node did not hand over what waited"
until_true 10 queue_is_empty alice || die "alice's queue is not empty"
kill "$alice_node"
until_true 1 sh -c "! kill -0 $alice_node 2>/dev/null || grep -q 'State:.Z' /proc/$alice_node/status" || die "SIGTERM did not end it within a second"
wait "$alice_node" || die "the node did not end cleanly: $?"
