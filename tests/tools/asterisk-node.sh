#!/usr/bin/env bash
# One Asterisk for one test, from the files in config/asterisk, as an ordinary process in the chroot that
# asterisk.sh made.
#
#   asterisk-node.sh run NAME PREFIX      in the foreground; the process becomes Asterisk
#   asterisk-node.sh cli NAME COMMAND…    a console command
#   asterisk-node.sh log NAME             its log
#   asterisk-node.sh remove NAME          delete its folder (after it ended)
#
# PREFIX is three octets of a loopback network, for example 127.77.4: every 192.0.2.N in the files becomes
# PREFIX.N, so the node has addresses of its own and keeps the ports of the real set-up.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source_conf="$here/../../config/asterisk"

main() {
  [ $# -ge 2 ] || usage
  local verb="$1" name="$2"
  shift 2
  [[ "$name" =~ ^[a-z0-9][a-z0-9-]*$ ]] || usage
  root="$("$here/asterisk.sh" path)"
  # Short, because the control socket's path must fit in 108 octets.
  node="/srv/node/$name"
  case "$verb" in
    run) [ $# = 1 ] || usage; run "$1" ;;
    cli) exec chroot "$root" asterisk -C "$node/etc/asterisk.conf" -rx "$*" ;;
    log) cat "$root$node/log/full" ;;
    remove) rm -rf "${root:?}$node" ;;
    *) usage ;;
  esac
}

run() {
  local prefix="$1" folder
  [[ "$prefix" =~ ^127\.[0-9]+\.[0-9]+$ ]] || usage
  rm -rf "${root:?}$node"
  for folder in etc lib db spool run log cache; do mkdir -p "$root$node/$folder"; done
  # Debian's defaults for what the set-up does not speak of.
  for file in acl ccss cdr cel features indications pjproject udptl; do
    cp "$root/etc/asterisk/$file.conf" "$root$node/etc/" 2>/dev/null || true
  done
  for file in "$source_conf"/*.conf; do
    sed "s/192\.0\.2\./$prefix./g" "$file" >"$root$node/etc/$(basename "$file")"
  done
  write_asterisk_conf >"$root$node/etc/asterisk.conf"
  printf '[general]\n[logfiles]\nfull => notice,warning,error,verbose\n' >"$root$node/etc/logger.conf"
  exec chroot "$root" asterisk -f -n -C "$node/etc/asterisk.conf"
}

write_asterisk_conf() {
  local modules
  modules="$(cd "$root" && ls -d usr/lib/*/asterisk/modules | head -n 1)"
  cat <<CONF
[directories]
astetcdir => $node/etc
astmoddir => /$modules
astvarlibdir => $node/lib
astdbdir => $node/db
astkeydir => $node/lib
astdatadir => /usr/share/asterisk
astagidir => /usr/share/asterisk/agi-bin
astspooldir => $node/spool
astrundir => $node/run
astlogdir => $node/log
astcachedir => $node/cache
astsbindir => /usr/sbin
[options]
verbose = 4
CONF
}

usage() {
  sed -n '2,/^set /p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//' >&2
  exit 2
}

main "$@"
