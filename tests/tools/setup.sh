#!/usr/bin/env bash
# Brings what the tests use beside Rust, Node.js and make. Idempotent; `make test` calls it.
#
# As root on Debian it installs the packages and makes the Asterisk folder (asterisk.sh). Elsewhere it says
# what is missing; tests that need it then print "skipped: needs X" and are counted. It fails only on a
# wrong call: missing tools are no reason not to test the rest. TORITSUGI_NO_INSTALL=1 keeps it from
# installing anything.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# program:package
tools=(
  sipp:sip-tester
  baresip:baresip-core
  debootstrap:debootstrap
  chromium:chromium
  fc-list:fontconfig
  flock:util-linux
)

main() {
  [ $# = 0 ] || { echo "usage: $0" >&2; exit 2; }
  local missing=()
  for tool in "${tools[@]}"; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
  done
  # Without a font for Japanese the screenshots show boxes.
  has_japanese_font || missing+=(fonts-noto-cjk)
  if [ ${#missing[@]} -gt 0 ]; then
    if can_install; then
      install "${missing[@]}"
    else
      say "missing: ${missing[*]} (Debian's package names); the tests that need them are skipped"
    fi
  fi
  if can_install; then
    "$here/asterisk.sh" install || say "no Asterisk; the tests that need it are skipped"
  fi
}

can_install() {
  [ -z "${TORITSUGI_NO_INSTALL:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install() {
  say "installing: $*"
  local log
  log="$(mktemp)"
  # One after another: a package this release lacks must not keep the others away.
  apt-get update >"$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
  for package in "$@"; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package" >"$log" 2>&1 \
      || say "$package cannot be installed: $(tail -n 1 "$log")"
  done
  rm -f "$log"
}

has_japanese_font() {
  [ -n "$(fc-list :lang=ja family 2>/dev/null)" ]
}

say() {
  echo "setup.sh: $*" >&2
}

main "$@"
