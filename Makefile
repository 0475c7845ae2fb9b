# Two commands from a fresh clone, with Python 3.11 to 3.14 and make:
#   make demo   a small study on embedded text, ends with the place of its page
#               (STEPS=20 makes it short, OUT=DIR puts it elsewhere)
#   make test   lint, types and tests (JOBS=9 runs nine tests at once, for 8 cores)
#   make docs   the documentation as a site, in build/site/index.html
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= tidemask-demo
JOBS ?= 3

.PHONY: demo test lint types tests quick docs clean

demo: $(VENV)/installed
	$(BIN)/tidemask demo --out $(OUT) $(if $(STEPS),--steps $(STEPS))

test: lint  # types beside the tests, a part of whose time is waiting
	@$(MAKE) --no-print-directory --jobs=2 types tests

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

types: $(VENV)/installed
	$(BIN)/mypy

tests: $(VENV)/installed
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal --durations 10

quick: $(VENV)/installed
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal -m "not slow"

docs: $(VENV)/docs-installed
	$(BIN)/python benchmarks/studies/results_pages.py --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --doctree-dir build/doctrees \
		--conf-dir docs/site . build/site
	@echo "Site: build/site/index.html"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 15) else f"tidemask needs Python 3.11 to 3.14, this is {v[0]}.{v[1]}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/docs-installed: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build
