#!/usr/bin/env bash
# Every test there is, in order, and a count of what was skipped and why. `make test` and CI call it.
#
# A step that fails does not keep the later ones from running; the exit status is 1 when any failed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export TORITSUGI_SKIPS="$work/skips"
: >"$TORITSUGI_SKIPS"
failed=()

main() {
  for program in cargo npm make; do
    command -v "$program" >/dev/null || { echo "$program is not installed: see README.md" >&2; exit 1; }
  done
  step 'parts for the tests' tests/tools/setup.sh
  if [ -f web/package.json ]; then
    step 'web: build' make --no-print-directory web
    step 'web: types' in_web npm run --silent lint
    step 'web: unit tests' in_web npm test --silent
  fi
  step 'rust: formatting' cargo fmt --check
  step 'rust: lints' cargo clippy --quiet --all-targets -- -D warnings
  step 'rust: tests' rust_tests
  step 'rust: simulation' simulation
  [ ! -f web/package.json ] || step 'web: in the browser' web_in_browser
  summary
}

step() {
  local name="$1"
  shift
  echo
  echo "== $name"
  if "$@"; then :; else
    failed+=("$name")
    echo "== $name: FAILED" >&2
  fi
}

in_web() {
  (cd web && "$@")
}

rust_tests() {
  cargo test --no-fail-fast 2>&1 | tee "$work/rust"
}

# 100,000 simulated calls and those of F10, with the engine optimised (docs/SIMULATION.md). What `rust: tests`
# ran of them was a sample.
simulation() {
  TORITSUGI_SIM_FULL=1 cargo test --profile sim --test simulation -- --test-threads=1 --nocapture \
    >"$work/simulation" || { cat "$work/simulation"; return 1; }
  grep -E ' calls from seed | connected, ' "$work/simulation"
}

web_in_browser() {
  # The page's tests start the server they look at; it must be the one that was tested.
  cargo build --quiet || return 1
  local browser
  browser="$(command -v chromium || command -v chromium-browser || true)"
  if [ -z "$browser" ]; then
    echo 'skipped: needs chromium' | tee -a "$TORITSUGI_SKIPS"
    return
  fi
  in_web npm run --silent e2e 2>&1 | tee "$work/browser"
}

summary() {
  local skipped passed broken
  skipped="$(wc -l <"$TORITSUGI_SKIPS")"
  passed="$(sum_of 'passed')"
  broken="$(sum_of 'failed')"
  echo
  if [ "$skipped" -gt 0 ]; then
    echo "skipped tests: $skipped"
    sort "$TORITSUGI_SKIPS" | uniq -c | sed 's/^/  /'
  fi
  # A test that was skipped has also been counted as passed by cargo.
  echo "Rust: $((passed - skipped > 0 ? passed - skipped : 0)) passed, $broken failed, $skipped skipped"
  if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
  fi
  echo 'every step passed'
}

# Over all of cargo's lines "test result: ok. 12 passed; 0 failed; …".
sum_of() {
  [ -f "$work/rust" ] || { echo 0; return; }
  sed -n "s/^test result:.* \([0-9]\{1,\}\) $1.*/\1/p" "$work/rust" | awk '{ n += $1 } END { print n + 0 }'
}

main "$@"
