#!/usr/bin/env bash
# The fuzz targets with libFuzzer, one after the other, each for FUZZ_SECONDS (60). `make fuzz` calls it.
#
#   tests/tools/fuzz.sh [TARGET…]      run; what is found lies in fuzz/artifacts/TARGET
#   tests/tools/fuzz.sh --keep N       take of what earlier runs found the few inputs that reach something new into
#                                      the committed corpus, at most N for each target
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The order of what a stranger reaches first.
targets=(message uri digest framing sdp engine number frame config)
seconds="${FUZZ_SECONDS:-60}"

main() {
  if ! cargo fuzz --version >/dev/null 2>&1; then
    echo 'skipped: needs cargo-fuzz (cargo install cargo-fuzz)'
    return
  fi
  # Coverage and sanitizers are flags that a stable compiler takes only when it is told to.
  rustc --version | grep -q nightly || export RUSTC_BOOTSTRAP=1
  if [ "${1:-}" = '--keep' ]; then
    keep "$2"
    return
  fi
  [ $# -eq 0 ] || targets=("$@")
  cargo fuzz build
  local failed=()
  for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "fuzz/found/$target"
    cargo fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
      -max_total_time="$seconds" -max_len="$(longest "$target")" -timeout=10 -rss_limit_mb=1024 \
      -print_final_stats=1 -verbosity=1 2>"fuzz/found/$target.log" || failed+=("$target")
    tail -n 12 "fuzz/found/$target.log" | grep -E 'Done|stat::number_of_executed|stat::average|SUMMARY' || true
  done
  if [ ${#failed[@]} -gt 0 ]; then
    printf 'a finding in %s: see fuzz/found/*.log\n' "${failed[@]}"
    exit 1
  fi
}

# A life of the engine is a short tape; the others are read whole.
longest() {
  case "$1" in engine) echo 512 ;; uri | number) echo 512 ;; *) echo 4096 ;; esac
}

keep() {
  local most="$1" target merged
  for target in "${targets[@]}"; do
    [ -d "fuzz/found/$target" ] || continue
    merged="$(mktemp -d)"
    cargo fuzz run "$target" "$merged" "fuzz/corpus/$target" "fuzz/found/$target" -- -merge=1 2>/dev/null
    # The smallest ones; those written by hand stay.
    find "$merged" -type f -size -3k -printf '%s %p\n' | sort -n | head -n "$most" | cut -d' ' -f2 |
      xargs -r -I{} cp -n {} "fuzz/corpus/$target/"
    rm -rf "$merged"
    echo "$target: $(find "fuzz/corpus/$target" -type f | wc -l) inputs"
  done
}

main "$@"
