#!/bin/sh
# Real mutt and real neomutt on the sealed Maildir, driven in tmux with nothing but what `muttrc` prints:
# list, open, the real subject, save a binary attachment, reply, postpone a draft and send it later; a
# large letter, of which they get a note in place of what is large.
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null 2>&1 || skip "tmux is not installed"
# One terminal server of our own, so that nobody else's is touched.
terminal() { tmux -L "p2pmail-$$" "$@"; }
cleanup() { terminal kill-server 2>/dev/null || true; }
screen() { terminal capture-pane -p -t "$program"; }
keys() { terminal send-keys -t "$program" "$@"; }
on_screen() { screen | grep -Fq -- "$1"; }
# see WORDS: waits until they are on the screen.
see() { until_true 20 on_screen "$1" || { screen; die "$program: no '$1' on the screen"; }; }
has_text() { # has_text NAME FOLDER WORDS: some message of the folder says so
  for file in "$work/$1/mail/$2/new/"* "$work/$1/mail/$2/cur/"*; do
    [ -f "$file" ] || continue
    as "$1" unseal "$file" 2>/dev/null | grep -Fq -- "$3" && return 0
  done
  return 1
}

HOME=$work/home
XDG_RUNTIME_DIR=$work/run
export HOME XDG_RUNTIME_DIR
mkdir -p -m 700 "$HOME" "$XDG_RUNTIME_DIR"
unset XDG_CONFIG_HOME EDITOR VISUAL
LC_ALL=C.UTF-8
export LC_ALL
# What a user does in an editor: a line in front of what is there.
cat >editor <<'SH'
#!/bin/sh
{ cat "$(dirname "$0")/typed"; cat "$1"; } >"$1.new" && mv "$1.new" "$1"
SH
chmod +x editor

person alice
person bob
node bob
node alice
befriend alice bob
head -c 70000 /dev/urandom >'photo of us.bin'
head -c 300000 /dev/urandom >'the film.bin'
echo 'inline_max = 200K' >alice/config

# plaintext_nowhere WORDS: not in the store, whatever mutt did.
plaintext_nowhere() {
  ! grep -rFlq -- "$1" "$work/alice" || die "$program: '$1' lies in the open in $(grep -rFl -- "$1" "$work/alice")"
}

drive() { # drive PROGRAM OPTION-OF-MUTTRC
  program=$1
  as alice muttrc $2 >"rc-$program" || die "no muttrc"
  printf 'set editor="%s"\nset wait_key=no\n' "$work/editor" >>"rc-$program"
  as bob send -s "Grüße vom See $program" -a 'photo of us.bin' --wait 20s alice <<TEXT || die "not sent"
Wir sind mit $program da.
TEXT
  terminal new-session -d -s "$program" -x 110 -y 40 \
    "P2PMAIL_HOME=$work/alice $program -n -F rc-$program 2>err-$program; echo ended; sleep 60"
  see 'bob'
  if on_screen 'Grüße'; then die "the index shows the sealed subject"; fi
  keys '*' Enter
  see "Subject: Grüße vom See $program"
  see "Wir sind mit $program da."
  see 'good: Signed: bob (peer)'
  screen >"screen-$program"

  keys v
  see 'photo of us.bin'
  keys '*' s
  see 'Save to file'
  keys C-a C-k
  keys -l "$work/saved-$program"
  keys Enter
  until_true 20 cmp -s 'photo of us.bin' "$work/saved-$program" ||
    { screen; die "$program saved another attachment"; }

  echo "Danke, sagt $program." >typed
  keys q
  see "Wir sind mit $program da."
  keys r
  see 'To:'
  keys Enter
  see 'Subject:'
  keys Enter
  see 'nclude'
  keys y
  see ': Compose'
  keys y
  until_true 20 has_text bob . "Danke, sagt $program." || { screen; die "no reply arrived from $program"; }
  has_text bob . "> Wir sind mit $program da." || die "$program did not quote"
  as bob show @ >shown
  grep -q '^Signed: alice (peer)' shown || { cat shown; die "the reply is not proved"; }
  has_text alice .Sent "Danke, sagt $program." || die "no copy in Sent"

  echo "Erst der Entwurf von $program." >typed
  keys m
  see 'To:'
  keys -l bob
  keys Enter
  see 'Subject:'
  keys -l "Entwurf $program"
  keys Enter
  see ': Compose'
  keys q
  see 'ostpone'
  keys y
  until_true 20 has_mail alice .Drafts 1 || { screen; die "$program kept no draft"; }
  plaintext_nowhere "Erst der Entwurf"
  keys m
  see 'ecall'
  keys y
  see ': Compose'
  keys y
  until_true 20 has_text bob . "Erst der Entwurf von $program." || { screen; die "$program did not send its draft"; }
  plaintext_nowhere "Entwurf von"
  plaintext_nowhere "Wir sind mit"
  quits() { keys q; until_true 1 on_screen ended; }
  # out of the pager, then the index; keys typed while it sends are thrown away
  quits || quits || quits || quits || { screen; die "$program does not end"; }
  [ -z "$(find "$XDG_RUNTIME_DIR/p2pmail" -type f)" ] || die "$program left $(ls "$XDG_RUNTIME_DIR/p2pmail")"
  terminal kill-session -t "$program"
  rm -rf "$work/alice/mail/.Drafts"
}

# A large letter, in Sent: mutt's copy is the stub's, and the content is found beside the Maildir.
drive_large() { # drive_large PROGRAM
  program=$1
  echo 'Hier der Film.' | as alice send -s "Film $program" -a 'the film.bin' -a 'photo of us.bin' \
    --no-push bob || die "not sent"
  id=$(as alice ls Sent --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | tail -n 1)
  terminal new-session -d -s "$program" -x 110 -y 40 \
    "P2PMAIL_HOME=$work/alice $program -n -F rc-$program -f $work/alice/mail/.Sent 2>err-$program; echo ended; sleep 60"
  see 'bob'
  keys '*' Enter
  see "Subject: Film $program"
  see 'Hier der Film.'
  see 'name  the film.bin'
  see 'p2pmail show --save DIR '
  keys v
  see 'the film.bin.txt'
  see 'photo of us.bin'
  keys q
  see 'Hier der Film.'
  mv "$work/alice/mail/.p2pmail/blobs/$id" "$work/film-blob"
  keys i
  keys '*' Enter
  see 'is not on this machine'
  mv "$work/film-blob" "$work/alice/mail/.p2pmail/blobs/$id"
  quits() { keys q; until_true 1 on_screen ended; }
  quits || quits || quits || quits || { screen; die "$program does not end"; }
  terminal kill-session -t "$program"
}

tried=
for program in mutt neomutt; do
  command -v "$program" >/dev/null 2>&1 || { echo "$program is not installed"; continue; }
  drive "$program" "$([ "$program" = mutt ] || echo --neomutt)"
  drive_large "$program"
  tried="$tried $program"
done
[ -n "$tried" ] || skip "neither mutt nor neomutt is installed"

# Killed while a message is open: what it left is gone when the next one starts.
kill_leftover() {
  touch "$XDG_RUNTIME_DIR/p2pmail/mutt-host-0-$1-1" && as alice muttrc --tmpdir >/dev/null
  [ ! -e "$XDG_RUNTIME_DIR/p2pmail/mutt-host-0-$1-1" ]
}
sh -c : & gone=$!
wait "$gone"
kill_leftover "$gone" || die "a dead mutt's file stays"
if kill_leftover $$; then die "a living mutt's file is removed"; fi
[ "$(stat -c %a "$XDG_RUNTIME_DIR/p2pmail")" = 700 ] || die "others may enter the directory of plaintext"
