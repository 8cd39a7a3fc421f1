# Doorward. `make` alone lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON := $(VENV)/bin/python
export CARGO_TERM_COLOR ?= auto
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Start an issuer and two protected APIs, and show every verdict (DEMO=once: then stop)
	@DEMO_BINARIES=$(BINARIES) $(PYTHON) examples/demo.py

# The demonstration and the tests share what cargo builds by default, for the first look should not take a quarter of an
# hour. The benchmarks run what is shipped.
PROFILE := dev
bench: PROFILE := release
BINARIES = $(CURDIR)/target/$(PROFILE:dev=debug)

.PHONY: test
test: check test-rust test-python test-outsiders test-demo instructions ## Pass every test
	@echo
	@echo "All checks and tests passed."

.PHONY: check
check: tools $(VENV)/.installed ## Formatting, lints, types, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked --quiet
	$(VENV)/bin/ruff format --check --quiet python examples benches tests/outsiders
	$(VENV)/bin/ruff check --quiet python examples benches tests/outsiders

.PHONY: test-rust
test-rust: tools ## Rust: unit, property, vector, fault and end-to-end tests, and the examples in the documentation
	@scripts/rust-tests

.PHONY: test-python
test-python: build ## Python: types, stubs, unit, adapter, fork and end-to-end tests, and the examples in the guides
	$(VENV)/bin/pyright --stats
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy.stubtest doorward._doorward --mypy-config-file pyproject.toml --allowlist python/stubtest-allowlist.txt
	$(PYTHON) -m pytest

.PHONY: test-outsiders
test-outsiders: build tests/outsiders/node_modules/.installed tests/outsiders/.clerk-5/.installed ## The official SDKs verify our tokens, and we verify theirs
	$(PYTHON) -m pytest tests/outsiders

.PHONY: instructions
instructions: tools ## Count instructions of verify, parse and cache hit under valgrind, and compare with the record
	@python3 benches/instructions.py

.PHONY: bench
bench: build ## Print the table of µs per verification and the ratio to the raw signature check
	@$(PYTHON) benches/run.py

.PHONY: test-demo
test-demo: build ## Walk the demonstration once; every verdict must be as expected
	DEMO=once DEMO_BINARIES=$(BINARIES) $(PYTHON) examples/demo.py

.PHONY: build
build: tools $(VENV)/.installed ## Build the command line, the examples and the Python package
	@echo "Building ($(PROFILE)); the first time takes a few minutes"
	@cargo build --profile $(PROFILE) --locked -p doorward-cli -p doorward --features doorward/axum --bin doorward --example axum
	@$(VENV)/bin/maturin develop --profile $(PROFILE) --locked --quiet

.PHONY: fmt
fmt: $(VENV)/.installed ## Format everything
	cargo fmt --all
	$(VENV)/bin/ruff format python examples benches tests/outsiders
	$(VENV)/bin/ruff check --fix python examples benches tests/outsiders

.PHONY: docs
docs: build ## Rewrite the generated documents
	UPDATE_DOCS=1 cargo test -p doorward --all-features --test generated_docs
	UPDATE_DOCS=1 $(PYTHON) -m pytest -q python/tests/test_reason.py python/tests/test_testing_defects.py

.PHONY: vectors
vectors: ## Sign the test vectors anew
	cargo run --release -p doorward-issuer --example make_vectors

.PHONY: generate
generate: ## Make the table of Clerk's Backend API and its Rust code anew (SPEC=path of Clerk's OpenAPI document)
	cargo run --quiet --locked -p doorward-clerk --example generate -- $(SPEC)
	python3 scripts/clerk_stub.py

# Three families: abi3 for CPython 3.10 and later, and free-threaded CPython 3.14, and 3.15 and later (PEP 803). The
# second and third need an interpreter of their kind on the PATH.
.PHONY: wheels
wheels: tools $(VENV)/.installed ## Build the wheels and the source distribution into dist/
	@scripts/wheels $(VENV)/bin/maturin

.PHONY: clean
clean: ## Remove what was built
	cargo clean
	rm -rf $(VENV) tests/outsiders/node_modules

.PHONY: tools
tools:
	@scripts/tools

$(VENV)/.installed: python/requirements-dev.txt
	@scripts/tools
	@echo "Setting up the Python environment in $(VENV)"
	@python3 -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet -r python/requirements-dev.txt
	@touch $@

tests/outsiders/.clerk-5/.installed: $(VENV)/.installed
	@$(PYTHON) -m pip install --quiet --no-deps --target $(@D) clerk-backend-api==5.0.6
	@touch $@

tests/outsiders/node_modules/.installed: tests/outsiders/package-lock.json $(VENV)/.installed
	@cd tests/outsiders && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" npm ci --no-audit --no-fund --silent
	@touch $@
