.DEFAULT_GOAL := help
.PHONY: help setup run test cover sweep check bench docs municipality registry lock clean

PERSONS ?= 50000
SEED ?= 1
ENGINE ?= duckdb
PLATFORM ?= win_amd64
VERSION ?= 3.11 3.12 3.13
BIN := .venv/bin
# Hundreds of processes are started: each would compile the sources anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*## "} {printf "  make %-8s %s\n", $$1, $$2}'

setup: ## Create .venv with the locked packages (and, as root, the Debian packages)
	@tools/setup bubblewrap:bwrap

run: setup ## Run the main job on a synthetic country (PERSONS=50000 SEED=1), ending in a verified release
	@$(BIN)/zicht demo --persons $(PERSONS) --seed $(SEED) --engine $(ENGINE) --workspace build/run

test: ## Set up and run the tests (three workers for two cores: they wait for other processes a fifth of the time)
	@tools/setup bubblewrap:bwrap default-jre-headless:java softhsm2:softhsm2-util
	$(BIN)/python -m pytest -n 3 --dist loadgroup

cover: ## Run the tests and show branch coverage of the rooms that hold the boundaries (at least 95 %)
	@tools/setup bubblewrap:bwrap default-jre-headless:java softhsm2:softhsm2-util
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov=enclave --cov=pseudonymise --cov=output_control --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=95

sweep: ## Run the long statistical and fault-injection sweeps
	@tools/setup bubblewrap:bwrap default-jre-headless:java softhsm2:softhsm2-util
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m sweep

check: setup ## Types, style, import contracts
	$(BIN)/mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

bench: setup ## Run the benchmarks (side by side, with ratios and peak memory)
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

docs: setup ## Write the reference pages that are generated from the code
	$(BIN)/zicht docs docs/reference

municipality: setup ## Make the folder that a municipality installs from without a network (PLATFORM=win_amd64 VERSION="3.11 3.12 3.13")
	@$(BIN)/python tools/municipality.py --out build/municipality --platform $(PLATFORM) --python $(VERSION)

registry: setup ## Ask the package registry: is there a wheel of every part for each system, and does a fresh installation work?
	$(BIN)/python -m pytest -n 0 -m registry tests/municipality

lock: ## Write both locks anew from pyproject.toml: the enclave's, and the municipality's for every platform (needs uv)
	uv pip compile pyproject.toml --all-extras --generate-hashes --no-strip-extras --no-header --python-version 3.11 -o requirements.lock
	uv pip compile pyproject.toml --universal --constraint requirements.lock --generate-hashes --no-strip-extras --no-header \
		--python-version 3.11 -o municipality.lock

clean: ## Remove the environment and everything that was built
	chmod -R u+w build 2>/dev/null || true
	rm -rf build .venv
