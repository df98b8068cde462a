#!/bin/sh
# A node under attack by a stranger at the same address as a friend: the friend's mail arrives in its
# bound, and the node's memory stays in its own. Prints what a friend waits, and the node's peak memory.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import zmq' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || skip "python3-zmq is not installed"
limit_kib=$((256 * 1024))
if grep -qa __asan_init "$P2PMAIL"; then
  echo "the sanitizer's own memory is no measure: peaks are not checked"
  limit_kib=$((1 << 40))
fi
sends=5

person alice; person bob
node bob; bob_node=$pid
befriend alice bob
link=$(as bob card --link)
place=${link##*@}

peak_kib() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$bob_node/status"; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
# friend WHILE: some mails one after the other; each must be acknowledged.
friend() {
  worst=0
  total=0
  for i in $(seq "$sends"); do
    began=$(milliseconds)
    echo x | as alice send -s "$1 $i" --wait 30s bob 2>friend.err || die "no mail during '$1': $(cat friend.err)"
    took=$(($(milliseconds) - began))
    total=$((total + took))
    [ "$took" -le "$worst" ] || worst=$took
  done
  kill -0 "$bob_node" || die "the node died during '$1'"
  peak=$(peak_kib)
  printf '%-12s friend: mean %5d ms, worst %5d ms; node: peak %4d MiB\n' \
    "$1" $((total / sends)) "$worst" $((peak / 1024))
  [ "$peak" -le "$limit_kib" ] || die "the node took $peak KiB during '$1'"
}
# under ATTACK SECONDS
under() {
  "$python" "$here/stranger_floods.py" "$1" "$place" "$link" "$2" >"$1.out" 2>"$1.log" &
  attacker=$!
  nodes="$nodes $attacker"
  sleep 2 # until it is under way: what follows holds either way
  friend "$1"
  wait "$attacker" || die "the attacker failed: $(cat "$1.log")"
  echo "             stranger: $(cat "$1.out")"
}

friend quiet
under idle 6
under handshaken 8
under endless 9
under reconnect 5
friend afterwards
