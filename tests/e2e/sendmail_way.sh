#!/bin/sh
# The sendmail way: whole messages on standard input, by hand and from the real programs that do so:
# git send-email, s-nail, cron. (mutt and neomutt: mutt.sh.) Mixed mail goes to friends and to the old
# world, and nothing leaks there.
. "$(dirname "$0")/lib.sh"
unset XDG_CONFIG_HOME
HOME=$work/home
export HOME
mkdir -p "$HOME"
person alice
person bob
person carol
node bob
node carol
befriend alice bob
befriend alice carol
address() { as "$1" whoami; }
newest() { as "$1" show --raw "@"; }
# arrived NAME WORDS: the newest message of NAME says so.
arrived() { until_true 20 has_words "$1" "$2" || { newest "$1"; die "$1 has not got '$2'"; }; }
has_words() { newest "$1" | grep -Fq -- "$2"; }
lacks() { if newest "$1" | grep -Fqi -- "$2"; then die "$1's copy says '$2'"; fi; }
send_text() { as alice send "$@" <message; }

# ---- by hand
cat >message <<EOM
From: "Alice at Work" <alice@example.org>
To: bob, Carol <$(address carol)>
Bcc: me
Subject: both worlds
X-Mine: kept
 folded
In-Reply-To: <one@example.org>

first line
.
after the dot
EOM
send_text -t -oi -oem || die "send -t failed"
arrived bob 'after the dot'
has_words bob 'X-Mine: kept' && has_words bob ' folded' || die "a field of the program is gone"
has_words bob 'In-Reply-To: <one@example.org>' || die "a field of the program is gone"
has_words bob "$(address bob)" || die "the petname did not become an address"
has_words bob 'X-Original-From: "Alice at Work" <alice@example.org>' || die "the old From is gone"
has_words bob 'Message-ID: <' && has_words bob 'Date: ' || die "a missing field was not added"
lacks bob bcc:
lacks bob 'To: bob,'
arrived carol 'after the dot'
as bob show @ | head -n 1 | grep -q '^Signed: alice (peer)' || die "not proved"
[ "$(count_mail alice .)" = 1 ] || die "the blind copy to myself did not come"

# Recipients in the arguments: who is not in the header stays hidden.
cat >message <<EOM
To: $(address bob)
Subject: hidden third

text
EOM
send_text -i -f alice@example.org -F 'Alice Liddell' -- bob carol || die "send -i failed"
arrived carol 'hidden third'
arrived bob 'hidden third'
lacks bob "$(address carol)"
has_words bob 'From: Alice Liddell <' || die "-F did not name the sender"
as alice show --json Sent/@ | grep -q '"bcc":"carol"' || die "the hidden one is not known as hidden"

# Line ends of DOS, 8-bit headers, no header at all, no From, no text.
printf 'To: bob\r\nSubject: Gr\303\274\303\237e\r\n\r\none\r\ntwo\r\n' >message
send_text -t || die "CRLF failed"
arrived bob 'two'
if newest bob | grep -q "$(printf '\r')"; then die "a CR came through"; fi
as bob ls | tail -n 1 | grep -q 'Grüße' || die "the 8-bit subject is not shown: $(as bob ls | tail -n 1)"
printf 'To: bob\nSubject: Latin \344\366\374\n\nx\n' | as alice send -t || die "Latin-1 failed"
arrived bob 'Latin'
echo 'only words' | as alice send -i bob || die "no header failed"
arrived bob 'only words'
: | as alice send -i bob || die "nothing at all failed"

# ---- bad input: nothing is sent to anybody
before=$(as alice ls Sent | wc -l)
refuses() { # refuses STATUS WORDS OPTION...: with the message in ./message
  want=$1
  words=$2
  shift 2
  set +e
  as alice send "$@" <message >out 2>err
  got=$?
  set -e
  [ "$got" = "$want" ] || { cat err; die "exit $got, not $want: send $*"; }
  grep -Fq -- "$words" err || { cat err; die "no '$words' about send $*"; }
}
printf 'To: bob, nobody\n\nx\n' >message
refuses 67 "no peer 'nobody'" -t
printf 'Subject: to whom\n\nx\n' >message
refuses 64 'no recipient' -t
refuses 64 'no recipient' -i
printf 'To: bob, old@example.org\n\nx\n' >message
refuses 67 'old@example.org is no p2pmail address' -t
printf 'To: %s\n\nx\n' "$(address bob | sed 's/@a/@b/; t; s/@./@a/')" >message
refuses 67 'did you mean bob?' -t
{ printf 'To: bob\nX-Long: '; head -c 1100000 /dev/zero | tr '\0' x; printf '\n\nx\n'; } >message
refuses 65 'longer than 1 MiB' -t
printf 'To: bob\nX-Nul: \0\n\nx\n' >message
refuses 65 'NUL in the header' -t
refuses 64 'compose one' -t -s subject
[ "$(as alice ls Sent | wc -l)" = "$before" ] || die "something was sent all the same"

# ---- the old world
cat >oldmail <<'SH'
#!/bin/sh
printf '%s\n' "$@" >"$OLD/arguments"
cat >"$OLD/letter"
[ ! -e "$OLD/broken" ]
SH
chmod +x oldmail
OLD=$work
export OLD
echo "fallback_sendmail = '$work/oldmail' -oi" >alice/config
cat >message <<EOM
From: Alice <alice@example.org>
To: bob, Old Friend <old@example.org>
Cc: $(address carol)
Bcc: hidden@example.com
Resent-Bcc: other@example.com
Subject: two worlds

for all of you
EOM
sed -i '/^Resent/d' message
send_text -t -v >said || die "mixed mail failed"
arrived bob 'two worlds'
arrived carol 'two worlds'
[ "$(tr '\n' ' ' <arguments)" = "-oi -f alice@example.org -- old@example.org hidden@example.com " ] ||
  die "wrong arguments: $(cat arguments)"
grep -q '^From: Alice <alice@example.org>' letter || die "the old world got another From"
grep -q '^for all of you' letter || die "the old world got no text"
if grep -qi 'bcc' letter; then die "Bcc leaked"; fi
if grep -q '^To: bob,' letter; then die "a petname leaked"; fi
grep -q 'old@example.org: handed over' said || die "not said: $(cat said)"
# What must never get there: petnames, typos, our own domain, special names.
rm -f arguments letter
for wrong in bbo bob@localhost x@alt 'x@p2pmail.al' 'bob@host' "x@$(address bob | cut -d@ -f2 | cut -d. -f1).al" \
  x@foo.onion x@foo.local '-x@example.org' x@.org x@example..org x@1.2.3.4; do
  printf 'To: bob\n\nx\n' >message
  set +e
  as alice send -i -- bob "$wrong" <message >out 2>err
  got=$?
  set -e
  [ "$got" = 67 ] || { cat err; die "$wrong: exit $got"; }
  [ ! -e arguments ] || die "$wrong leaked"
done
# A command that fails: nobody gets anything.
touch broken
before=$(as alice ls Sent | wc -l)
printf 'To: bob, old@example.org\nSubject: never\n\nx\n' >message
refuses 69 'fallback_sendmail exited with 1; nothing was sent to anybody' -t
[ "$(as alice ls Sent | wc -l)" = "$before" ] || die "it was sent all the same"
rm broken alice/config

# ---- real programs
bin=$work/bin
mkdir "$bin"
ln -s "$P2PMAIL" "$bin/sendmail"
ln -s "$P2PMAIL" "$bin/p2pmail"
PATH=$bin:$PATH
P2PMAIL_HOME=$work/alice
export PATH P2PMAIL_HOME

# A program named sendmail.
printf 'To: bob\nSubject: by name\n\nx\n' | sendmail -bm -oi -t || die "sendmail failed"
arrived bob 'by name'

if git send-email -h 2>&1 | grep -q 'to'; then
  git init -q repo
  (
    cd repo
    git config user.name 'Alice Liddell'
    git config user.email alice@example.org
    for n in 1 2; do
      echo "$n" >file && git add file && git commit -qm "Change number $n"
    done
    git format-patch -q -1
    git send-email --quiet --confirm=never --suppress-cc=all --sendmail-cmd='p2pmail send -i' --to="$(address bob)" ./*.patch
  ) >git.out 2>&1 || { cat git.out; die "git send-email failed"; }
  arrived bob '[PATCH] Change number 2'
  newest bob >patch.mail
  (cd repo && git checkout -q HEAD~1 && git am -q ../patch.mail) || die "git am does not take the patch"
  echo "git send-email: $(git --version)"
else
  echo "git send-email is not installed"
fi

if command -v s-nail >/dev/null 2>&1; then
  echo 'from s-nail' | s-nail -n -S mta="$bin/sendmail" -S DEAD=/dev/null -S from=alice@example.org \
    -s 'Hallo von s-nail' "$(address bob)" >nail.out 2>&1 || { cat nail.out; die "s-nail failed"; }
  arrived bob 'from s-nail'
  has_words bob 'Subject: Hallo von s-nail' || die "s-nail's subject is gone"
  echo "s-nail: $(s-nail -V 2>/dev/null | head -n 1)"
else
  echo "s-nail is not installed"
fi

# cron runs /usr/sbin/sendmail -FCronDaemon -i -B8BITMIME -oem USER with this header (Debian's cron,
# do_command.c); a running cron daemon cannot be pointed at another one, so its words are given.
login=$(id -un)
printf 'From: %s (Cron Daemon)\nTo: %s\nSubject: Cron <%s@host> true\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\noutput of a job\n' \
  "$login" "$login" "$login" | sendmail -FCronDaemon -i -B8BITMIME -oem "$login" || die "cron's mail failed"
arrived alice 'output of a job'
as alice show @ | head -n 1 | grep -q '^Signed: me' || die "cron's mail is not mine"
as alice show --headers @ | grep -q '^X-Cron-Env:' || die "cron's own field is gone"

# A thousand recipients in one header.
host_of_bob=$(address bob | cut -d@ -f2)
{
  printf 'Subject: many\nTo: '
  n=0
  while [ "$n" -lt 1000 ]; do
    printf '%s,\n ' "n$n@$host_of_bob"
    n=$((n + 1))
  done
  printf '%s\n\nto all\n' "$(address carol)"
} >message
send_text -t || die "a thousand recipients failed"
arrived carol 'to all'
