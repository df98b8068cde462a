#!/bin/sh
# To, Cc and Bcc to three people: each gets it, nobody learns of the Bcc.
. "$(dirname "$0")/lib.sh"
for name in alice bob carol dave; do person $name; done
for name in bob carol dave; do node $name; befriend alice $name; done
echo 'for all of you' | as alice send -v -s Circular -c carol -b dave bob >sent
for name in bob carol dave; do
  grep -q "$name: delivered" sent || die "$name: $(cat sent)"
  as $name show @ | grep -q 'for all of you' || die "$name cannot read it"
done
dave=$(as dave whoami | sed 's/.*@//')
for name in bob carol dave alice; do
  [ "$name" = alice ] && folder=Sent/@ || folder=@
  as $name show --raw $folder >raw
  ! grep -qi "$dave" raw || die "$name's copy names the Bcc recipient"
  ! grep -qi '^bcc' raw || die "$name's copy has a Bcc field"
done
! grep -rq "$dave" bob/mail carol/mail || die "a file of bob or carol names dave"
# Unknown recipient: nothing goes to anybody.
expect 67 as alice send -s nothing bob nobody
[ "$(count_mail bob .)" = 1 ] || die "something was sent all the same"
queue_is_empty alice || die "something was queued all the same"
