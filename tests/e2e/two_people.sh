#!/bin/sh
# Two people exchange mail over TCP: text in UTF-8, a binary attachment, a reply.
. "$(dirname "$0")/lib.sh"
person alice; person bob
node bob
befriend alice bob
head -c 200000 /dev/urandom >data.bin
printf 'Grüße aus Köln\n' | as alice send -v -s 'Prüfung № 1' -a data.bin bob >sent
grep -q 'bob: delivered' sent || die "not delivered: $(cat sent)"
queue_is_empty alice || die "the queue is not empty"
as bob ls | grep -q 'Prüfung № 1' || die "the subject is not listed"
as bob show @ >shown
grep -q 'Grüße aus Köln' shown || die "the body is not shown"
grep -q 'data.bin' shown || die "the attachment is not listed"
mkdir saved
as bob show --save saved @ >/dev/null
cmp data.bin saved/data.bin
as bob show --save saved @ >/dev/null
cmp data.bin saved/data.bin || die "an attachment was overwritten"
[ "$(ls saved | wc -l)" = 2 ] || die "the second save did not get a name of its own"
# A reply: alice only fetches.
as bob show --headers @ >headers
id=$(sed -n 's/^Message-I[dD]: *<\(.*\)>.*/\1/p' headers | head -n 1)
[ -n "$id" ] || die "no Message-ID"
echo 'Gladly' | as bob send -s 'Re: Prüfung' --in-reply-to "$id" alice
as alice fetch -q
as alice ls | grep -q 'Re: Prüfung' || die "the reply did not arrive"
as alice show @ | grep -q Gladly || die "the reply cannot be read"
as alice ls Sent | grep -q 'Prüfung № 1' || die "no copy in Sent"
# To oneself.
echo note | as alice send -s 'Note to self' "$(as alice whoami)"
as alice ls | grep -q 'Note to self' || die "mail to oneself did not arrive"
