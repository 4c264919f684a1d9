# The one way to build, run and check rkv, for a person and for CI. Needs Rust, a C compiler, make, and Python >= 3.10 with venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Seconds for each fuzz target: in `make test`, in `make fuzz`, in `make soak`.
RKV_FUZZ_SECONDS ?= 6
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 1800
export RKV_FUZZ_SECONDS

# One interpreter for every build of PyO3: another one would compile it again each time.
export PYO3_PYTHON := $(abspath $(BIN)/python)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
BUILT := $(VENV)/.stamp-built
TOOLS := $(VENV)/.stamp-tools
EXAMPLES := $(wildcard examples)
# The binding is left out of `cargo test`: its test program would have to link libpython, which many machines lack
# (an extension module does not). What the binding does is tested from Python.
RUST_TESTS := --workspace --exclude rkv-binding --locked
LISTEN := --bind 127.0.0.1 --port 6379
BENCHES := throughput memory expiry embedded

# `docs` is a folder, too.
.PHONY: help serve test lint format docs bench test-bench fuzz soak develop clean
.DEFAULT_GOAL := help

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name what; do \
		printf '  make %-11s %s\n' "$$name" "$$what"; done

# A configuration file comes first on rkv's command line, so where ARGS begins with one, it alone says what to listen on.
serve: $(BUILT) ## build and start the server on 127.0.0.1:6379 (ARGS="redis.conf" or ARGS="--port 7000 ...")
	@exec $(BIN)/rkv serve $(if $(filter-out -%,$(firstword $(ARGS))),,$(LISTEN)) $(ARGS)

test: $(BUILT) $(TOOLS) ## build and run every test (ARGS= goes to pytest)
	RKV_FUZZ_SECONDS=1 cargo test $(RUST_TESTS)
	cargo test $(RUST_TESTS) --profile fuzz --test 'fuzz_*' -- --nocapture
	$(BIN)/python -m pytest $(ARGS)

lint: $(BUILT) $(TOOLS) ## formatting, lints, types, stubs, and the borders of the design
	cargo fmt --all --check
	rustfmt --edition 2021 --check bench/*.rs
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict python/rkv $(EXAMPLES)
	$(BIN)/python -m mypy.stubtest rkv._rkv
	$(BIN)/python -m pytest -q tests/test_tidy.py

format: $(TOOLS) ## format everything, and mend what ruff can mend
	cargo fmt --all
	rustfmt --edition 2021 bench/*.rs
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(BUILT) $(TOOLS) ## write what is computed in docs/compatibility.md
	cd tests && $(abspath $(BIN))/python -m support.compatibility

bench: $(BUILT) $(VENV)/.stamp-bench ## measure beside redis-server and Valkey (ARGS=--quick, BENCHES="throughput memory")
	@mkdir -p bench/results
	@set -e; for name in $(BENCHES); do \
		PATH="$(abspath $(BIN)):$$PATH" python bench/$$name.py --json bench/results/$$name.json $(ARGS) \
			> bench/results/$$name.md.part; \
		mv bench/results/$$name.md.part bench/results/$$name.md; \
		cat bench/results/$$name.md; \
	done

test-bench: $(VENV)/.stamp-bench ## test the yardstick itself (about a minute)
	cd bench && $(abspath $(BIN))/python -m unittest

# Fuzz targets are ordinary tests named fuzz_*, driven by a seeded generator until their time is up: they need no
# nightly compiler. RKV_FUZZ_SEED repeats a run. With optimisation they execute some ten times as much: `make test` runs each
# a second without it, and then RKV_FUZZ_SECONDS with it: more than five million executions.
fuzz: ## every fuzz target for FUZZ_SECONDS (60) each
	RKV_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test $(RUST_TESTS) --profile fuzz --test 'fuzz_*' -- --nocapture

soak: $(BUILT) $(TOOLS) ## fuzz targets for SOAK_SECONDS (1800) each, then every Python test with many more random cases
	$(MAKE) fuzz FUZZ_SECONDS=$(SOAK_SECONDS)
	$(BIN)/python -m pytest -m "soak or not soak" --timeout=0 --hypothesis-profile=soak $(ARGS)

develop: $(BUILT) $(TOOLS) ## a virtual environment in .venv with the extension and every tool

clean: ## remove everything that was built
	cargo clean
	rm -rf $(VENV) dist bench/results .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python -name '*.so' -delete
	find python tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.stamp-venv:
	@command -v cargo > /dev/null || { echo "Rust is needed and cargo was not found: https://rustup.rs" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-builder: requirements-test.txt $(VENV)/.stamp-venv
	$(BIN)/pip install --quiet --constraint requirements-test.txt maturin trio
	@touch $@

$(TOOLS): requirements-test.txt $(VENV)/.stamp-venv
	$(BIN)/pip install --quiet --requirement requirements-test.txt
	@touch $@

$(VENV)/.stamp-bench: bench/requirements.txt $(TOOLS)
	$(BIN)/pip install --quiet --requirement bench/requirements.txt
	@touch $@

$(BUILT): pyproject.toml $(RUST_SOURCES) $(VENV)/.stamp-builder
	env -u CONDA_PREFIX VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/maturin develop --release --locked
	@touch $@
