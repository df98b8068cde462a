#!/bin/sh
# The section 1 pages and the program say the same, in both directions. Both are turned into lists of
# facts, which are then compared:
#
#   send           a command      page man/p2pmail-send.1        row of `p2pmail -h`
#   peers/add      a verb         .It Cm add in .Ss Commands     row of `p2pmail peers -h`
#   send/--wait    an option      .It Fl -wait, or SYNOPSIS      left column of `p2pmail send -h`
#
# What the pages are like among themselves is checked by docs_pages.sh, the README by docs_readme.sh.
set -u
: "${P2PMAIL:?the binary to test}"

# Facts that the pages have and the program has not yet. One that has come must leave this list.
coming=''

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
complain() { echo "$*" >&2; status=1; }

# ---- what the program says

# rows_in FILE: the commands or verbs that a help text lists. options_in FILE: its options.
rows_in() { sed -n 's/^  \([a-z][a-z]*\)   *[A-Z].*/\1/p' "$1"; }
options_in() { sed -n 's/^  \(-[^ ]*\).*/\1/p' "$1" | tr ',' '\n'; }

# ask NAME WORD...: the help of a command, its options as facts about NAME; $rows are its rows.
ask() {
  name=$1
  shift
  "$P2PMAIL" "$@" -h >"$work/help" 2>"$work/err" || complain "p2pmail $* -h failed"
  [ ! -s "$work/err" ] || complain "p2pmail $* -h: $(cat "$work/err")"
  options_in "$work/help" | sed "s|^|$name/|"
  rows=$(rows_in "$work/help")
}

program_facts() {
  ask p2pmail
  commands="$rows completion" # which the help does not list
  for command in $commands; do
    echo "$command"
    ask "$command" "$command"
    for verb in $rows; do
      echo "$command/$verb"
      ask "$command" "$command" "$verb"
    done
  done
}

# ---- what the pages say

# page_options: of SYNOPSIS and of the lists on standard input. `Fl a , -all Ar x | Fl b` is -a --all -b.
page_options() {
  awk '/^\.Sh/ { synopsis = $2 == "SYNOPSIS" }
    synopsis || /^\.It Fl/ {
      sub(/^\./, "")
      is_option = 0
      for (i = 1; i <= NF; i++) {
        if ($i == "Fl") is_option = 1
        else if ($i ~ /^[A-Z][a-z]$/) is_option = 0
        else if (is_option && $i != "," && $i != "|") print "-" $i
      }
    }'
}
page_verbs() { awk '/^\.S/ { on = /^\.Ss Commands/ } on && /^\.It Cm/ { print $3 }'; }

# facts_about NAME: what standard input names, as facts about NAME.
facts_about() { sed "s|^|$1/|"; }

page_facts() {
  overview=$top/man/p2pmail.1
  sed '/^\.Ss Common to all commands/,/^\.Ss/d' "$overview" | page_options | facts_about p2pmail
  sed -n '/^\.Ss Common to all commands/,/^\.Ss Pass/p' "$overview" | page_options >"$work/common"
  [ -s "$work/common" ] || complain "no common options in $overview"
  for page in "$top"/man/p2pmail-*.1; do
    name=$(basename "$page" .1)
    name=${name#p2pmail-}
    echo "$name"
    # Nothing to compare with yet.
    if is_coming "$name"; then continue; fi
    page_verbs <"$page" | facts_about "$name"
    page_options <"$page" | facts_about "$name"
    if grep -q '^The common options$' "$page"; then facts_about "$name" <"$work/common"; fi
  done
}
is_coming() { grep -qx -- "$1" "$work/coming"; }

# ---- the comparison

# none FILE WORDS: every line of the file is a complaint.
none() {
  while read -r fact; do complain "$fact $2"; done <"$1"
}

# shellcheck disable=SC2086  # a list, split on purpose
printf '%s\n' $coming | sed '/^$/d' | sort -u >"$work/coming"
program_facts >"$work/facts"
sort -u "$work/facts" >"$work/program"
page_facts >"$work/facts"
sort -u "$work/facts" >"$work/pages"
[ "$(wc -l <"$work/program")" -ge 100 ] || complain "too few facts found in the help"

comm -23 "$work/program" "$work/pages" >"$work/found"
none "$work/found" "is in the program and in no page"
comm -13 "$work/program" "$work/pages" | comm -23 - "$work/coming" >"$work/found"
none "$work/found" "is in a page and not in the program"
comm -12 "$work/program" "$work/coming" >"$work/found"
none "$work/found" "has come: take it out of 'coming'"
comm -13 "$work/pages" "$work/coming" >"$work/found"
none "$work/found" "is to come, but no page has it"

# The overview lists every page of a command.
sed -n 's/^\.It Xr p2pmail-\([a-z]*\) 1$/\1/p' "$top/man/p2pmail.1" | sort >"$work/listed"
grep -v / "$work/pages" | comm -3 - "$work/listed" | tr -d '\t' >"$work/found"
none "$work/found" "is a page and not in the list of p2pmail(1), or the other way round"

# p2pmail-config(5) names the settings that there are.
if ! is_coming config; then
  sed -n 's/^\.It Ic \([a-z_]*\) .*/\1/p' "$top/man/p2pmail-config.5" | sort >"$work/listed"
  P2PMAIL_HOME=$work "$P2PMAIL" config --json | sed -n 's/.*"key":"\([a-z_]*\)".*/\1/p' | sort |
    comm -3 - "$work/listed" | tr -d '\t' >"$work/found"
  none "$work/found" "is a setting of the program or of p2pmail-config(5), not of both"
fi

exit "$status"
