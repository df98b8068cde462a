# Shared by tests/run, tests/demo and the scripts that install, which set $top: installing what is missing,
# and the release build. POSIX sh.
# shellcheck disable=SC2086,SC2154  # lists of package names are split on purpose

say() { printf '%s\n' "$*"; }

# as_root COMMAND...: runs it as root, or fails when there is no way to.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else return 1; fi
}

# missing_packages KIND...: those of tests/packages that dpkg does not have installed.
missing_packages() {
  for kind in "$@"; do
    sed -n "s/^$kind //p" "$top/tests/packages"
  done | while read -r package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || echo "$package"
  done
}

# install_packages KIND...: quiet when nothing is missing; says what could not be installed.
install_packages() {
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  say "installing:" $missing
  log=$(mktemp)
  if ! as_root apt-get update >"$log" 2>&1; then
    say "apt-get update failed; going on with the package lists that are here"
  fi
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >>"$log" 2>&1 || true
  still=$(missing_packages "$@")
  if [ -n "$still" ]; then
    tail -n 5 "$log" >&2
    say "could not install:" $still >&2
    say "install them as root and run this again" >&2
  fi
  rm -f "$log"
}

jobs_of_machine() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# What cmake is told in every build: reuse compiled files when ccache is here.
cache_option() { command -v ccache >/dev/null 2>&1 && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache; }

# release_directory: where a release build is or will be: the demo's, or the one of README's install lines.
release_directory() { if [ -f "$top/build/demo/CMakeCache.txt" ]; then echo demo; else echo release; fi; }

# release_build: makes it current; its directory is in $release. For scripts that install.
release_build() {
  release=$top/build/$(release_directory)
  log=$(mktemp)
  # shellcheck disable=SC2046
  if ! cmake -G Ninja -S "$top" -B "$release" $(cache_option) -DCMAKE_BUILD_TYPE=Release \
    -DP2PMAIL_TESTS=OFF >"$log" 2>&1 ||
    ! cmake --build "$release" -j "$(jobs_of_machine)" >>"$log" 2>&1; then
    tail -n 40 "$log"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
