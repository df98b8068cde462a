#!/bin/sh
# The completion scripts: those that are saved are what the program prints, and each real shell loads
# its own and completes commands, options, petnames, folders and messages; a petname made of shell code
# is completed without harm. A shell that cannot be had is named and turns the end into a skip.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/e2e/lib.sh"
saved=$here/../completions
missing=

is_current() { # is_current SHELL FILE
  "$P2PMAIL" completion "$1" >"$2" || die "no completion for $1"
  cmp -s "$2" "$saved/$2" ||
    die "completions/$2 is not current: p2pmail completion $1 > completions/$2"
}
is_current bash p2pmail.bash
is_current zsh _p2pmail
is_current fish p2pmail.fish

# What completes words, without a store and with one.
expect 0 as nobody complete peers
[ ! -s out ] && [ ! -s err ] && [ ! -e nobody ] || die "complete without a store"
person alice
person bob
as bob card -o bob.card
as alice peers add bob bob.card >/dev/null
# Allowed in petnames, and code in every shell if it were not quoted.
# shellcheck disable=SC2016
evil='evil$(touch${IFS}pwned)`touch${IFS}pwned`'"'"'&touch${IFS}pwned;#'
person mallory
as mallory card -o mallory.card
as alice peers add "$evil" mallory.card >/dev/null
echo text | as alice send -s subject me
as alice mv @ Lists
echo text | as alice send -s subject me
as alice complete peers >peers
grep -qxF bob peers && grep -qxF "$evil" peers || die "peers: $(cat peers)"
as alice complete folders >folders
for folder in INBOX Lists Sent; do grep -qx "$folder" folders || die "folders: $(cat folders)"; done
as alice complete messages >messages
[ "$(cut -f 1 messages | head -n 1)" = @ ] || die "messages: $(cat messages)"
id=$(sed -n 2p messages | cut -f 1)
as alice show "$id" >/dev/null || die "$id names no message"
expect 64 as alice complete subjects
rm -rf bin && mkdir bin && ln -s "$P2PMAIL" bin/p2pmail
PATH=$work/bin:$PATH
P2PMAIL_HOME=$work/alice
export PATH P2PMAIL_HOME

# offers LINE WORD...: $shell completes LINE to words among which are these.
offers() {
  line=$1
  shift
  "candidates_$shell" "$line" >got 2>errors || true
  [ ! -s errors ] || die "$shell says on '$line': $(head -n 5 errors)"
  for word; do
    grep -qxF -- "$word" got || die "$shell completes '$line' without '$word': $(tr '\n' ' ' <got)"
  done
  [ ! -e pwned ] || die "$shell ran a petname on '$line'"
}
# refuses LINE WORD...: none of these.
refuses() {
  offers "$1"
  shift
  for word; do
    ! grep -qxF -- "$word" got || die "$shell completes '$line' with '$word'"
  done
}
# tried SHELL: the same questions to every shell.
tried() {
  shell=$1
  command -v "$shell" >/dev/null 2>&1 || { missing="$missing $shell"; return; }
  touch file.txt
  offers 'p2pmail pe' peers
  offers 'p2pmail ' send ls show
  refuses 'p2pmail ' completion complete
  offers 'p2pmail peers ' add rename block
  offers 'p2pmail send --' --subject --attach --no-push
  refuses 'p2pmail peers add --' --subject
  offers 'p2pmail peers show b' bob
  refuses 'p2pmail peers show ' me
  offers 'p2pmail send -s text --no-push ' me bob
  offers 'p2pmail send bob --cc ' me bob
  refuses 'p2pmail send -s ' me bob
  offers 'p2pmail ls ' INBOX Lists Sent
  refuses 'p2pmail ls INBOX ' Lists
  offers 'p2pmail show ' "$id"
  offers "p2pmail mv $id " Lists "$id"
  offers 'p2pmail send -a fil' file.txt
  offers 'p2pmail flag @ +s' +seen
  offers 'p2pmail flag @ -se' -seen
  offers 'p2pmail completion ' bash zsh fish
  says "$shell"
}
says() { echo "$1 completes"; }

# bash: a real readline in a pseudo terminal is asked below; here the function, as readline calls it.
candidates_bash() {
  bash --noprofile --norc -c '
    . "$1"
    COMP_LINE=$2 COMP_POINT=${#2} last=${2##*[ =@]}
    compopt() { [ "$*" != "-o default" ] || files=1; }
    _p2pmail p2pmail "$last" ""
    [ -z "${files-}" ] || COMPREPLY+=($(compgen -f -- "$last"))
    printf "%s\n" "${COMPREPLY[@]}"' bash "$saved/p2pmail.bash" "$1"
}
candidates_fish() {
  HOME=$work fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$saved/p2pmail.fish" "$1" | cut -f 1
}
# zsh: a zsh in a pseudo terminal of zsh, whose compadd tells what it was given.
candidates_zsh() {
  HOME=$work zsh -f "$here/completions.zsh" "$saved" "$1"
}
tried bash
tried fish
tried zsh

# A person at the keyboard: type, press tab and then enter; the words that the program gets are printed.
# shellcheck disable=SC2016
typed() { # typed SHELL START: what "show $START<tab>" runs with
  shell=$1
  rm -f words
  printf '#!/bin/sh\ncase $1 in complete) exec "%s" "$@" ;; esac\nprintf "%%s\\n" "$@" >"%s/words.new"; mv "%s/words.new" "%s/words"\n' \
    "$P2PMAIL" "$work" "$work" "$work" >bin/recorder
  chmod +x bin/recorder
  ln -sf recorder bin/p2pmail
  case $shell in
    bash) start="bash --noprofile --norc" load=". $saved/p2pmail.bash" ;;
    zsh) start="zsh -f" load="fpath=($saved \$fpath); autoload -Uz compinit; compinit -u -D" ;;
    fish) start="fish --no-config" load="source $saved/p2pmail.fish" ;;
  esac
  tmux -S "$work/tmux" -f /dev/null new-session -d -x 200 -y 50 "HOME=$work exec $start"
  screen() { tmux -S "$work/tmux" capture-pane -p; }
  tmux -S "$work/tmux" send-keys "$load; echo rea''dy" Enter
  until_true 20 sh -c "tmux -S '$work/tmux' capture-pane -p | grep -qx ready" || die "$shell: $(screen)"
  tmux -S "$work/tmux" send-keys "p2pmail peers show $2" Tab
  until_true 20 sh -c "tmux -S '$work/tmux' capture-pane -p | grep -q 'peers show $2.*pwned'" || die "$shell: $(screen)"
  tmux -S "$work/tmux" send-keys Enter
  until_true 20 test -e words || die "$shell: $(screen)"
  tmux -S "$work/tmux" kill-server
  [ "$(sed -n 3p words)" = "$evil" ] || die "$shell completed the odd petname as $(cat words)"
  [ ! -e pwned ] || die "$shell ran a petname"
}
cleanup() { tmux -S "$work/tmux" kill-server 2>/dev/null; }
if command -v tmux >/dev/null 2>&1; then
  for one in bash zsh fish; do
    case " $missing " in *" $one "*) ;; *) typed "$one" ev ;; esac
  done
else
  missing="$missing tmux"
fi
[ -z "$missing" ] || skip "not installed:$missing"
