#!/bin/sh
# kill -9 of the receiving node and of senders at odd moments: in the end every message is there once.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob; bob_node=$pid
befriend alice bob
count=20
i=0
while [ $i -lt $count ]; do
  i=$((i + 1))
  head -c $((i * 9000)) /dev/zero | tr '\0' x >body
  if [ $((i % 4)) = 0 ]; then
    as alice send -s "message $i" bob <body >/dev/null 2>&1 & sender=$!
    sleep 0.0$((i % 7 + 1))
    kill -9 "$bob_node" 2>/dev/null || true
    wait "$bob_node" 2>/dev/null || true
    wait "$sender" || die "send failed because the other side died"
    node bob; bob_node=$pid
    as bob card -o bob.card; as alice peers add bob bob.card >/dev/null
  else
    as alice send -s "message $i" bob <body >/dev/null || die "send $i failed"
  fi
done
# Senders that die: whatever they did not report may be lost, but never doubled or half there.
for delay in 0.01 0.02 0.04; do
  as alice send -s "dying sender" bob <body >/dev/null 2>&1 & sender=$!
  sleep $delay
  kill -9 "$sender" 2>/dev/null || true
  wait "$sender" 2>/dev/null || true
done
until_true 30 sh -c "P2PMAIL_HOME=$work/alice '$P2PMAIL' fetch -q; [ -z \"\$(P2PMAIL_HOME=$work/alice '$P2PMAIL' queue --json)\" ]" || die "the queue does not drain"
as bob ls >listed
i=0
while [ $i -lt $count ]; do
  i=$((i + 1))
  [ "$(grep -c "message $i\$" listed)" = 1 ] || { cat listed; die "message $i is not there exactly once"; }
done
[ "$(as bob ls --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | sort | uniq -d | wc -l)" = 0 ] || die "doubled"
