#!/bin/sh
# A disk that is full: exit status 74, nothing half-written, and everything works again with space.
. "$(dirname "$0")/lib.sh"
mkdir small
mount -t tmpfs -o size=3m tmpfs small 2>mount.err || skip "cannot mount a small disk: $(head -n 1 mount.err)"
cleanup() { umount -l "$work/small"; }
mkdir -m 700 small/alice
ln -s small/alice alice
person alice; person bob
node bob
befriend alice bob
head -c 6000000 /dev/urandom >big
expect 74 as alice send -s big -a big bob
grep -qi space err || die "the reason is not said: $(cat err)"
[ "$(count_mail alice .Sent)" = 0 ] || die "half of a message in Sent"
queue_is_empty alice || die "half of a message in the queue"
[ -z "$(find small -type f -size +1000k)" ] || die "left over: $(find small -type f -size +1000k)"
# Alice cannot take mail either: it stays with bob, and is not lost.
node alice
as alice card -o alice.card
as bob peers add alice alice.card
echo hello | as bob send -v -s hello alice >sent
if grep -q 'alice: delivered' sent; then
  as alice show @ | grep -q hello || die "said to be delivered, and is not there"
else
  [ "$(as bob queue --json | wc -l)" = 1 ] || die "neither delivered nor queued: $(cat sent)"
fi
mount -o remount,size=200m small
as bob fetch -q
until_true 10 has_mail alice . 1 || die "with space it does not arrive: $(as bob queue)"
as alice show @ | grep -q hello || die "not readable"
as alice send -s big -a big bob </dev/null || die "with space it cannot be sent"
# Without a byte left, and with no other process that has the files open, one can still
# read, and make room.
for pid in $nodes; do kill "$pid" && wait "$pid" || true; done
nodes=
dd if=/dev/zero of=small/fill bs=64k 2>/dev/null || true
dd if=/dev/zero of=small/fill2 bs=1 2>/dev/null || true
as alice ls >/dev/null || die "a full disk keeps from listing"
as alice show @ | grep -q hello || die "a full disk keeps from reading"
as alice rm @ || die "a full disk keeps from removing"
