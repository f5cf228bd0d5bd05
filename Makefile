# Every task of Waylab. `make help` lists them.
PYTHON ?= python3
SITE ?=
BIN := .venv/bin
SETUP := $(PYTHON) hub/install/bootstrap.py
LAB := extensions/lab
WITH_TOOLS := PATH="$(CURDIR)/$(BIN):$$PATH"
JLPM := cd $(LAB) && $(WITH_TOOLS) jlpm
PYTEST_ARGS ?=
URL ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up setup setup-dev image browser engine ready test lint types unit e2e lab docs bench soak verify-server build lock clean

help: ## List the tasks.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: setup ## Set up what is missing, and start Waylab. SITE=file names a site.
	@exec $(BIN)/waylab up $(if $(SITE),--site "$(SITE)")

setup:
	@$(SETUP)

setup-dev:
	@$(SETUP) --dev

image: setup engine ## Have the small lab image on this machine's container engine.
	$(BIN)/python -m waylab_rig image

browser: # Chromium and fonts for the browser tests, where root may install them.
	@hub/install/browser.sh

engine: # What container engines with simulated GPUs, and a ledger in PostgreSQL, need.
	@hub/install/engine.sh

test: ready lint types unit ## Set up, then check and test everything.

ready: # The set-up waits much for the network: the machine gets its programs meanwhile.
	@(hub/install/browser.sh && hub/install/engine.sh) & machine=$$!; \
	$(SETUP) --dev; made=$$?; wait $$machine && exit $$made

lint: setup-dev ## Check style, spelling and the direction of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/lint-imports --no-cache
	$(JLPM) lint:check

types: setup-dev ## Check types.
	@echo "mypy, tsc"; ($(JLPM) tsc --noEmit) & tsc=$$!; \
	$(BIN)/mypy; right=$$?; wait $$tsc && exit $$right

# Four at a time: most of them wait for programs that they have started.
unit: setup-dev ## Run the tests, the slow ones included.
	$(JLPM) test
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

e2e: setup-dev browser ## Run only the tests that start the whole of Waylab.
	$(BIN)/pytest -m e2e $(PYTEST_ARGS)

lab: setup-dev ## Rebuild the lab extension and the pages of runs, and test them.
	$(JLPM) build:prod
	$(JLPM) build:web
	$(JLPM) test

docs: setup-dev ## Renew the generated reference, and check that the docs are complete.
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_api.py
	$(BIN)/pytest tests/repository $(PYTEST_ARGS)

bench: setup-dev ## Measure Waylab against its baselines.
	$(BIN)/python tests/benchmarks/run.py

soak: setup-dev ## Repeat a suite (SUITE=faults, BUDGET=3600 s): docs/reference/soak.md.
	$(BIN)/python tests/benchmarks/soak.py

verify-server: setup-dev ## Test a ClearML Server (URL=...), else rehearse that on our own.
	$(BIN)/python tests/verify_server.py $(if $(URL),--url "$(URL)") $(PYTEST_ARGS)

build: setup-dev ## Build the wheels into dist/.
	$(JLPM) build:web
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(JLPM) clean:all
	$(JLPM) build:prod
	$(WITH_TOOLS) $(BIN)/python -m build --no-isolation --outdir dist $(LAB)

lock: setup-dev ## Renew the locks. UPGRADE=1 also raises versions.
	@UPGRADE="$(UPGRADE)" hub/install/lock.sh

clean: ## Remove what set-up and builds made; not Waylab's state.
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf hub/install/proxy/node_modules hub/waylab_tracking/web
	cd $(LAB) && rm -rf node_modules lib .yarn waylab_lab/labextension tsconfig.tsbuildinfo
