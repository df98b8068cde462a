# shellcheck shell=sh
# Sets $python to one that has PyNaCl and zstandard, or ends with 77. POSIX sh; sourced.
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import nacl.bindings, nacl.pwhash, zstandard' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || { echo "no python3 with nacl and zstandard (Debian: python3-nacl python3-zstandard)"; exit 77; }
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
