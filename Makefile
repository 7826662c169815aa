# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODELS := $(VENV)/.models

.PHONY: help demo test check setup models bench clean

help: ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: models ## Run the ticket bake-off on the embedded model and print the verdict (about 11 minutes)
	$(BIN)/harness bakeoff --evalset support-tickets --minutes 8

test: models ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: setup ## Lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(READY) ## Make the virtual environment

# torch first and alone: the plain CPU build where one is at hand, before anything can ask for another.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(READY)

models: $(MODELS) ## Fetch the embedded models into the cache

$(MODELS): $(READY)
	$(BIN)/harness models pull
	touch $(MODELS)

bench: models ## Run the benchmarks that need no GPU and no data set
	$(BIN)/python benchmarks/startup.py

clean: ## Remove the environment and caches of tools; runs are kept
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
