#!/bin/sh
# No word of a message on either disk, in a log or on the wire; and the search would find one.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob
befriend alice bob
port=$(sed -n 's/.*listening on tcp:\/\/127\.0\.0\.1:\([0-9]*\).*/\1/p' bob.log | head -n 1)
capture=
if command -v tcpdump >/dev/null 2>&1 && tcpdump -i lo -U -w wire.pcap "tcp port $port" >tcpdump.log 2>&1 & then
  capture=$!
  nodes="$nodes $capture"
  until_true 5 grep -q 'listening on' tcpdump.log || { kill "$capture" 2>/dev/null || true; capture=; }
fi
echo 'Xylophonebody secret words' >body
echo 'Xylophoneattached' >Xylophonename.txt
as alice send -v -s Xylophonesubject -a Xylophonename.txt bob <body >sent
grep -q delivered sent || die "$(cat sent)"
if [ -n "$capture" ]; then
  until_true 5 test -s wire.pcap
  kill "$capture"; wait "$capture" 2>/dev/null || true
  [ "$(wc -c <wire.pcap)" -gt 5000 ] || die "the capture is empty"
  ! grep -qa Xylophone wire.pcap || die "a word on the wire"
fi
! grep -rqa Xylophone alice bob bob.log || die "a word on disk: $(grep -rla Xylophone alice bob bob.log)"
grep -qa Xylophone body || die "the search finds nothing at all"
as bob show @ | grep -q Xylophonebody || die "the mail did not arrive"
! grep -rqa "$(as alice show --raw Sent/@ | grep -a Xylophonebody | base64 | cut -c1-20)" bob || die "base64"
if [ -z "$capture" ]; then skip "no privilege or no tcpdump: the wire was not captured (disks were clean)"; fi
