#!/bin/sh
# `cmake --install` puts its files where it says and nowhere else, readable for everybody; the units name
# the program that was installed and systemd has nothing against them; README's line removes all of it.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
die() { echo "failed: $*"; exit 1; }

release=
release_build || die "no release build"
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pmail-install-XXXXXX")
# Somebody may want to uninstall what they installed from this build: their list comes back.
manifest=$release/install_manifest.txt
[ ! -f "$manifest" ] || cp -p "$manifest" "$work/manifest.kept"
finish() {
  status=$?
  trap - EXIT
  rm -f "$manifest"
  [ ! -f "$work/manifest.kept" ] || cp -p "$work/manifest.kept" "$manifest"
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

files_in() { find "$1" ! -type d | sort; }

# installed PREFIX [STAGE]: the files are exactly those of the list, and all that there should be.
installed() {
  # Its last line has no end.
  awk -v stage="${2:-}" '{ print stage $0 }' "$manifest" | sort >"$work/named"
  files_in "${2:-$1}" >"$work/found"
  cmp -s "$work/named" "$work/found" || { diff "$work/named" "$work/found"; die "not what the list names"; }
  for file in bin/p2pmail lib/systemd/user/p2pmail-serve.service lib/systemd/user/p2pmail-fetch.service \
    lib/systemd/user/p2pmail-fetch.timer share/bash-completion/completions/p2pmail; do
    grep -qxF "${2:-}$1/$file" "$work/found" || die "$file is not installed"
  done
  for page in "$top"/man/*.[1-8]; do
    grep -qxF "${2:-}$1/share/man/man${page##*.}/${page##*/}" "$work/found" || die "$page is not installed"
  done
  find "${2:-}$1" -type f ! -perm 644 ! -perm 755 >"$work/closed"
  [ ! -s "$work/closed" ] || die "not for everybody to read: $(cat "$work/closed")"
  for unit in serve fetch; do
    grep -qF "ExecStart=\"$1/bin/p2pmail\" $unit" "${2:-}$1/lib/systemd/user/p2pmail-$unit.service" ||
      die "p2pmail-$unit.service names another program"
  done
}

prefix=$work/prefix
cmake --install "$release" --prefix "$prefix" >"$work/log" 2>&1 || die "$(cat "$work/log")"
installed "$prefix"
"$prefix/bin/p2pmail" --version >/dev/null || die "the installed program does not run"

# verify UNIT...: systemd-analyze says what it does not like and still exits with 0.
verify() {
  mkdir -p "$work/run"
  XDG_RUNTIME_DIR=$work/run systemd-analyze --user --man=no verify "$@" >"$work/verify" 2>&1 && [ ! -s "$work/verify" ]
}
if command -v systemd-analyze >/dev/null 2>&1; then
  verify "$prefix"/lib/systemd/user/p2pmail-* || die "$(cat "$work/verify")"
  # The check can fail.
  sed 's/^Restart=/Restrat=/' "$prefix/lib/systemd/user/p2pmail-serve.service" >"$work/p2pmail-wrong.service"
  if verify "$work/p2pmail-wrong.service"; then die "systemd-analyze does not see a wrong line"; fi
else
  echo "systemd-analyze is not installed: the units were not verified"
fi

line=$(sed -n 's/^    sudo \(xargs .*install_manifest.txt\)$/\1/p' "$top/README.md")
[ -n "$line" ] || die "README has no line that uninstalls"
(cd "$release/../.." && sh -c "$(echo "$line" | sed "s|build/release|build/${release##*/}|")") >"$work/log" 2>&1 ||
  die "$line: $(cat "$work/log")"
[ -z "$(files_in "$prefix")" ] || die "left behind: $(files_in "$prefix")"

# As whoever makes a package does.
DESTDIR=$work/stage cmake --install "$release" --prefix /usr >"$work/log" 2>&1 || die "$(cat "$work/log")"
[ "$(ls -A "$work/stage")" = usr ] || die "installed outside of /usr: $(ls -A "$work/stage")"
installed /usr "$work/stage"

# A place with a blank and a percent sign, which mean something in a unit.
odd="$work/50% of it"
cmake --install "$release" --prefix "$odd" >"$work/log" 2>&1 || die "$(cat "$work/log")"
if command -v systemd-analyze >/dev/null 2>&1; then
  verify "$odd"/lib/systemd/user/p2pmail-* || die "$(cat "$work/verify")"
fi
