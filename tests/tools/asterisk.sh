#!/usr/bin/env bash
# A real Asterisk for the tests: Debian unstable in a folder of its own (chroot.sh), because Debian's stable
# releases have none.
#
#   asterisk.sh install   make it (idempotent; about 350 MB, a minute or a few the first time)
#   asterisk.sh path      print the folder; exit 1 when there is no working Asterisk in it
#   asterisk.sh version   print its version
#
# On failure the last line on standard error says why, so that a test can say what it misses.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
use_folder asterisk
complete="$root/.toritsugi-complete"

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
  lock_folder
  is_complete && return
  install_packages asterisk asterisk-modules asterisk-config asterisk-core-sounds-en
  say "3/3 it runs: $(chroot "$root" asterisk -V)"
  touch "$complete"
}

main "$@"
