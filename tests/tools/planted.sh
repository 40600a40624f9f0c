#!/usr/bin/env bash
# Whether the simulation finds what it is there for: plants the faults of tests/simulation/planted/ in a copy
# of the tree, all behind one switch, and runs the fixed budget with one of them on at a time.
#
#   tests/tools/planted.sh            all of them, and once without any
#   tests/tools/planted.sh 7 12       only these
#
# PLANTED_CALLS is the budget of each (50000), CARGO_TARGET_DIR where the copy is built.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
calls="${PLANTED_CALLS:-50000}"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT

main() {
  make_copy
  local program number
  program="$(build)"
  local -a numbers=("$@")
  [ ${#numbers[@]} -gt 0 ] || mapfile -t numbers < <(all_numbers)
  local found=0
  for number in "${numbers[@]}"; do
    if try "$program" "$number"; then found=$((found + 1)); fi
  done
  echo "found $found of ${#numbers[@]} planted faults"
  [ $# -gt 0 ] || clean "$program"
}

make_copy() {
  (cd "$root" && git ls-files -z --cached --others --exclude-standard -- \
    Cargo.toml Cargo.lock build.rs src benches bench tests migrations templates config web \
    | xargs -0 cp --parents --no-dereference -t "$copy" 2>/dev/null) || true
  mkdir -p "$copy/web/dist"
  # Another version is another package for cargo: what it builds of the copy never passes for the tree's own.
  sed -i '0,/^version = /s/^version = "\(.*\)"/version = "\1-planted"/' "$copy/Cargo.toml"
  local patch
  for patch in "$copy"/tests/simulation/planted/*.patch; do
    patch --quiet --no-backup-if-mismatch -d "$copy" -p0 <"$patch" || {
      echo "$(basename "$patch") does not fit the tree any more" >&2
      exit 1
    }
  done
}

build() {
  (cd "$copy" && cargo test --quiet --profile sim --test simulation --no-run --message-format=json) |
    sed -n 's/.*"executable":"\([^"]*simulation-[^"]*\)".*/\1/p' | tail -n 1
}

all_numbers() {
  for patch in "$copy"/tests/simulation/planted/[0-9]*.patch; do
    local name
    name="$(basename "$patch")"
    [ "${name%%-*}" = 00 ] || echo $((10#${name%%-*}))
  done
}

# One fault on: the same seeds as `fixed_seeds_break_no_rule`, and the comparison of two runs of a seed.
try() {
  local program="$1" number="$2" name log
  name="$(basename "$copy"/tests/simulation/planted/"$(printf '%02d' "$number")"-*.patch .patch)"
  log="$copy/log"
  for test in one_seed_or_a_range_again i24; do
    if ! TORITSUGI_PLANTED="$number" TORITSUGI_SIM_STOP=1 TORITSUGI_SIM_SEED=1 TORITSUGI_SIM_CALLS="$calls" \
      "$program" "$test" --nocapture --test-threads=1 >"$log" 2>&1; then
      local rule after
      rule="$(sed -n 's/^== .* seed \([0-9]*\); \(.*\)$/seed \1: \2/p' "$log" | head -n 1 | cut -c 1-160)"
      after="$(sed -n 's/^.*seeds asked for: \([0-9]*\) calls.*/\1/p' "$log")"
      # The comparison of two runs says no more than the seed whose runs differ.
      [ "$test" != i24 ] || rule="I24 by two runs of $(grep -o -m 1 'seed [0-9]*$' "$log" || echo 'a seed')"
      echo "$name: found after ${after:-20} calls, ${rule:-$(grep -m 1 'panicked' "$log" || true)}"
      return 0
    fi
  done
  echo "$name: NOT found in $calls calls"
  return 1
}

clean() {
  if TORITSUGI_SIM_SEED=1 TORITSUGI_SIM_CALLS="$calls" "$1" one_seed_or_a_range_again --nocapture \
    >"$copy/log" 2>&1; then
    echo "without a fault: clean"
  else
    echo "without a fault: NOT clean, so that nothing above counts" >&2
    sed -n '1,20p' "$copy/log" >&2
    return 1
  fi
}

main "$@"
