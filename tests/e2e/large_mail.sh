#!/bin/sh
# Large mail at rest: one copy beside the Maildir that serves Sent and the queue, a small file in the
# Maildir; show streams it, saves it, and says clearly what is wrong with it; mail programs get a note.
. "$(dirname "$0")/lib.sh"
person alice
person bob
befriend alice bob
echo 'inline_max = 64K' >alice/config
blobs=$work/alice/mail/.p2pmail/blobs

head -c 5000000 /dev/urandom >'the film.bin'
head -c 3000 /dev/urandom >small.bin
printf 'A film and a picture.\n' |
  as alice send -s Film -a 'the film.bin' -a small.bin --no-push bob || die "not sent"
stub=$(find alice/mail/.Sent -type f -size -64k -path '*/cur/*')
[ -n "$stub" ] || die "no small file in Sent"
name=$(sed -n 's/^P2pmail-Id: //p' "$stub")
blob=$blobs/$name
[ "$(stat -c %h "$blob")" = 2 ] || die "the queue has no link to the blob"
[ "$(find alice -type f -size +4000k | wc -l)" = 2 ] || die "there is another copy"
[ -z "$(find alice/mail/.p2pmail/partial -type f)" ] || die "something was left in partial"
! grep -rq 'A film and' alice || die "plaintext lies on the disk"

# Everything that show does.
as alice show Sent/@ >shown || die "not shown"
grep -q 'A film and a picture' shown || die "no text"
grep -q 'the film.bin' shown || die "no list of attachments"
as alice show --save saved Sent/@ >names || die "not saved"
cmp -s 'the film.bin' 'saved/the film.bin' || die "saved something else"
cmp -s small.bin saved/small.bin || die "saved something else"
as alice show --part 2 Sent/@ | cmp -s - 'the film.bin' || die "part 2 is another"
as alice show --raw Sent/@ >raw.eml
[ "$(stat -c %s raw.eml)" -gt 5000000 ] || die "--raw is not whole"
as alice show --headers Sent/@ | grep -q '^Subject: Film' || die "no header"

# What a mail program gets: of the file, and of a copy of its encrypted part.
copy_part() { # the region and what follows
  at=$(grep -abo 'p2pmail-sealed' "$1" | head -n 1 | cut -d: -f1)
  tail -c +$((at + 1)) "$1"
}
copy_part "$stub" >part
for file in "$stub" part; do
  as alice unseal "$file" >unsealed 2>err || die "not unsealed: $(cat err)"
  grep -q '^p2pmail: good: Sent by me' err || die "not proved: $(cat err)"
  grep -q 'A film and a picture' unsealed || die "no text"
  grep -q "filename\*=utf-8''the%20film.bin.txt" unsealed || die "no name"
  grep -q 'name  the film.bin' unsealed || die "the note has no name"
  grep -q "p2pmail show --save DIR $(echo "$name" | cut -c1-12)" unsealed || die "no command"
  grep -q 'Content-Transfer-Encoding: base64' unsealed || die "the small one is not there"
  [ "$(stat -c %s unsealed)" -lt 20000 ] || die "too much for a mail program"
done
as alice show --save again "$(sed -n 's/^To save it:  p2pmail show --save DIR \([0-9a-f]*\)]$/\1/p' unsealed)" >/dev/null ||
  die "the command of the note does not work"
cmp -s 'the film.bin' 'again/the film.bin' || die "the note's command saved something else"

# Flags and folders are a matter of the small file.
as alice flag +flagged Sent/@
as alice mv Sent/@ INBOX
as alice show @ | grep -q 'A film and' || die "not shown from another folder"
as alice doctor --offline | grep -q '1 streams beside the Maildir' || die "doctor does not see it"

# A full disk: nothing is begun, nothing is left.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
  mkdir -p tiny
  P2PMAIL_HOME=$work/alice unshare -m sh -c '
    mount -t tmpfs -o size=1m none tiny || exit 99
    "$0" show --save tiny/saved @ 2>err; status=$?
    [ "$status" = 74 ] || { cat err; exit 1; }
    [ -z "$(find tiny -type f)" ]' "$P2PMAIL" || die "a full disk: $? $(cat err)"
  grep -q 'are needed and' err || die "not said: $(cat err)"
fi

# What is wrong is said in one line; the rest of the store still lists.
cp "$blob" whole
clear() { # clear STATUS WORDS
  expect "$1" timeout 20 env P2PMAIL_HOME="$work/alice" "$P2PMAIL" show --part 2 @
  [ "$(grep -c 'error:' err)" = 1 ] || { cat err; die "not one line"; }
  grep -q "$2" err || { cat err; die "not '$2'"; }
  as alice ls | grep -q Film || die "ls does not list it"
}
printf '\377\376\375\374' | dd of="$blob" bs=1 seek=3000000 conv=notrunc 2>/dev/null
clear 65 'damaged in MiB 3'
expect 65 as alice show --save bad @
[ -z "$(find bad -type f)" ] || die "damaged attachments were left"
as alice show @ >shown || die "what is not damaged cannot be read"
cp whole "$blob" && truncate -s 4000000 "$blob"
clear 65 'cut off'
rm "$blob" && ln -s "$work/whole" "$blob"
clear 65 'not a regular file'
rm "$blob" && mkfifo "$blob"
clear 65 'not a regular file'
rm "$blob"
clear 66 'missing'
expect 66 as alice unseal part
grep -q 'is not on this machine' out || die "unseal does not say that the content is missing"
expect 78 as alice doctor --offline
grep -q "problem .*$name: missing" out || { cat out; die "doctor does not see what is missing"; }
cp whole "$blob"
mv "$blob.leaves" away
clear 66 'missing'
mv away "$blob.leaves"
as alice show --part 2 @ | cmp -s - 'the film.bin' || die "put back, it is not whole"

# A stub that names the blob of another mail.
printf 'Another.\n' | as alice send -s Other -a 'the film.bin' --no-push bob
other=$(find alice/mail/.Sent -type f -path '*/cur/*')
at=$(grep -abo 'p2pmail-sealed' "$other" | head -n 1 | cut -d: -f1)
cp "$other" kept
copy_part "$(find alice/mail/cur alice/mail/new -type f)" | tail -c +41 | head -c 20 |
  dd of="$other" bs=1 seek=$((at + 40)) conv=notrunc 2>/dev/null
expect 65 as alice show Sent/@
grep -q 'another message' err || { cat err; die "the wrong blob was not refused"; }
cp kept "$other"

# rm leaves the content to whoever tidies up, and doctor says so.
as alice rm --purge Sent/@
rm -f alice/queue/*
as alice doctor --offline >out 2>&1 || true
grep -q '1 of 2 streams belong to no mail' out || { cat out; die "doctor does not see the orphan"; }
as alice fetch >/dev/null 2>&1 || true
[ "$(find "$blobs" -name '*.unused' | wc -l)" = 1 ] || die "fetch has not marked it"
