#!/bin/sh
# ^C in the middle of a large letter, on either side: it says what is left, and the next run goes on.
. "$(dirname "$0")/lib.sh"

person alice; person bob
node bob
befriend alice bob
head -c 24000000 /dev/urandom >large.bin
partial=$work/bob/mail/.p2pmail/partial
# blocks: 512 bytes of it that are on the disk; its size is that of the letter from the start.
blocks() { find "$partial" -type f -printf '%b\n' 2>/dev/null | sort -n | tail -n 1; }
coming() { [ "$(blocks)" -gt 6144 ]; }
# interrupted NAME COMMAND...: ^C once some of it has come.
interrupted() {
  who=$1
  shift
  P2PMAIL_HOME=$work/$who "$P2PMAIL" "$@" </dev/null >out 2>err &
  running=$!
  until_true 60 coming || die "nothing comes: $(cat out err)"
  kill -INT "$running"
  status=0
  wait "$running" || status=$?
}

interrupted alice send -s large -a large.bin --limit-rate 2M bob
[ "$status" = 0 ] || die "exit $status: $(cat err)"
grep -q 'interrupted; it is queued: p2pmail fetch goes on' err || die "not said: $(cat err)"
[ "$(count_mail bob .)" = 0 ] || die "it has come already"
stop "$pid"
coming || die "what had come is gone"
# The other way round: bob fetches from alice, who is slow.
node alice --limit-rate 2M
as alice card -o alice.card && as bob peers add alice alice.card >/dev/null
before=$(blocks)
more() { [ "$(blocks)" -gt "$((before + 2048))" ]; }
coming() { more; }
interrupted bob fetch
[ "$status" = 75 ] || die "exit $status: $(cat err)"
grep -q 'interrupted' err || die "not said: $(cat err)"
stop "$pid"
node alice
as alice card -o alice.card && as bob peers add alice alice.card >/dev/null
fetched() { as bob fetch && has_mail bob . 1; }
until_true 60 fetched || die "it does not come"
as bob show --save saved @ >/dev/null
cmp saved/large.bin large.bin || die "not what was sent"
until_true 20 queue_is_empty alice || die "alice keeps it"
stop "$pid"
