# Everything runs in .venv with the versions of requirements.lock. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test kill containers kubernetes fuzz lint types check audit docs sbom lock clean

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
FUZZ_COUNT ?= 1000000

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) ## the whole way, on this machine: capture, Kafka, workers, Elasticsearch
	@$(BIN)/tapline demo

test: $(READY) ## unit, integration and golden tests, the latter two against real engines (TEST_PROCESSES at once)
	$(BIN)/pytest -m "not kill and not containers" --numprocesses $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

kill: $(READY) ## kill and restart everything in the middle of a stream (TAPLINE_CHAOS_SECONDS=600 for the long run)
	$(BIN)/pytest -m kill $(PYTEST_ARGS)

containers: $(READY) ## build the images, and run docker-compose.yml in a Docker engine of its own (as root; minutes)
	$(BIN)/pytest -m containers tests/containers $(PYTEST_ARGS)

kubernetes: $(READY) ## build Kubernetes and Helm for the chart's tests, once a user (some minutes; needs go)
	$(BIN)/python -m tests.helm.programs

fuzz: $(READY) ## a million damaged inputs for every source of datagrams and lines (FUZZ_COUNT)
	$(BIN)/python -m bench.fuzz --count $(FUZZ_COUNT)

lint: $(READY) ## style (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## types (mypy, strict)
	$(BIN)/mypy

check: lint types test kill ## all of these

audit: $(READY) ## bandit over the code, checkov over the Dockerfile, pip-audit over the locked packages (asks PyPI)
	$(BIN)/pytest -q tests/security
	@test -x $(VENV)/checkov/bin/checkov || { $(PYTHON) -m venv $(VENV)/checkov; \
	  $(VENV)/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30; }
	@# That a base has no tag it says of BASE, which is an argument.
	$(VENV)/checkov/bin/checkov --file Dockerfile --framework dockerfile --skip-download --skip-check CKV_DOCKER_7 \
	  --compact --quiet
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit; \
	  $(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@$(VENV)/audit/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip --progress-spinner off || \
	  { echo 'make: a package has an advisory, or PyPI did not tell its advisories: the lines above say which' >&2; exit 1; }

docs: $(READY) ## write the reference pages that follow from the code
	$(BIN)/python -m docs.generate

sbom: $(READY) ## what Tapline is made of: build/sbom.json (CycloneDX) and build/licences.md
	@scratch=$$(mktemp -d); trap 'rm -r "$$scratch"' EXIT; mkdir -p build; \
	$(PYTHON) -m venv --without-pip "$$scratch"; \
	$(BIN)/pip --python "$$scratch/bin/python" install --quiet --constraint requirements.lock .; \
	rm -rf build/lib build/bdist.*; \
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json \
	  "$$scratch/bin/python"; \
	$(BIN)/pip-licenses --python "$$scratch/bin/python" --format markdown --with-urls --output-file build/licences.md

lock: ## write requirements.lock anew from the newest versions that pyproject.toml allows
	@scratch=$$(mktemp -d); trap 'rm -r "$$scratch"' EXIT; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/pip" install --quiet --editable .[dev]; \
	{ echo '# Written by make lock; the versions that make and CI install.'; \
	  "$$scratch/bin/pip" freeze --exclude-editable; } > requirements.lock

clean: ## stop the engines, forget their data and the environment
	@if [ -x $(BIN)/tapline ]; then $(BIN)/tapline down --forget; fi
	rm -rf .tapline $(VENV) .mypy_cache .ruff_cache .hypothesis build *.egg-info

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null || \
	  { echo 'make: Python 3.11 or 3.12 is needed: install it (apt install python3), or name it: make PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'make: this Python cannot make virtual environments: apt install python3-venv' >&2; exit 1; }
	@echo 'make: preparing $(VENV) (once; some minutes)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .[dev]
	@touch $@
