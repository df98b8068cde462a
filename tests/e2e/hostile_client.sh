#!/bin/sh
# A client that breaks every rule of the protocol against one node: tests/faults/hostile.py.
faults=$(cd "$(dirname "$0")/../faults" && pwd)
. "$(dirname "$0")/lib.sh"
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import zmq, nacl.bindings' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || skip "python3-zmq and python3-nacl are not installed"
"$python" -B "$faults/hostile.py" >hostile.out 2>&1 || { cat hostile.out; die "hostile.py"; }
tail -n 1 hostile.out
