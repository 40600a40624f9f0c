# toritsugi. Needs Rust, Node.js and make; the targets fetch the rest.

CARGO ?= cargo
NPM ?= npm

# Where the release build lies.
built := $(abspath $(or $(CARGO_TARGET_DIR),target))/release

.DEFAULT_GOAL := help
.PHONY: help demo test web build release fmt lint e2e fuzz bench clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: web ## a sample call centre with simulated phones and callers; prints the address and the log-ins
	$(CARGO) run -- demo

test: ## everything: web, formatting, lints, unit, simulation and end-to-end tests; counts what was skipped
	tests/tools/test.sh

web: web/dist/index.html ## build the agent's page

build: web ## build the release binary with the page in it
	$(CARGO) build --release

release: web ## build the release binary trained by its own load (two builds, half an hour)
	CARGO='$(CARGO)' bench/release.sh

fmt: ## format the Rust code
	$(CARGO) fmt

lint: web/node_modules/.installed ## formatting, clippy, types of the page
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	cd web && $(NPM) run lint

e2e: ## only the tests with real parts: SIPp, baresip, Asterisk
	tests/tools/setup.sh
	$(CARGO) test $(patsubst tests/%,--test %,$(basename $(wildcard tests/e2e_*))) -- --nocapture

fuzz: ## the fuzz targets with libFuzzer, FUZZ_SECONDS (60) each; needs cargo-fuzz
	tests/tools/fuzz.sh

bench: release ## CPU per call, latency and memory of the trained build beside Kamailio (ten minutes more)
	$(CARGO) build --release --example screens --example music
	python3 bench/run.py --binary '$(built)/toritsugi' --screens-binary '$(built)/examples/screens'
	$(CARGO) run --release --example music -- 1000 20
	$(CARGO) run --release --example music -- 1000 20 talk
	TORITSUGI_TEST_BINARY='$(built)/toritsugi' TORITSUGI_TEST_CALLERS=2400 \
		$(CARGO) test --test e2e_parking i26_with_hundreds -- --nocapture

clean: ## remove what was built (not the folders in ~/.cache/toritsugi)
	$(CARGO) clean
	rm -rf web/dist web/node_modules web/test-results web/playwright-report

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && $(NPM) ci --no-audit --no-fund
	touch $@

web_sources := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' \
	-not -path 'web/test-results/*' -not -path 'web/playwright-report/*' 2>/dev/null)

web/dist/index.html: web/node_modules/.installed $(web_sources)
	cd web && $(NPM) run build
