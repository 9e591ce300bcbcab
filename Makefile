# make demo, make test: create the environment if it is missing, install, run.
#
#   LINE=maintained   the maintained OpenMMLab packages (onedl-*), in .venv
#   LINE=original     the frozen originals, in .venv-original
#   PYTHON=python3.11 the interpreter for a new environment (3.10 to 3.12)
#   ARGS='...'        more arguments for `convmae-mm demo` and for pytest
#   JOBS=2            processes that run the tests

LINE ?= maintained
PYTHON ?=
ARGS ?=
JOBS ?= 2

VENV_maintained := .venv
VENV_original := .venv-original
VENV := $(VENV_$(LINE))
ifeq ($(VENV),)
$(error LINE=$(LINE) is no OpenMMLab line; use LINE=maintained or LINE=original)
endif
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo repro-small test check lint format doctor clean distclean

help:  ## list the targets
	@sed -n 's/^# \{0,1\}//p' Makefile
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

setup:  ## create the environment and install into it, once
	@requirements/install.sh $(LINE) $(VENV) $(PYTHON)

demo: setup  ## pretrain, fine-tune a detector and a segmentor, report
	@$(BIN)/convmae-mm demo $(ARGS)

repro-small: setup  ## run every recipe, shrunk, from end to end
	OMP_NUM_THREADS=1 $(BIN)/python tools/analysis/repro_small.py $(ARGS)

test: lint  ## lint, then all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) \
	  --dist loadfile --durations 15 $(ARGS)

check: lint  ## lint, then the tests that need no training; three minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) \
	  --dist loadfile --durations 15 -m 'not slow' $(ARGS)

lint: setup  ## check format, style and types
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

format: setup  ## rewrite the files in the agreed format
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

doctor: setup  ## say what is installed and what is wrong with it
	@$(BIN)/convmae-mm doctor

clean:  ## remove caches and what builds leave behind
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find convmae_mm configs tools tests -name __pycache__ -prune \
	  -exec rm -rf {} +

distclean: clean  ## remove the environments too
	rm -rf $(VENV_maintained) $(VENV_original)
