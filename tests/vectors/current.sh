#!/bin/sh
# The files of the kit are what `vectors_make` makes, all of them and no other.
set -eu
make=${1:?vectors_make}
here=$(cd "$(dirname "$0")" && pwd)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$make" "$made"
for kind in "$made"/*; do
  diff -r "$kind" "$here/$(basename "$kind")" || { echo "make the kit anew: vectors_make tests/vectors"; exit 1; }
done
kinds() { (cd "$1" && find . -name '*.txt' | sed 's|/[^/]*$||' | sort -u); }
[ "$(kinds "$made")" = "$(kinds "$here")" ] || { echo "a kind that nobody makes"; exit 1; }
