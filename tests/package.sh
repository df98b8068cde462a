#!/bin/sh
# The Debian package: what is in it, and that it installs into a bare system, works there, is replaced by a
# newer one, and leaves nothing behind when it is removed.
#
#   sh tests/package.sh      as root for the bare system; it is kept in build/package for the next run
#
# Mounts and processes of the bare system live in namespaces that end with each command.
# shellcheck disable=SC2016  # what apt, dpkg and the inner shell expand
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/lib.sh"
die() { echo "failed: $*"; exit 1; }
skip() { echo "the package was built and looked into, but not installed: $*"; exit 77; }
for program in dpkg-deb dpkg-shlibdeps file; do
  command -v "$program" >/dev/null 2>&1 || { echo "$program is not installed"; exit 77; }
done

release=
release_build || die "no release build"
place=$top/build/package
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pmail-package-XXXXXX")
finish() {
  status=$?
  trap - EXIT
  rm -rf "$work" "$place/trial" "$place"/*.new
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
mkdir -p "$place"

# pack DIRECTORY [CPACK-OPTION...]: its package is the only one in the directory; the file is in $deb.
pack() {
  directory=$1
  shift
  (umask 077 && cpack -G DEB --config "$release/CPackConfig.cmake" -B "$directory" "$@") >"$work/log" 2>&1 ||
    die "$(cat "$work/log")"
  rm -rf "$directory/_CPack_Packages"
  deb=$(echo "$directory"/*.deb)
  [ -f "$deb" ] || die "cpack made no package: $(cat "$work/log")"
}
before=$(cksum "$release/install_manifest.txt" 2>/dev/null || true)
pack "$work/old"
old=$deb
[ "$(cksum "$release/install_manifest.txt" 2>/dev/null || true)" = "$before" ] ||
  die "cpack replaced the list that uninstalling reads"

# --- What is in it
field() { dpkg-deb -f "$old" "$1"; }
version=$("$release/p2pmail" --version | sed 's/^p2pmail //')
[ "$(field Package) $(field Version) $(field Section)" = "p2pmail $version mail" ] || die "$(dpkg-deb -I "$old")"
for library in libc6 libsodium libzmq libgmime libsqlite3 libfmt; do
  field Depends | grep -q "$library" || die "no dependency on $library: $(field Depends)"
done
[ -z "$(field Recommends)" ] || die "recommends $(field Recommends)"
[ "$(field Suggests)" = "mutt | neomutt" ] || die "suggests $(field Suggests)"
control=$(dpkg-deb --ctrl-tarfile "$old" | tar -tf - | grep -v '/$' | sort | tr '\n' ' ')
[ "$control" = "./control ./md5sums " ] || die "scripts or conffiles: $control"

dpkg-deb -c "$old" | awk '{ print $1, $2, $6 }' >"$work/content"
grep -vE '^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) root/root \./usr/|^drwxr-xr-x root/root \./$' "$work/content" &&
  die "not ours to install, or not for everybody to read"
grep -vE '/$| \./usr/(bin|lib/systemd/user|share/(man|doc/p2pmail|p2pmail|bash-completion|zsh/vendor-completions|fish))/' \
  "$work/content" && die "in an unusual place"
has() { grep -q " \./usr/$1\$" "$work/content" || die "$1 is missing"; }
has bin/p2pmail
has share/doc/p2pmail/copyright
has share/doc/p2pmail/changelog.gz
has share/bash-completion/completions/p2pmail
for unit in p2pmail-serve.service p2pmail-fetch.service p2pmail-fetch.timer; do has "lib/systemd/user/$unit"; done
for page in "$top"/man/*.[1-8]; do has "share/man/man${page##*.}/${page##*/}.gz"; done
grep -E '/man[1-8]/.*[1-8]$' "$work/content" && die "a page is not compressed"
dpkg-deb -x "$old" "$work/tree"
grep -q 'ExecStart="/usr/bin/p2pmail"' "$work/tree/usr/lib/systemd/user/p2pmail-serve.service" ||
  die "the unit does not start /usr/bin/p2pmail"
file "$work/tree/usr/bin/p2pmail" | grep -q ', stripped' || die "the program is not stripped"
gzip -dc "$work/tree/usr/share/doc/p2pmail/changelog.gz" | dpkg-parsechangelog -l - -S Version |
  grep -qx "$version" || die "the changelog is not one"
# Whoever builds is not the maintainer of anything, and no bug of Debian is closed.
if command -v lintian >/dev/null 2>&1; then
  lintian --fail-on error --suppress-tags bogus-mail-host,initial-upload-closes-no-bugs "$old" >"$work/lintian" 2>&1 ||
    die "$(cat "$work/lintian")"
fi
pack "$work/new" -D "CPACK_PACKAGE_VERSION=$version+1"
new=$deb

# --- A bare system
[ "$(id -u)" = 0 ] || skip "not root"
for program in debootstrap unshare; do command -v "$program" >/dev/null 2>&1 || skip "$program is not installed"; done
unshare --mount --pid --fork --kill-child --net true 2>/dev/null || skip "no namespaces of one's own"
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")

# in_root NETWORK ROOT COMMAND...: NETWORK is --net (none) or --ipc (the machine's).
in_root() {
  net=$1
  shift
  timeout 600 unshare --mount --pid --fork --kill-child "$net" sh -c '
    root=$1; shift
    mount -t proc proc "$root/proc" || exit
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
      DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"' sh "$@" </dev/null
}

# The mirror and proxy that this machine's apt uses.
mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(SITE)' 2>/dev/null |
  sed -n "s/^$suite main //p" | head -n 1)
proxy=
eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null)"
if [ -n "$proxy" ]; then export http_proxy="$proxy"; fi

bare=$place/bare-$suite
if [ ! -d "$bare" ]; then
  # shellcheck disable=SC2086  # no mirror: debootstrap knows one
  timeout 600 unshare --mount --pid --fork --kill-child debootstrap --variant=minbase "$suite" \
    "$bare.new" $mirror >"$work/log" 2>&1 </dev/null || skip "debootstrap: $(tail -n 1 "$work/log")"
  mv "$bare.new" "$bare"
fi

# Once for each list of dependencies: apt alone must find all that the package needs.
ready=$place/ready-$suite-$(field Depends | cksum | cut -d ' ' -f 1)
if [ ! -d "$ready" ]; then
  rm -rf "$place"/ready-*
  cp -a "$bare" "$ready.new"
  [ ! -f /etc/resolv.conf ] || cp -L /etc/resolv.conf "$ready.new/etc/resolv.conf"
  cp "$old" "$ready.new/var/tmp/p2pmail.deb"
  chmod 644 "$ready.new/var/tmp/p2pmail.deb"
  in_root --ipc "$ready.new" apt-get -q update >"$work/log" 2>&1 || skip "apt-get update: $(tail -n 1 "$work/log")"
  in_root --ipc "$ready.new" apt-get -qy install --no-install-recommends /var/tmp/p2pmail.deb >"$work/log" 2>&1 ||
    die "$(cat "$work/log")"
  in_root --ipc "$ready.new" sh -c 'dpkg -P p2pmail && apt-get clean && rm /var/tmp/p2pmail.deb' \
    >"$work/log" 2>&1 || die "$(cat "$work/log")"
  mv "$ready.new" "$ready"
fi

# --- Install, use, upgrade, use, remove
root=$place/trial
rm -rf "$root"
cp -a --reflink=auto "$ready" "$root"
inside() { in_root --net "$root" "$@" >"$work/log" 2>&1 || die "$*: $(cat "$work/log")"; }
user() { inside setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/user "$@"; }
# Everything but what dpkg writes about its own work.
files() { (cd "$root" && find . -xdev -path ./proc -prune -o -path ./home/user -prune -o -printf '%y %m %p\n') |
  grep -vE ' \./var/(log/dpkg\.log|lib/dpkg/(status|available|diversions|statoverride)-old)$' | sort; }
package() { cp "$1" "$root/home/p2pmail.deb"; inside dpkg -i /home/p2pmail.deb; rm "$root/home/p2pmail.deb"; }
mkdir "$root/home/user"
chown 1000:1000 "$root/home/user"
files >"$work/before"

package "$old"
inside dpkg -V p2pmail
[ ! -s "$work/log" ] || die "dpkg -V: $(cat "$work/log")"
user p2pmail --version
grep -qx "p2pmail $version" "$work/log" || die "$(cat "$work/log")"
user p2pmail keygen --name Alice --no-passphrase
user sh -c 'echo "note to myself" | p2pmail send -s first --wait 20s me'
user p2pmail show @
grep -q 'note to myself' "$work/log" || die "the mail is not there: $(cat "$work/log")"

package "$new"
inside dpkg-query -W -f '${Version}' p2pmail
[ "$(cat "$work/log")" = "$version+1" ] || die "not upgraded: $(cat "$work/log")"
user p2pmail show @
grep -q 'note to myself' "$work/log" || die "the newer one cannot read the mail: $(cat "$work/log")"
user sh -c 'echo another | p2pmail send -s second --wait 20s me'
user p2pmail ls
[ "$(grep -cE 'first|second' "$work/log")" = 2 ] || die "$(cat "$work/log")"

inside dpkg -P p2pmail
files >"$work/after"
cmp -s "$work/before" "$work/after" || { diff "$work/before" "$work/after"; die "left behind, or taken away"; }
[ -f "$root/home/user/.local/share/p2pmail/keys/device" ] || die "removing the package removed the user's keys"
