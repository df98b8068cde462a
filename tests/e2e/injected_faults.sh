#!/bin/sh
# A bounded sample of tests/faults: broken file calls and power cuts, kills, a hostile network,
# clocks that jump, stores from a backup, a Maildir that many use, relays. tests/soak does it for longer.
faults=$(cd "$(dirname "$0")/../faults" && pwd)
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is not here"
command -v "${CC:-cc}" >/dev/null || skip "there is no C compiler"

# trial SCRIPT OPTIONS: what it prints is shown when it fails; 77 when the shim cannot be loaded.
without_shim=
trial() {
  set +e
  python3 -B "$faults/$1" $2 >"$1.out" 2>&1
  got=$?
  set -e
  tail -n 1 "$1.out"
  case $got in
    0) ;;
    77) without_shim=$(tail -n 1 "$1.out") ;;
    *) cat "$1.out"; die "$1" ;;
  esac
}
trial sweep.py "--seconds 30"
trial kills.py "--seconds 10"
trial proxy.py "--seconds 10"
trial readers.py "--seconds 5"
trial clocks.py "--rounds 3"
[ -z "$without_shim" ] || skip "$without_shim"
# A power cut that takes everything back has to be found out, or all of this finds nothing.
for case in queue:alice:power:end push:bob:power:end leave:carol:power:end; do
  set +e
  python3 -B "$faults/sweep.py" --lying-disk --only $case >lying.out 2>&1
  got=$?
  set -e
  [ "$got" = 1 ] && grep -q '^FAILED' lying.out || { cat lying.out; die "not found out: $case"; }
done
