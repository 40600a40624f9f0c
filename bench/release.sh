#!/usr/bin/env bash
# A release build that is trained by its own load (profile-guided optimisation): a first build counts what it
# does under the calls of train.py, a second one is laid out by these counts. `make release` calls it.
#
# The binary lies where cargo's own release build lies (CARGO_TARGET_DIR counts); beside it toritsugi.trained
# says so of that very file: digest, compiler, date. When something needed is missing it says what, and makes
# the plain release build. RUSTFLAGS are kept; as always with them, flags in cargo's configuration files do
# not count.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
binary="$target/release/toritsugi"
trained="$target/trained"
profile="$trained/merged.profdata"
profdata=tests/tools/profdata.sh
read -ra cargo <<<"${CARGO:-cargo}"
# How cargo wants flags that may hold spaces: with this between them.
between=$'\x1f'

main() {
  local part
  for part in sipp:sip-tester python3:python3; do
    command -v "${part%%:*}" >/dev/null || { plain "${part%%:*} (Debian: ${part##*:})"; return; }
  done
  # It says itself what it lacks.
  "$profdata" install || { plain "llvm-profdata of rustc's LLVM version"; return; }
  # What an earlier run left would be merged as well; its dependencies that count are good again.
  rm -rf "$trained/raw" "$trained/other" "$trained/load" "$trained/used" "$profile"
  mkdir -p "$trained"

  say "1/4 a build that counts"
  count
  say "2/4 it is trained: calls without screens, calls with every agent's screen"
  python3 bench/train.py "$trained/counts/release/toritsugi" --profiles "$trained/raw" \
    --screens-binary "$trained/counts/release/examples/screens" --work "$trained/load" \
    || fail "the training failed; \`make build\` builds without it"
  say "3/4 its counts are merged"
  "$profdata" run merge -o "$profile" "$trained"/raw/*.profraw
  say "4/4 the build that uses them"
  use_counts
  note
  say "trained: $binary"
}

plain() {
  say "not trained: needs $1; a plain release build follows"
  rm -f "$binary.trained"
  "${cargo[@]}" build --release --bin toritsugi
}

# The screens are built apart: what examples need may give a dependency other features, thereby its functions
# other names, and then no count would be found again. What build scripts, macros and the import count goes to
# `other`, which is not merged.
count() {
  local flags="-Cprofile-generate=$trained/other"
  cargo_with counts "$flags" build --release --bin toritsugi
  cargo_with counts "$flags" build --release --example screens
}

# From nothing, because cargo does not see that a profile has changed.
use_counts() {
  local flags="-Cprofile-use=$profile${between}-Cllvm-args=-pgo-warn-missing-function=false"
  cargo_with used "$flags" build --release --bin toritsugi
  "$profdata" run show --all-functions "$profile" | python3 bench/fits.py "$trained/used/release/toritsugi"
  mkdir -p "$(dirname "$binary")"
  # Moved, not copied: the old file may be a second name of one that cargo keeps.
  rm -f "$binary.trained"
  mv -f "$trained/used/release/toritsugi" "$binary"
  rm -rf "$trained/used"
}

# cargo in a folder of its own below `trained`, with flags after the user's.
cargo_with() {
  local folder="$1" flags="$2"
  shift 2
  CARGO_TARGET_DIR="$trained/$folder" CARGO_ENCODED_RUSTFLAGS="$(own_flags)$flags" "${cargo[@]}" "$@"
}

own_flags() {
  local -a words
  if [ -n "${CARGO_ENCODED_RUSTFLAGS:-}" ]; then
    printf '%s' "$CARGO_ENCODED_RUSTFLAGS$between"
    return
  fi
  read -ra words <<<"${RUSTFLAGS:-}"
  [ ${#words[@]} = 0 ] || printf "%s$between" "${words[@]}"
}

note() {
  local digest
  digest="$(sha256sum <"$binary")"
  echo "${digest%% *} $("${RUSTC:-rustc}" --version), $(date -u +%F)" >"$binary.trained"
}

say() {
  echo "release.sh: $*"
}

fail() {
  say "$*" >&2
  exit 1
}

main "$@"
