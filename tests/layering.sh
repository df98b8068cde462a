#!/bin/sh
# The layers: cmd -> net -> core, nothing points upward, and each library is seen by its own files only.
set -u
top=${1:-$(cd "$(dirname "$0")/.." && pwd)}

# violations DIR: prints every line that breaks a rule.
violations() {
  cd "$1" || return
  grep -nE '#include *[<"](net|cmd)/' core/*.cpp core/*.h
  grep -nE '#include *[<"]cmd/' net/*.cpp net/*.h
  grep -nE '#include *[<"](zmq|CLI/)' core/*.cpp core/*.h cmd/*.h
  grep -nE '#include *[<"]CLI/' net/*.cpp net/*.h
  grep -nE '#include *[<"]zmq' $(ls net/*.cpp net/*.h cmd/*.cpp | grep -v '^net/socket')
  grep -nE '#include *[<"]sodium' $(ls core/*.cpp core/*.h net/* cmd/* | grep -vE '^core/(crypto|secret)\.cpp$')
  grep -nE '#include *[<"]sqlite3' $(ls core/*.cpp core/*.h net/* cmd/* | grep -v '^core/state\.cpp$')
  grep -nE '#include *[<"](gmime|glib)' $(ls core/*.cpp core/*.h net/* cmd/* | grep -v '^core/mime')
  grep -nE '(^|[^_a-z.:])(getenv|printf|fprintf|exit) *\(' core/*.cpp core/*.h net/*.cpp net/*.h
  grep -nE 'std::(cout|cerr|cin)' core/*.cpp core/*.h net/*.cpp net/*.h
}

found=$(violations "$top")
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 1
fi

# The check can fail: a copy with one violation of each kind is caught.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for line in 'core/x.cpp:#include "net/x.h"' 'net/x.cpp:#include "cmd/x.h"' 'net/x.cpp:#include <CLI/CLI.hpp>' \
            'net/x.cpp:#include <zmq.h>' 'net/x.cpp:#include <sodium.h>' 'core/x.cpp:#include <sqlite3.h>' \
            'core/x.cpp:#include <gmime/gmime.h>' 'core/x.cpp:  x = getenv("HOME");'; do
  rm -rf "$copy"/*
  cp -R "$top/core" "$top/net" "$top/cmd" "$copy/"
  printf '%s\n' "${line#*:}" >"$copy/${line%%:*}"
  [ -n "$(violations "$copy")" ] || { echo "not caught: $line"; exit 1; }
done
