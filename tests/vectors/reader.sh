#!/bin/sh
# The independent reader takes and refuses every file of the kit as it says, and can fail.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/python.sh"
"$python" "$here/reader.py" check "$here"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# must_fail KIND CASE SED-SCRIPT: with that change the reader must find something wrong.
must_fail() {
  rm -rf "$work/kit"
  mkdir -p "$work/kit"
  cp -R "$here/$1" "$work/kit" # alone: that the other kinds are missing is not what is looked for
  sed -i "$3" "$work/kit/$1/$2.txt"
  ! "$python" "$here/reader.py" check "$work/kit" >"$work/out" || { echo "not seen: $1/$2 $3"; exit 1; }
  grep -q "$1/$2" "$work/out" || { cat "$work/out"; exit 1; }
}
must_fail envelope first-device 's/^expect: ok/expect: forged/'
must_fail envelope flipped-body 's/^expect: forged/expect: malformed/'
must_fail receipt stored 's/^time: 1/time: 2/'
must_fail roster full '/^device: 02/d'
