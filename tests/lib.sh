# Shared by tests/run and tests/demo, which set $top: installing what is missing. POSIX sh.
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
