#!/bin/sh
# Attachments that are no quiet files: what arrives is byte for byte what was there, or one line says
# why not and nothing is left behind.
. "$(dirname "$0")/lib.sh"

person alice
partial=$work/alice/mail/.p2pmail/partial
# arrived: what the newest message brings, in saved/.
arrived() {
  rm -rf saved
  as alice show --save saved @ >names
}
# sent_as_it_is FILE...: to oneself, and compared with what arrives, in any order and by any name.
sent_as_it_is() {
  set -- "$@" --
  for file in "$@"; do
    shift
    [ "$file" = -- ] && break
    set -- "$@" -a "$file"
  done
  as alice send -s odd "$@" me </dev/null 2>err || { cat err; die "send $*"; }
  arrived
}
sums() { for file in "$@"; do cksum <"$file"; done | sort; }
nothing_left() {
  [ -z "$(ls "$partial" 2>/dev/null)" ] || die "left behind: $(ls "$partial")"
  queue_is_empty alice || die "something was queued"
  [ "$(count_mail alice .Sent)" = "$1" ] || die "a copy of what was not sent"
}

# Names.
mkdir odd
cd odd
long=$(printf 'n%.0s' $(seq 251)).txt
set -- "$long" '-a.txt' 'a
b.txt' "$(printf 'cod\342\200\256fdp.exe')" "$(printf 'bad\377\376.bin')" '100%.txt' ' .hidden' '=?utf-8?q?x?=' \
  'a\b.txt' "$(printf 'esc\033[31m.txt')"
for name in "$@"; do head -c 3000 /dev/urandom >"./$name"; done
: >empty.bin
truncate -s 3M sparse.bin
printf 'tail' >>sparse.bin
head -c 3000000 /dev/urandom >large.bin
cd ..
sent_as_it_is odd/*
[ "$(ls -A saved | wc -l)" = 13 ] || die "not 13 files: $(ls -Aq saved)"
sums odd/* >before
sums saved/* >after
cmp before after || die "not what was sent"
LC_ALL=C ls -A saved | LC_ALL=C grep -q '[[:cntrl:]]' && die "control characters in a name"
LC_ALL=C ls -A saved | grep -q "$(printf '\342\200\256')" && die "a direction mark in a name"
[ "$(find saved -name 'nnn*.txt' | wc -l)" = 1 ] || die "a long name lost its end: $(ls saved)"

# Files that say they are empty, and are not.
as alice send -s proc -a /proc/version me </dev/null
arrived
cmp saved/version /proc/version || die "/proc"

# A pipe, by name and as standard input, also one that is longer than any buffer.
mkfifo pipe
cat odd/large.bin >pipe &
sent_as_it_is pipe
wait $!
cmp saved/pipe odd/large.bin || die "fifo"
as alice send -s stdin -a - me <odd/large.bin
arrived
cmp saved/stdin odd/large.bin || die "standard input"

# A file that somebody writes to all the time: as long as it was, and said.
head -c 30000000 /dev/urandom >growing
while [ ! -e grown ]; do echo more; done >>growing &
as alice send -s growing -a growing me </dev/null 2>err
: >grown
wait $!
grep -q 'warning: growing: changed while it was read' err || die "not said: $(cat err)"
arrived
head -c "$(wc -c <saved/growing)" growing | cmp - saved/growing || die "growing"
sent=$(count_mail alice .Sent)

# Refused, with what to do instead.
expect 66 as alice send -s x -a odd me
grep -q 'tar c odd' err || die "$(cat err)"
expect 66 as alice send -s x -a missing me
/usr/bin/env python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
expect 66 as alice send -s x -a socket me
grep -q 'socket: is a socket' err || die "$(cat err)"
if [ "$(id -u)" != 0 ]; then
  : >secret
  chmod 0 secret
  expect 77 as alice send -s x -a secret me
fi
nothing_left "$sent"

# interrupted COMMAND...: with descriptor 3 for input, until it is at work; then ^C.
sealing() { [ -n "$(ls "$partial" 2>/dev/null)" ]; }
interrupted() {
  P2PMAIL_HOME=$work/alice "$P2PMAIL" "$@" <&3 2>err & # itself, to get the signal
  pid=$!
  until_true 20 sealing || die "does not begin: $*"
  kill -INT "$pid"
  status=0
  wait "$pid" || status=$?
  [ "$status" = 75 ] || die "exit $status: $(cat err)"
  grep -q 'interrupted; nothing was queued' err || die "$(cat err)"
  nothing_left "$sent"
}
exec 3</dev/null
interrupted send -s endless -a /dev/zero me
interrupted send -s waiting -a pipe me
exec 3<>pipe
interrupted send -s typing me
exec 3<&-

# A file that becomes shorter while it is read. It has to be caught in the middle.
shrinks() {
  truncate -s 600M shrinking
  P2PMAIL_HOME=$work/alice "$P2PMAIL" send -s shrinking -a shrinking me </dev/null 2>err &
  pid=$!
  until_true 20 sealing || return 1
  : >shrinking
  status=0
  wait "$pid" || status=$?
  [ "$status" = 74 ] || { sent=$((sent + 1)); return 1; }
}
shrinks || shrinks || shrinks || shrinks || die "exit $status: $(cat err)"
grep -q 'shrinking: became shorter while it was read' err || die "$(cat err)"
nothing_left "$sent"
