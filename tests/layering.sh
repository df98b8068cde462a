#!/bin/sh
# The layers: cmd -> net -> core, nothing points upward, and each library is seen by its own files only.
set -u
top=${1:-$(cd "$(dirname "$0")/.." && pwd)}

# violations DIR: prints every line that breaks a rule.
violations() (
  cd "$1" || exit
  # includes LIBRARY FILES-THAT-MAY...: every other file that includes it. The files that may are
  # extended regular expressions; one pass for each library, not one for each file.
  includes() {
    library=$1
    shift
    may=$(printf '%s|' "$@")
    grep -nHE "#include *[<\"]$library" core/*.cpp core/*.h net/*.cpp net/*.h cmd/*.cpp cmd/*.h |
      grep -vE "^(${may%|}):"
  }
  grep -nHE '#include *[<"](net|cmd)/' core/*.cpp core/*.h
  grep -nHE '#include *[<"]cmd/' net/*.cpp net/*.h
  includes CLI/ 'cmd/[^:]*\.cpp'
  includes zmq 'net/socket.cpp'
  includes sodium 'core/crypto.cpp' 'core/secret.cpp'
  includes sqlite3 'core/sqlite.h'
  includes core/sqlite.h 'core/state.cpp' 'core/shelf_impl.h' 'core/deposits.cpp' 'core/repair.cpp'
  includes gmime 'core/mime[^:]*'
  includes glib 'core/mime[^:]*' 'core/fold.cpp'
  includes zstd 'core/compress.cpp'
  includes qrencode 'cmd/qr.cpp'
  includes keyutils 'cmd/keyring.cpp'
  grep -nHE '(^|[^_a-zA-Z.:>])(std::)?(getenv|printf|fprintf|puts|exit|_exit) *\(' core/*.cpp core/*.h net/*.cpp net/*.h
  grep -nHE '(^|[^_a-zA-Z])(argv|isatty|std::cout|std::cerr|std::cin)([^_a-zA-Z]|$)' core/*.cpp core/*.h net/*.cpp net/*.h |
    grep -v '^[^:]*:[0-9]*: *//'
)

found=$(violations "$top")
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 1
fi

# The check can fail: a copy with one violation of each kind is caught.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R "$top/core" "$top/net" "$top/cmd" "$copy/"
[ -z "$(violations "$copy")" ] || { echo "the copy is not like the tree"; exit 1; }
while read -r file line; do
  printf '%s\n' "$line" >"$copy/$file"
  [ -n "$(violations "$copy")" ] || { echo "not caught in $file: $line"; exit 1; }
  rm "$copy/$file"
done <<'END'
core/x.cpp #include "net/x.h"
core/x.h #include "cmd/x.h"
net/x.cpp #include "cmd/x.h"
net/x.cpp #include <CLI/CLI.hpp>
cmd/x.h #include <CLI/CLI.hpp>
net/x.cpp #include <zmq.h>
net/socket.h #include <zmq.h>
cmd/x.cpp #include <zmq.hpp>
net/x.cpp #include <sodium.h>
core/x.cpp #include <sodium/crypto_sign.h>
core/x.cpp #include <sqlite3.h>
core/x.cpp #include "core/sqlite.h"
cmd/x.cpp #include <sqlite3.h>
core/x.cpp #include <gmime/gmime.h>
cmd/x.cpp #include <glib.h>
core/x.cpp #include <zstd.h>
cmd/x.cpp #include <qrencode.h>
cmd/x.cpp #include <keyutils.h>
core/x.cpp x = getenv("HOME");
net/x.cpp std::exit(1);
core/x.cpp printf("x");
core/x.h void f(int argc, char** argv);
END
