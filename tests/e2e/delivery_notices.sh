#!/bin/sh
# Letters that end: expired, failed to be delivered, delivered with a wish to know. What the sender is told
# is a delivery status notification that Python's email package and `show` read, comes once wherever the
# program is killed, and needs no passphrase. A small library in front of libc moves the clocks and kills.
. "$(dirname "$0")/lib.sh"
cc=$(command -v cc || command -v gcc || command -v clang) || skip "no C compiler"

cat >clock.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long long seconds(const char *name) {
  const char *text = getenv(name);
  return text ? atoll(text) : 0;
}
int clock_gettime(clockid_t clock, struct timespec *at) {
  long done = syscall(SYS_clock_gettime, clock, at);
  if (done == 0 && clock == CLOCK_REALTIME) at->tv_sec += seconds("TEST_WALL");
  if (done == 0 && clock == CLOCK_BOOTTIME) at->tv_sec += seconds("TEST_BOOT");
  return (int)done;
}
/* Dies before the call with this number of those that make something durable. */
static void strike(void) {
  static long long calls;
  if (++calls == seconds("TEST_KILL")) kill(getpid(), SIGKILL);
}
int fsync(int fd) { strike(); return (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { strike(); return (int)syscall(SYS_fdatasync, fd); }
int unlink(const char *path) { strike(); return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
int rename(const char *from, const char *to) {
  strike();
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  strike();
  return (int)syscall(SYS_renameat2, a, from, b, to, flags);
}
C
"$cc" -shared -fPIC -O1 -o clock.so clock.c
LD_PRELOAD=$work/clock.so TEST_WALL=0 "$P2PMAIL" --version >/dev/null 2>&1 || skip "the library cannot be put in front"
# later DAYS HOURS-OF-BOOT COMMAND...
later() {
  wall=$(($1 * 86400)) boot=$(($2 * 3600))
  shift 2
  env LD_PRELOAD="$work/clock.so" TEST_WALL="$wall" TEST_BOOT="$boot" P2PMAIL_HOME="$work/alice" "$P2PMAIL" "$@"
}
# told SUBJECT: the id of the message in the inbox with this subject.
told() { as alice ls --json --passphrase-file secret | sed -n "s/.*\"id\":\"\([0-9a-f]*\)\".*\"subject\":\"$1\".*/\1/p"; }
state_of() { as alice queue show "$1" --json | sed -n 's/.*"state":"\([^"]*\)".*/\1/p'; }

echo secret >secret
as alice keygen --name 'Alice Ärger' --kdf-fast --passphrase-file secret >/dev/null
person bob
person eve
befriend alice bob
befriend alice eve

# Expiry: 30 days, seen twice with an hour between; not by a clock that jumps.
echo body | as alice send -s 'Grüße an eve' -b bob eve
as alice queue --json | grep -q '"expires":' || die "the queue does not say when it expires"
as alice queue | grep -q 'expires 20' || die "nor in words: $(as alice queue)"
[ "$(as alice queue --json | wc -l)" = 2 ] || die "not two entries"
later 400 1000 queue --json | grep -q eve || die "one look was enough"
as alice queue --json | grep -q eve
later 400 1003 fetch -q
[ "$(as alice queue --json | wc -l)" = 2 ] || die "a clock that jumps gave it up"
[ "$(count_mail alice .)" = 0 ] || die "a notice although nothing has ended"
later 31 2000 queue >/dev/null
later 31 2002 queue --json >out
[ ! -s out ] || die "still queued: $(cat out)"
[ "$(count_mail alice .)" = 2 ] || die "not one notice for each recipient: $(count_mail alice .)"
[ -z "$(ls alice/queue)" ] || die "left in the queue: $(ls alice/queue)"
[ "$(count_mail alice .Sent)" = 1 ] || die "notices in Sent"
[ "$(state_of Sent/@ | sort -u)" = expired ] || die "queue show: $(as alice queue show Sent/@)"
as alice ls Sent --json --passphrase-file secret | grep -q '"delivery":"expired"' || die "ls does not say it"
as alice ls Sent --passphrase-file secret | grep -q ' E ' || die "no E: $(as alice ls Sent --passphrase-file secret)"
! grep -rl 'Grüße\|an eve' alice/mail alice/queue alice/state.db alice/seen.db || die "the subject is on the disk"
later 31 2004 fetch -q
[ "$(count_mail alice .)" = 2 ] || die "a notice twice"

# What the notice says.
as alice ls --passphrase-file secret >listed
[ "$(grep -c 'N .*me .*Not delivered: Grüße an eve' listed)" = 2 ] || die "ls: $(cat listed)"
as alice show --passphrase-file secret @ >shown
grep -q '^Signed: me' shown || die "not shown as our own: $(cat shown)"
grep -q 'could not be delivered to' shown || die "no words: $(cat shown)"
as alice show --json --passphrase-file secret @ | grep -q '"genuine":true' || die "not genuine"
as alice show --raw --passphrase-file secret Sent/@ >original
for n in @ @~1; do as alice show --raw --passphrase-file secret $n >"notice$n"; done
cat >check.py <<'PYTHON'
import email, email.policy, sys

def header_blocks(message, kind):
    return [p for p in message.walk() if p.get_content_type() == kind]

original = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
seen = set()
for name in sys.argv[3:]:
    m = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    assert not m.defects, m.defects
    assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status"
    assert "Mail delivery" in m["From"] and m["Auto-Submitted"] == "auto-replied"
    assert original["Message-ID"] in m["References"], m["References"]
    assert m["In-Reply-To"] == original["Message-ID"]
    text, status, headers = m.get_payload()
    assert text.get_content_type() == "text/plain" and original["Subject"] in text.get_content()
    about, recipient = status.get_payload()
    assert about["Reporting-MTA"].startswith("x-p2pmail; "), about.items()
    assert about["Arrival-Date"] and len(about["Original-Envelope-Id"]) == 40
    kind, address = recipient["Final-Recipient"].split("; ")
    assert kind == "rfc822" and address.endswith(".p2pmail.alt")
    seen.add(address)
    want = sys.argv[2].split()
    assert [recipient["Action"], recipient["Status"]] == want, recipient.items()
    assert headers.get_content_type() == "text/rfc822-headers"
    quoted = email.message_from_string(headers.get_payload(decode=True).decode(), policy=email.policy.default)
    for field in ("From", "To", "Subject", "Message-ID", "Date"):
        assert quoted[field] == original[field], (field, quoted[field])
    assert "body" not in headers.get_payload()
assert len(seen) == len(sys.argv) - 3, seen
PYTHON
python3 check.py original 'failed 4.4.7' notice@ notice@~1 || die "the notice is not what it should be"
grep -q "$(as eve whoami | sed 's/.*@//')" notice@ notice@~1 || die "eve is not named"
grep -q "$(as bob whoami | sed 's/.*@//')" notice@ notice@~1 || die "the blind recipient is not named"

# Killed before each call that makes something durable, on a copy of the same store each time: one notice
# and an empty queue after the next run.
in_trial() { env LD_PRELOAD="$work/clock.so" TEST_WALL="$wall" TEST_BOOT="$boot" P2PMAIL_HOME="$work/trial" "$@"; }
copies() { find trial/mail/new trial/mail/cur -type f | wc -l | tr -d ' '; }
# killed_at N COMMAND...: 0 when it was killed there, 1 when it ended before.
killed_at() {
  at=$1
  shift
  rm -rf trial
  cp -a base trial
  set +e
  in_trial env TEST_KILL="$at" "$P2PMAIL" "$@" >/dev/null 2>killed.log </dev/null
  status=$?
  set -e
  case $status in 137) return 0 ;; 0) return 1 ;; *) die "exit $status at call $at of $*: $(cat killed.log)" ;; esac
}
echo x | as alice send --no-push -s 'Struck' eve
later 31 3000 queue >/dev/null
rm -rf alice/mail/new/* alice/mail/cur/*
cp -a alice base
wall=$((31 * 86400)) boot=$((3002 * 3600)) n=1
while killed_at "$n" queue; do
  in_trial "$P2PMAIL" queue --json >out
  [ ! -s out ] && [ -z "$(ls trial/queue)" ] || die "killed at call $n, still queued: $(ls trial/queue)"
  [ "$(copies)" = 1 ] || die "killed at call $n: $(copies) notices"
  n=$((n + 1))
  [ "$n" -lt 200 ] || die "it never ends"
done
[ "$(copies)" = 1 ] && [ "$n" -gt 10 ] || die "only $n calls"
strikes=$n
# The same with a letter to oneself and a wish to know: with the letter comes the notice of it.
n=1 whole=0
while killed_at "$n" send -s Struck --notify me; do
  in_trial "$P2PMAIL" fetch -q --timeout 1s
  case $(copies) in
    1) ;; # killed before it was queued
    3) whole=$((whole + 1)) ;;
    *) die "send killed at call $n: $(copies) messages" ;;
  esac
  n=$((n + 1))
  [ "$n" -lt 300 ] || die "it never ends"
done
[ "$whole" -gt 5 ] || die "only $whole of $n runs were killed after the letter was queued"
echo "killed at $strikes and $n calls"
later 31 3002 fetch -q

# A node gives up too, and says that there is new mail.
echo x | as alice send --no-push -s 'By serve' eve
later 31 4000 queue >/dev/null
before=$(count_mail alice .)
env LD_PRELOAD="$work/clock.so" TEST_WALL=$((31 * 86400)) TEST_BOOT=$((4002 * 3600)) P2PMAIL_HOME="$work/alice" \
  "$P2PMAIL" serve --json --listen tcp://127.0.0.1:0 >serve.log 2>&1 </dev/null &
serve=$!
nodes="$nodes $serve"
until_true 20 has_mail alice . $((before + 1)) || die "serve gives nothing up"
until_true 20 grep -q '"subject":"Not delivered: By serve"' serve.log || die "serve does not say it: $(cat serve.log)"
stop "$serve"
[ -z "$(ls alice/queue)" ] || die "left in the queue: $(ls alice/queue)"

# A wish to know: when the receipt has come, at once or much later; without a wish nothing.
node bob; bob_node=$pid
as bob card -o bob.card && as alice peers add bob bob.card
before=$(count_mail alice .)
echo one | as alice send -s 'No wish' bob
echo two | as alice send -s 'A wish' --notify bob
[ "$(count_mail alice .)" = $((before + 1)) ] || die "not one notice of the delivery"
as alice show --raw --passphrase-file secret "$(told 'Delivered: A wish')" >notice@
as alice show --raw --passphrase-file secret Sent/@ >original
python3 check.py original 'delivered 2.0.0' notice@ || die "the notice of a delivery"
stop "$bob_node"
echo three | as alice send -s 'Later' --notify --no-push bob
[ "$(count_mail alice .)" = $((before + 1)) ] || die "delivered before it was"
node bob; bob_node=$pid
as bob card -o bob.card && as alice peers add bob bob.card
as alice fetch -q
[ "$(count_mail alice .)" = $((before + 2)) ] || die "no notice of a delivery by fetch"
stop "$bob_node"
[ -z "$(ls alice/queue)" ] || die "left in the queue: $(ls alice/queue)"

# By hand: the next attempt in turn comes no later for it.
echo x | as alice send -s 'By hand' bob
as alice queue --json >first
for n in 1 2 3; do as alice queue retry >/dev/null; done
as alice queue --json >second
for field in attempts next; do
  [ "$(grep -o "\"$field\":[0-9]*" first)" = "$(grep -o "\"$field\":[0-9]*" second)" ] ||
    die "$field: $(cat first second)"
done

# A damaged entry goes by the name that is printed.
entry=$(find alice/queue -name '*.entry')
echo damage >"$entry"
expect 65 as alice queue
id=$(sed -n 's/.*queue cancel \(.*\)/\1/p' err)
[ "$(basename "$entry" .entry)" = "$id" ] || die "the hint does not name it: $(cat err)"
expect 0 as alice queue cancel "$id"
grep -q 'removed; it was damaged' err || die "no clear word: $(cat err)"
[ -z "$(ls alice/queue)" ] || die "left in the queue: $(ls alice/queue)"
[ "$(count_mail alice .Sent)" = 7 ] || die "a copy is missing: $(count_mail alice .Sent)"
