# make demo   set up, explain the bundled neurons with all five formats, write the report
# make test   set up, check style and types, run every test
# make docs   write docs/reference.md, run docs/notebook.ipynb, and write the site to build/site
# make .venv  set up only
# make test-lowest  the tests with exactly the lowest versions in pyproject.toml; TESTS=… for some
# make test-python PYTHON=python3.13  the tests with that Python and the newest versions
# make study  explain and judge with MODEL=PROVIDER/MODEL what docs/study.md tells (days on a CPU; goes on)
# make mutate make each module that makes numbers wrong, place by place: a test must fail (an hour)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
EXTRAS ?= local,test,check,docs
TESTS ?= tests
BIN := .venv/bin
# No more than 4 at once: at times each has a browser, a model's server or PyTorch besides.
PYTEST := -m pytest -n logical --maxprocesses 4 --dist worksteal

.PHONY: .venv demo docs test test-lowest test-python check study mutate readme reliability clean

.venv: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

demo: .venv
	$(BIN)/neuron-eval demo --log-dir logs/demo

test: check
	$(BIN)/python $(PYTEST)

# An environment of its own, chosen by uv anew each time: $(call test_in,FOLDER,OPTIONS)
define test_in
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(1)/bin/uv pip install --quiet --python $(1)/bin/python --upgrade $(2) -e '.[local,test]'
	$(1)/bin/python $(PYTEST) $(TESTS)
endef

# Pinned one by one: where two floors exclude each other, uv would else take a higher one.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	sed -nE 's/^ {4}"([a-z_-]+)>=([0-9.]+).*",$$/\1==\2/p' pyproject.toml > .venv-lowest/floors.txt
	$(call test_in,.venv-lowest,--resolution lowest-direct -c .venv-lowest/floors.txt)

test-python:
	$(PYTHON) -m venv .venv-$(notdir $(PYTHON))
	$(call test_in,.venv-$(notdir $(PYTHON)))

# Type checkers cannot follow an editable install whose sub-packages lie elsewhere: links can be.
check: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/link_package.py build/types
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p neuron_eval
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml ../../tests/typed_use.py
	cd build/types && ../../$(BIN)/lint-imports ../../pyproject.toml
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs: .venv
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/run_notebook.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

study: .venv
	$(BIN)/python benchmarks/study/run.py $(or $(MODEL),$(error name a model: MODEL=PROVIDER/MODEL))
	$(BIN)/python benchmarks/study/tables.py $(MODEL)

mutate: .venv
	$(BIN)/python benchmarks/mutate.py

# What a table of docs/concepts.md and the figure of docs/report.md are copied from.
readme:
	rm -rf logs/demo
	$(MAKE) demo
	rm -rf logs/readme
	cp logs/demo/report/figures/scores.png docs/report-scores.png
	$(BIN)/python docs/results.py logs/demo logs/readme

# The page of faults, from the tests' own parameters.
reliability: .venv
	$(BIN)/python -m tests.faults.table > docs/reliability.md

clean:
	rm -rf .venv .venv-* build dist *.egg-info
