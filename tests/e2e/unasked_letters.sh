#!/bin/sh
# Letters larger than one wants unasked stay with their senders, are listed, and come on request.
. "$(dirname "$0")/lib.sh"

person alice; person bob
node alice
alice_node=$pid
befriend alice bob
head -c 200000 /dev/urandom >large.bin
echo small | as alice send -s small-one --no-push bob
echo large | as alice send -s large-secret-subject --no-push -a large.bin bob
as bob fetch --max-size 64K --json >out
grep -q '"type":"waiting".*"from":"alice".*"size":2[0-9]*.*large-secret-subject' out || die "$(cat out)"
[ "$(count_mail bob .)" = 1 ] || die "the small one did not come alone"
as alice queue | grep -q . || die "alice does not keep it"
if grep -rq large-secret-subject "$work/bob"; then die "its subject lies on bob's disk"; fi
as bob fetch --list >out
grep -q '^alice  2.* KiB .*fetch --max-size 0 alice$' out || die "$(cat out)"
expect 64 as bob fetch --max-size nonsense
expect 64 as bob fetch --limit-rate nonsense
expect 64 as bob fetch --list --max-size 1
# The setting holds for everything that comes.
echo 'max_size = 64K' >"$work/bob/config"
as bob fetch
[ "$(count_mail bob .)" = 1 ] || die "the setting does not count"
as bob fetch --max-size 0 alice
has_mail bob . 2 || die "it does not come on request"
[ -z "$(as bob fetch --list)" ] || die "what came is still listed"
until_true 20 queue_is_empty alice || die "alice keeps it"
# What one sends to oneself has no such limit.
as bob send -s mine -a large.bin me </dev/null
has_mail bob . 3 || die "not delivered to oneself"
stop "$alice_node"
