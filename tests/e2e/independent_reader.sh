#!/bin/sh
# Mail that p2pmail sent, sealed and stored is opened by a reader that shares no code with it: written
# in Python from the man pages, with the store's key in the open and with a passphrase.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../vectors/python.sh"
. "$here/lib.sh"
reader=$here/../vectors/reader.py
echo 'correct horse, Grüße' >words
as alice keygen --name alice --no-passphrase >/dev/null
as bob keygen --name bob --passphrase-file words >/dev/null
node bob
befriend alice bob
echo 'inline_max = 64K' >alice/config # her copy in Sent is a stub, its stream a blob
head -c 300000 /dev/urandom >data.bin
printf '\r' >>data.bin # half of what some parsers take for the line end before a boundary
printf 'Grüße aus Köln\n\nBis bald!\n' >text
as alice send -s 'Prüfung № 1' -a data.bin bob <text
has_mail bob . 1 || die "the mail did not arrive"

# The recipient's file, with a passphrase.
"$python" "$reader" mail bob INBOX words --save from_bob >listed || die "bob's mail cannot be read"
printf '1\t%s\tPrüfung № 1\n' "$(as alice whoami | sed 's/.*@\(.*\)\.p2pmail\.alt.*/\1/')" >wanted
cmp wanted listed || { cat listed; die "another verdict, sender or subject"; }
cmp data.bin from_bob/0.data.bin || die "the attachment is another one"
cmp text from_bob/0.part0 || die "the text is another one"
# The sender's own copy, without.
"$python" "$reader" mail alice Sent --save from_alice >listed || die "alice's copy cannot be read"
grep -q '^0	' listed || die "not a copy of what was sent"
cmp data.bin from_alice/0.data.bin || die "the attachment of the copy is another one"

# It refuses what the program refuses.
"$python" "$reader" mail bob INBOX 2>err && die "read without a passphrase"
grep -q '^locked' err || die "not for want of a passphrase: $(cat err)"
echo wrong >wrong
"$python" "$reader" mail bob INBOX wrong 2>err && die "read with a wrong passphrase"
grep -q '^wrong-passphrase' err || die "not for a wrong passphrase: $(cat err)"
file=$(find bob/mail/new bob/mail/cur -type f | head -n 1)
cp "$file" whole
# damage WHERE: turns one bit of the stored file, of its capsule or of the letter's last chunk.
damage() {
  cp whole "$file"
  "$python" - "$file" "$1" <<'END'
import sys
with open(sys.argv[1], "rb") as file:
    data = bytearray(file.read())
at = data.index(b"p2pmail-sealed") + 132 if sys.argv[2] == "capsule" else len(data) - 1000
data[at] ^= 1
with open(sys.argv[1], "wb") as file:
    file.write(data)
END
}
for where in capsule letter; do
  damage "$where"
  "$python" "$reader" mail bob INBOX words 2>err && die "a damaged $where was read"
  grep -q '^forged' err || die "a damaged $where is called something else: $(cat err)"
  expect 65 as bob show --passphrase-file words @
done
cp whole "$file"
"$python" "$reader" mail bob INBOX words >/dev/null || die "the mended file cannot be read"
