# Debian unstable in a folder of its own (a chroot), for what a machine's own release lacks. Sourced by the
# scripts beside it, which have set -euo pipefail; not run by itself.
#
#   use_folder NAME              sets cache, root, log and base; makes nothing
#   lock_folder                  fails unless a chroot can be made here; one installation at a time
#   install_packages PACKAGE…    makes what is missing of the folder and installs (steps 1/3 and 2/3)
#
# The folder is ${TORITSUGI_CACHE:-$HOME/.cache/toritsugi}/NAME, outside the source tree. The mirror is the
# one apt is configured with. On failure the last line on standard error says why.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

use_folder() {
  cache="${TORITSUGI_CACHE:-$HOME/.cache/toritsugi}"
  root="$cache/$1"
  log="$root-install.log"
  base="$root/.toritsugi-base"
}

lock_folder() {
  [ "$(id -u)" = 0 ] || fail "root is needed to make a chroot"
  command -v debootstrap >/dev/null || fail "debootstrap is not installed"
  mkdir -p "$cache"
  exec 9>"$root.lock"
  flock 9
}

install_packages() {
  : >"$log"
  [ -f "$base" ] || make_base
  say "2/3 apt-get install $1"
  keep_services_stopped
  in_chroot apt-get update || fail "apt-get update in the chroot failed: $(last_words)"
  in_chroot apt-get install -y --no-install-recommends "$@" || fail "apt-get install $1 failed: $(last_words)"
  in_chroot apt-get clean
  rm -rf "$root"/var/lib/apt/lists/*
}

make_base() {
  local mirror
  mirror="$(mirror_of_apt)"
  [ -f "$keyring" ] || fail "debian-archive-keyring is not installed"
  # A half-made folder (stopped half-way, power cut) cannot be mended by debootstrap: start again.
  rm -rf --one-file-system "$root"
  say "1/3 debootstrap of Debian unstable (log: $log)"
  debootstrap --variant=minbase --keyring="$keyring" unstable "$root" ${mirror:+"$mirror"} >>"$log" 2>&1 \
    || fail "debootstrap failed: $(last_words)"
  # A mirror that lags by a fortnight still serves: unstable's index says it is valid for a week only.
  echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99valid-until"
  touch "$base"
}

in_chroot() {
  DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@" >>"$log" 2>&1
}

# The mirror apt uses, whatever form its sources have; empty means debootstrap's own default.
mirror_of_apt() {
  apt-get indextargets --format '$(SITE) $(ORIGIN) $(LABEL)' 2>/dev/null \
    | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

# Package scripts must not start daemons, in the chroot or outside it.
keep_services_stopped() {
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
}

last_words() {
  grep -E '^(E:|W:|dpkg: error|debootstrap:)' "$log" | tail -n 1 || true
}

say() {
  echo "$(basename "$0"): $*" >&2
}

fail() {
  say "$*"
  exit 1
}
