#!/usr/bin/env bash
# A real Asterisk for the tests: Debian unstable in a folder of its own (a chroot), because Debian's stable
# releases have none.
#
#   asterisk.sh install   make it (idempotent; about 350 MB, a minute or a few the first time)
#   asterisk.sh path      print the folder; exit 1 when there is no working Asterisk in it
#   asterisk.sh version   print its version
#
# The folder is ${TORITSUGI_CACHE:-$HOME/.cache/toritsugi}/asterisk, outside the source tree. The mirror is
# the one apt is configured with. On failure the last line on standard error says why, so that a test can
# say what it misses.
set -euo pipefail

cache="${TORITSUGI_CACHE:-$HOME/.cache/toritsugi}"
root="$cache/asterisk"
log="$cache/asterisk-install.log"
base="$root/.toritsugi-base"
complete="$root/.toritsugi-complete"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

main() {
  case "${1:-}" in
    install) install ;;
    path) is_complete || fail "no Asterisk in $root (run $0 install)"; echo "$root" ;;
    version) is_complete || fail "no Asterisk in $root (run $0 install)"; chroot "$root" asterisk -V ;;
    *) echo "usage: $0 install|path|version" >&2; exit 2 ;;
  esac
}

is_complete() {
  [ -f "$complete" ] && [ -x "$root/usr/sbin/asterisk" ]
}

install() {
  if is_complete; then
    say "Asterisk is there already: $(chroot "$root" asterisk -V)"
    return
  fi
  [ "$(id -u)" = 0 ] || fail "root is needed to make a chroot"
  command -v debootstrap >/dev/null || fail "debootstrap is not installed"
  mkdir -p "$cache"
  exec 9>"$cache/asterisk.lock"
  flock 9
  is_complete && return
  : >"$log"
  [ -f "$base" ] || make_base
  say "2/3 apt-get install asterisk"
  keep_services_stopped
  in_chroot apt-get update || fail "apt-get update in the chroot failed: $(last_words)"
  in_chroot apt-get install -y --no-install-recommends \
    asterisk asterisk-modules asterisk-config asterisk-core-sounds-en \
    || fail "apt-get install asterisk failed: $(last_words)"
  in_chroot apt-get clean
  rm -rf "$root"/var/lib/apt/lists/*
  say "3/3 it runs: $(chroot "$root" asterisk -V)"
  touch "$complete"
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
  echo "asterisk.sh: $*" >&2
}

fail() {
  echo "asterisk.sh: $*" >&2
  exit 1
}

main "$@"
