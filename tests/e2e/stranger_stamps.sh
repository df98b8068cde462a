#!/bin/sh
# Strangers: their mail costs a stamp and lies in Requests until they are accepted; contacts are free; whoever
# is blocked cannot tell.
. "$(dirname "$0")/lib.sh"
for name in alice bob eve; do person $name; done
node bob
befriend alice bob
as bob card -o bob.card
as eve peers add bob bob.card >/dev/null

# A contact works for nothing, a stranger works for each letter, and says so when asked to.
echo 'from a contact' | as alice send -v -s free bob >said 2>&1
! grep -q stamp said || die "a contact had to work: $(cat said)"
echo 'from a stranger' | as eve send -v -s paid bob >said 2>&1
grep -q 'computing a stamp of 20 bits for bob' said || die "no stamp: $(cat said)"
grep -q 'bob: delivered' said || die "$(cat said)"
[ "$(count_mail bob .Requests)" = 1 ] || die "it is not in Requests"
[ "$(count_mail bob .)" = 1 ] || die "something else is in the inbox"

# Who does not want to work is told what it would take, and the letter stays queued.
printf 'max_stamp_bits = 4\n' >eve/config
echo 'too lazy' | as eve send -v -s lazy bob >said 2>&1
grep -q 'bob: queued (.*a stamp of 20 bits is asked for, and 4 are the most' said || die "$(cat said)"
as eve queue cancel Sent/@ >/dev/null
rm eve/config

# Accepted: in the book, and all mail from there in the inbox; from now on free.
echo 'from a stranger again' | as eve send -s paid2 bob
expect 66 as bob peers accept eve ffffffff
expect 64 as bob peers accept me
as bob peers accept eve
[ "$(count_mail bob .Requests)" = 0 ] || die "mail was left in Requests"
[ "$(count_mail bob .)" = 3 ] || die "bob has $(count_mail bob .) messages"
as bob peers show eve | grep -q "address: *$(as eve whoami)" || die "$(as bob peers show eve)"
as bob show --no-pager @ 2>/dev/null | grep -q 'Signed: eve' || as bob show @ | grep -q 'Signed: eve' || die "$(as bob show @)"
echo 'now a friend' | as eve send -v -s friend bob >said 2>&1
! grep -q stamp said || die "a contact had to work: $(cat said)"
# Again it moves what lies there, and harms nothing; a name that is taken is not moved to another.
as bob peers accept eve
expect 73 as bob peers accept alice @

# Blocked: what a stranger hears, then "later"; never that it is blocked, never a receipt.
as bob peers block eve
echo 'hello?' | as eve send -v -s blocked bob >said 2>&1
grep -q 'computing a stamp' said || die "a blocked peer hears something else than a stranger: $(cat said)"
grep -q 'bob: queued (.*later' said || die "$(cat said)"
! grep -qi block said || die "it is said: $(cat said)"
[ "$(count_mail bob .)" = 4 ] || die "blocked mail came"
as bob peers unblock eve
as eve queue retry >/dev/null
[ "$(count_mail bob .)" = 5 ] || die "it did not come after unblocking"
# The passphrase: who wrote a message is only known with it.
as bob passwd --help >/dev/null
# A setting, and no stamp at all.
stop "$pid"
printf 'stamp_bits = 0\n' >bob/config
node bob
person frank
as bob card -o bob.card
as frank peers add bob bob.card >/dev/null
echo free | as frank send -v -s free bob >said 2>&1
! grep -q stamp said || die "a stamp of 0 bits: $(cat said)"
[ "$(count_mail bob .Requests)" = 1 ] || die "it did not come"
printf 'stamp_bits = 41\n' >bob/config
expect 78 as bob config
