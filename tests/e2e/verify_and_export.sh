#!/bin/sh
# People to people: words that agree on both sides and the question on a real terminal, the address
# book for mutt, export and import.
. "$(dirname "$0")/lib.sh"
person alice; person bob; person mallory
befriend alice bob

# The words are the same on both sides, and others with somebody in between.
as alice peers verify bob >alice.words
as bob peers verify alice >bob.words
cmp alice.words bob.words || die "the words differ"
[ "$(tr -s ' ' '\n' <alice.words | grep -c .)" = 16 ] || die "not 16 words: $(cat alice.words)"
as alice card | as mallory peers add alice -
as mallory card | as bob peers add mallory -
as mallory peers verify alice >mallory.words
! cmp -s alice.words mallory.words || die "somebody else has the same words"
! as alice peers | grep -q verified || die "marked without being asked"
as alice peers verify --yes bob >/dev/null
as alice peers show bob | grep -q '^verified:  yes' || die "not marked"
as alice peers --json | grep -q '"verified":true' || die "not marked in JSON"
as alice peers rm bob
as alice peers add bob bob.card
! as alice peers | grep -q verified || die "the mark outlives the peer"

# Export, import, and add of one block.
as bob peers export >all.peers
as alice peers add bobby bob.card 2>/dev/null && die "one key under two petnames"
person carol
as carol peers import all.peers
as carol peers >carol.peers
as bob peers >bob.peers
cmp carol.peers bob.peers || die "the book that was imported is another"
as carol peers export | cmp - all.peers || die "exported again it differs"
as carol peers import - <all.peers || die "not twice"
person dave
expect 64 as dave peers add somebody all.peers
as bob peers export mallory | as dave peers add trudy
as dave peers show trudy | grep -q "$(as mallory whoami)" || die "a block is not a card"
head -n "$(($(wc -l <all.peers) - 1))" all.peers >cut.peers
as dave peers >before
expect 65 as dave peers import cut.peers
as dave peers | cmp - before || die "half an import stayed"

# A stranger's own name cannot break out of its field, nor a petname out of an alias.
as bob peers query ALICE >query
[ "$(sed -n 1p query)" = "1 of 2 peers" ] || die "$(cat query)"
[ "$(sed -n 2p query)" = "$(printf '%s\talice\t?alice' "$(as alice whoami)")" ] || die "$(cat query)"
nasty='x`touch${IFS}ran`$HOME#;'\''"' # a quotation mark is refused, the rest is not
expect 64 as bob peers rename mallory "$nasty"
nasty=${nasty%?}
as bob peers rename mallory "$nasty"
as bob peers rename alice Älice
as bob peers export --mutt >aliases
for mutt in mutt neomutt; do
  command -v $mutt >/dev/null 2>&1 || { missing=$mutt; continue; }
  printf 'set from=me@example.org send_charset=utf-8 charset=utf-8\nsource aliases\n' >rc
  HOME=$work LC_ALL=C.UTF-8 timeout 20 $mutt -n -F rc -A Älice </dev/null >expanded 2>"$mutt.log"
  grep -q "^Älice <$(as alice whoami)>" expanded || die "$mutt: $(cat expanded)"
  HOME=$work LC_ALL=C.UTF-8 timeout 20 $mutt -n -F rc -A "$nasty" </dev/null >expanded 2>>"$mutt.log"
  grep -qF "$nasty" expanded || die "$mutt: $(cat expanded)"
  grep -qF "$(as mallory whoami)" expanded || die "$mutt: $(cat expanded)"
  [ ! -e ran ] || die "$mutt ran what a petname says"
done

# The question, on a terminal of its own; standard output is that terminal too.
command -v python3 >/dev/null 2>&1 || skip "the terminal was not tried: python3 is missing"
cat >terminal.py <<'END'
import os, pty, select, sys, time
answer, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen, answered, end = b"", False, time.monotonic() + 60
while time.monotonic() < end:
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not answered and seen.endswith(b"[y/N] "):
        os.write(terminal, answer)
        answered = True
sys.stdout.buffer.write(seen)
status = os.waitpid(pid, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status) if answered else 99)
END
at_terminal() { # at_terminal ANSWER: what the terminal showed goes to `screen`
  P2PMAIL_HOME=$work/alice python3 terminal.py "$1" "$P2PMAIL" peers verify bob >screen
}
is_verified() { as alice peers | grep -q verified; }
for answer in '
' 'n
' 'no
' 'yellow
'; do
  at_terminal "$answer" || die "exit $? after '$answer': $(cat screen)"
  ! is_verified || die "marked after '$answer'"
done
status=0
at_terminal "$(printf '\003')" || status=$? # Ctrl-C
[ "$status" = 77 ] || die "exit $status when interrupted: $(cat screen)"
! is_verified || die "marked when interrupted"
at_terminal 'Yes
' || die "exit $?: $(cat screen)"
tr -d '\r' <screen | grep -qF "$(sed -n 4p alice.words)" || die "no words on the screen: $(cat screen)"
is_verified || die "not marked after yes"
status=0
at_terminal 'n
' || status=$?
[ "$status" = 99 ] || die "asked again: $(cat screen)"
[ -z "${missing:-}" ] || skip "aliases were not tried: $missing is missing"
