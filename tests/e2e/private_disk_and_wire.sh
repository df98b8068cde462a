#!/bin/sh
# No word of a message on either disk, in a log or on the wire; and the search would find one.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob
befriend alice bob
port=$(sed -n 's/.*listening on tcp:\/\/127\.0\.0\.1:\([0-9]*\).*/\1/p' bob.log | head -n 1)
capture=
if command -v tcpdump >/dev/null 2>&1; then
  # -Z: do not give up the privilege to write here.
  tcpdump -i lo -U -Z "$(id -un)" -w wire.pcap "tcp port $port" >tcpdump.log 2>&1 &
  capture=$!
  nodes="$nodes $capture"
  until_true 10 sh -c "grep -q 'listening on' tcpdump.log || ! kill -0 $capture"
  grep -q 'listening on' tcpdump.log || capture=
fi

printf 'Xylophonebody secret words\n' >body
head -c 3000 /dev/urandom >noise
{ echo Xylophoneattached; cat noise; } >Xylophonename.bin
as alice send -v -s Xylophonesubject -a Xylophonename.bin bob <body >sent 2>alice.log
grep -q delivered sent || die "$(cat sent)"
as bob send -v -s Xylophonereply alice <body >>alice.log 2>&1 # queued: alice does not listen
as alice fetch -v 2>>alice.log
as bob show @ | grep -q Xylophonebody || die "the mail did not arrive"

# The word itself, and what base64 makes of it at each of the three places where it may start.
cat >words <<'END'
Xylophone
WHlsb3Bob25l
h5bG9waG9uZ
YeWxvcGhvbm
END
found() { grep -rlaFf words "$@"; }
grep -qaFf words body || die "the search finds nothing at all"
for pad in '' a ab; do
  printf '%sXylophonebody' "$pad" | base64 | grep -qFf words || die "the search misses base64"
done
! found alice bob || die "a word on disk: $(found alice bob)"
! found bob.log alice.log || die "a word in a log: $(found bob.log alice.log)"
if [ -z "$capture" ]; then
  skip "the wire was not captured: $(tail -n 1 tcpdump.log 2>/dev/null || echo no tcpdump) (the disks are clean)"
fi
until_true 5 sh -c "[ \"\$(wc -c <wire.pcap)\" -gt 8000 ]" || die "the capture is too small"
kill "$capture"; wait "$capture" 2>/dev/null || true
# What is in the open on this wire is found in the capture: the greeting of ZMTP.
grep -qa CURVE wire.pcap || die "the capture does not hold the conversation"
! found wire.pcap || die "a word on the wire"
