#!/bin/sh
# The session of README.md runs as it stands there: every line that begins with `    $ ` is typed at a
# terminal, in order, in a fresh HOME, by somebody who answers each prompt for a passphrase. What a reader
# has and the README does not make is prepared here: menu.pdf, and Bob, who listens, whose card lies about
# as bob.card, and who answers as soon as there is a card of Alice.
#
# The other blocks of the README (build, install) are what tests/run and docs_pages.sh do.
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/e2e/lib.sh"
command -v python3 >/dev/null 2>&1 || skip "python3 is not installed"

mkdir bin home desk
ln -s "$P2PMAIL" bin/p2pmail
person bob
node bob
as bob card -o desk/bob.card
echo menu >desk/menu.pdf

# typed LINE: runs it by a shell on a terminal of its own; what that shows goes to $work/shown.
typed() {
  python3 - "$work" "$1" <<'PYTHON'
import os, pty, select, sys, time

work, line = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(work + "/desk")
    os.execvpe("sh", ["sh", "-ec", line], {
        "HOME": work + "/home", "PATH": work + "/bin:" + os.environ["PATH"], "TERM": "xterm", "PAGER": "",
        **{name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")}})
shown, answered, deadline = b"", 0, time.monotonic() + 120
while time.monotonic() < deadline:
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # the other end is closed
        piece = b""
    if not piece:
        break
    shown += piece
    prompts = shown.count(b"assphrase: ") + shown.count(b"The same again: ")
    for _ in range(prompts - answered):
        os.write(terminal, b"correct horse\n")
    answered = prompts
else:
    os.kill(pid, 9)
with open(work + "/shown", "ab") as log:
    log.write(shown)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 99)
PYTHON
}

sed -n 's/^    \$ //p' "$top/README.md" >session
[ "$(wc -l <session)" -ge 5 ] || die "no session in README.md"
answered=
while read -r line <&3; do
  typed "$line" </dev/null || { status=$?; cat shown; die "README: exit $status: $line"; }
  if [ -z "$answered" ] && [ -f desk/alice.card ]; then
    as bob peers add alice desk/alice.card
    echo 'Gladly' | as bob send -s 'Re: Lunch' alice
    answered=yes
  fi
done 3<session

[ -n "$answered" ] || die "the session writes no alice.card"
until_true 20 has_mail bob . 1 || die "bob got nothing"
as bob ls | grep -q Lunch || die "bob has something else: $(as bob ls)"
as bob show @ | grep -q menu.pdf || die "the attachment did not arrive"
grep -q Gladly shown || { cat shown; die "the answer was not shown at the end"; }
