#!/usr/bin/env bash
# llvm-profdata of rustc's own LLVM version: another one may not read what rustc's binaries count, nor write
# what rustc reads.
#
#   profdata.sh install     bring it when it is missing (idempotent): rustup's llvm-tools, else Debian
#                           unstable's in a folder of its own (chroot.sh; about 500 MB); with
#                           TORITSUGI_NO_INSTALL=1 neither
#   profdata.sh path        print the command (several words for the one in the folder); exit 1: none
#   profdata.sh run ARGS…   run it
#
# On failure the last line on standard error says why.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/chroot.sh"
use_folder llvm

# The command, once find_command found one.
program=()

main() {
  read_version
  case "${1:-}" in
    install) install ;;
    path) find_command || missing; echo "${program[*]}" ;;
    run) shift; find_command || missing; exec "${program[@]}" "$@" ;;
    *) echo "usage: $0 install|path|run ARGS…" >&2; exit 2 ;;
  esac
}

read_version() {
  local said
  said="$("${RUSTC:-rustc}" -vV)" || fail "rustc does not run"
  host="$(sed -n 's/^host: //p' <<<"$said")"
  major="$(sed -n 's/^LLVM version: \([0-9]*\).*/\1/p' <<<"$said")"
  [ -n "$major" ] || fail "rustc does not say which LLVM it has"
}

find_command() {
  local binary="$root/usr/lib/llvm-$major/bin/llvm-profdata" loader
  fits "$("${RUSTC:-rustc}" --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" && return
  fits "llvm-profdata-$major" && return
  fits llvm-profdata && return
  # The folder's binary with the folder's own loader and libraries: it sees our files, and needs no root.
  for loader in "$root"/usr/lib/*/ld-linux*.so.*; do
    [ -e "$binary" ] && fits "$loader" --library-path "$(dirname "$loader")" "$binary" && return
  done
  return 1
}

# Keeps the command when it runs and is of that version.
fits() {
  command -v "$1" >/dev/null || return 1
  [[ "$("$@" --version 2>/dev/null)" == *"LLVM version $major."* ]] || return 1
  program=("$@")
}

install() {
  if find_command; then
    say "it is there already: ${program[*]}"
    return
  fi
  [ -z "${TORITSUGI_NO_INSTALL:-}" ] || missing
  if command -v rustup >/dev/null; then
    say "rustup component add llvm-tools"
    rustup component add llvm-tools >&2 || say "rustup cannot bring it"
    find_command && return
  fi
  lock_folder
  find_command && return
  install_packages "llvm-$major"
  find_command || fail "llvm-$major in $root does not run"
  say "3/3 it runs: ${program[*]}"
}

missing() {
  fail "no llvm-profdata of LLVM $major (run $0 install)"
}

main "$@"
