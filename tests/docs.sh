#!/bin/sh
# The pages and the program say the same: mandoc finds nothing to complain about, every command has its
# section, every option its place in p2pmail(1), and p2pmail(1) names no option that does not exist.
set -u
: "${P2PMAIL:?the binary to test}"
top=$(cd "$(dirname "$0")/.." && pwd)
command -v mandoc >/dev/null 2>&1 || { echo "mandoc is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
complain() { echo "$*"; status=1; }

cd "$top/man" || exit 1
page=p2pmail.1
for file in *.[1-8]; do
  # Whether the machine's index of other pages is up to date is not our business.
  mandoc -Tlint "$file" 2>&1 | grep -v 'outdated mandoc.db' >"$work/lint"
  [ ! -s "$work/lint" ] || complain "$(cat "$work/lint")"
done

# commands_in FILE: the commands that a help text lists.
commands_in() { sed -n 's/^  \([a-z][a-z]*\)   *[A-Z].*/\1/p' "$1"; }
# options_in FILE: the long options of its left column, and the short ones.
options_in() { sed -n 's/^  \(-[^ ]*\).*/\1/p' "$1" | tr ',' '\n' | sort -u; }

: >"$work/all"
# check_help WORD...: the help of one command; answers with its own commands in $inner.
check_help() {
  "$P2PMAIL" "$@" -h >"$work/help" 2>"$work/err" || complain "p2pmail $* -h failed"
  [ ! -s "$work/err" ] || complain "p2pmail $* -h: $(cat "$work/err")"
  options_in "$work/help" >>"$work/all"
  for option in $(options_in "$work/help"); do
    name=${option#-}
    grep -Eq "(Fl|\\|) (.*[ ,])?$name( |\$)" "$page" || complain "$page lacks $option of p2pmail $*"
  done
  inner=$(commands_in "$work/help")
}

check_help
commands=$inner
[ -n "$commands" ] || complain "no command in p2pmail -h"
for command in $commands; do
  grep -q "^\.Ss $command\$" "$page" || complain "$page lacks a section for $command"
  check_help "$command"
  for verb in $inner; do
    sed -n "/^\.Ss $command\$/,/^\.S[sh] /p" "$page" | tr ' ' '\n' | grep -qx -- "$verb" ||
      complain "$page lacks $command $verb"
    check_help "$command" "$verb"
  done
done
check_help completion

# The other way round.
grep -oE 'Fl -[a-z-]+|\| -[a-z-]+' "$page" | sed 's/^.* -/--/' | sort -u >"$work/named"
while read -r option; do
  grep -qx -- "$option" "$work/all" || complain "$page names $option, which no command has"
done <"$work/named"
[ "$(wc -l <"$work/named")" -ge 10 ] || complain "too few options found in $page"

exit "$status"
