# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODELS := $(VENV)/.models
VLLM := .venv-vllm
UNSLOTH := .venv-unsloth

.PHONY: help demo view test test-durability test-vllm test-ray test-unsloth check setup models bench bench-models bench-gpu screenshots wheel clean

help: ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: models ## Advice, a bake-off of tickets on a small model here, the recommendation, PDF and HTML
	$(BIN)/harness demo --yes

view: setup ## Show the runs in a browser
	$(BIN)/harness view

# Two workers on two cores: more threads than one each would only wait for each other. A file stays with one
# worker, so that what its tests share is made once; compiled once too, for the processes that tests start.
test: models ## Run all tests
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
		$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-durability: models ## Kills, faults, full disks and damaged files by the dozen (minutes)
	$(BIN)/python -m pytest tests/durability -m "durability or not durability" -s

test-vllm: models $(VLLM)/.ready ## A tuned model served by vLLM on this CPU, in an environment of its own (minutes)
	$(BIN)/python -m pytest tests/engines/test_vllm.py -m engine -s

test-ray: ## A run over workers of a local Ray cluster (pip install 'tune-or-retrieve[ray]'; a minute)
	$(BIN)/python -m pytest tests/engines/test_ray.py -m "engine or not engine" -s

test-unsloth: models $(UNSLOTH)/.ready ## The exported training job on Unsloth, in an environment of its own (minutes)
	$(BIN)/python -m pytest tests/engines/test_unsloth.py -m engine -s

# Every package is pinned and nothing else is asked for: what serving text or a CPU needs none of is left out.
$(VLLM)/.ready: tests/engines/vllm.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet torch==2.13.0
	$(VLLM)/bin/python -m pip install --quiet --no-deps -r tests/engines/vllm.txt
	$(VLLM)/bin/python tests/engines/name_vllm.py
	touch $(VLLM)/.ready

$(UNSLOTH)/.ready: tests/engines/unsloth.txt
	test -x $(UNSLOTH)/bin/python || $(PYTHON) -m venv $(UNSLOTH)
	$(UNSLOTH)/bin/python -m pip install --quiet torch==2.13.0
	$(UNSLOTH)/bin/python -m pip install --quiet --no-deps -r tests/engines/unsloth.txt
	touch $(UNSLOTH)/.ready

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

screenshots: setup ## Draw the pictures of the documentation from the newest run
	$(BIN)/python docs/screenshots.py

bench: models ## Time what a user waits for: start-up, tables and pages
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/pages.py

bench-models: models ## Time training and answering on a CPU beside the usual ways (minutes to hours)
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/inference.py

bench-gpu: models ## On a CUDA GPU: Unsloth beside TRL and bitsandbytes, vLLM under load
	$(BIN)/python benchmarks/gpu.py

wheel: setup ## Build the wheel, which carries the evalset, the examples and all that `harness demo` needs
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## Remove the environment and caches of tools; runs are kept
	rm -rf $(VENV) $(VLLM) $(UNSLOTH) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
