# For end-to-end scripts: people with stores of their own, nodes on loopback, bounded waits. POSIX sh.
set -eu
: "${P2PMAIL:?the binary to test}"
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pmail-e2e-XXXXXX")
nodes=
cleanup() { :; } # what a script has to undo before its directory goes
finish() {
  status=$?
  trap - EXIT
  for pid in $nodes; do kill "$pid" 2>/dev/null || true; done
  for pid in $nodes; do wait "$pid" 2>/dev/null || true; done
  if [ "$status" != 0 ] && [ "$status" != 77 ]; then
    for log in "$work"/*.log; do [ -f "$log" ] && { echo "--- $log"; tail -n 20 "$log"; }; done
  fi
  cleanup || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
cd "$work"

die() { echo "failed: $*"; exit 1; }
skip() { echo "$*"; exit 77; }

# as NAME COMMAND...: p2pmail with NAME's store.
as() {
  who=$1
  shift
  P2PMAIL_HOME=$work/$who "$P2PMAIL" "$@"
}
person() { as "$1" keygen --name "$1" --no-passphrase >/dev/null; }
# befriend A B: each has the other's card.
befriend() {
  as "$1" card -o "$1.card" && as "$2" card -o "$2.card"
  as "$1" peers add "$2" "$2.card" >/dev/null && as "$2" peers add "$1" "$1.card" >/dev/null
}
# until_true SECONDS COMMAND...: polls; fails when the bound is reached.
until_true() {
  tries=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.05
  done
}
# node NAME [OPTION...]: starts a node on a free port; its pid is in $pid.
node() {
  who=$1
  shift
  : >"$who.log"
  P2PMAIL_HOME=$work/$who "$P2PMAIL" serve --listen tcp://127.0.0.1:0 "$@" 2>>"$who.log" >>"$who.log" </dev/null &
  pid=$!
  nodes="$nodes $pid"
  until_true 20 grep -q 'listening on' "$who.log" || die "$who's node did not start"
}
stop() { kill "$1"; wait "$1" 2>/dev/null || true; }
# expect STATUS COMMAND...: the exit status must be exactly that.
expect() {
  want=$1
  shift
  set +e
  "$@" >out 2>err </dev/null
  got=$?
  set -e
  [ "$got" = "$want" ] || { cat out err; die "exit $got, not $want: $*"; }
}
count_mail() { # count_mail NAME FOLDER: files in it
  find "$work/$1/mail/$2/new" "$work/$1/mail/$2/cur" -type f 2>/dev/null | wc -l | tr -d ' '
}
has_mail() { [ "$(count_mail "$1" "$2")" -ge "$3" ]; }
queue_is_empty() { [ -z "$(as "$1" queue --json)" ]; }
