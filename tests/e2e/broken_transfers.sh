#!/bin/sh
# A large letter over a link that breaks again and again goes on where it was: tests/faults/cuts.py.
faults=$(cd "$(dirname "$0")/../faults" && pwd)
. "$(dirname "$0")/lib.sh"
export TMPDIR=$work
for size in 24 200; do
  python3 -B "$faults/cuts.py" --mib "$size" >cuts.out 2>&1 || { cat cuts.out; die "cuts.py"; }
  tail -n 1 cuts.out
done
