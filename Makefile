# Everything a newcomer, a developer and CI run. Each target makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
RIG ?= emulated
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check bench torture mutants hil conformance format clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

demo: .venv/ready  ## a small city does it all, in a terminal (ARGS="--once --json FILE")
	@$(BIN)/lamppost demo $(ARGS)

# Four at once on two cores: much of the suite's time is waiting for a node.
test: .venv/ready  ## the whole suite
	@$(BIN)/pytest -n 4 --dist loadscope $(ARGS)

check: .venv/ready typings/ready  ## ruff, pyright, mypy, import-linter, deptry
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/mypy
	$(BIN)/pyright

format: .venv/ready  ## ruff's formatting and safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready  ## figures as ratios against a limit measured in the same run
	@$(BIN)/python tests/bench/run.py $(ARGS)

torture: .venv/ready  ## the power cut at every flash operation of an update (ARGS="--part swap --seed 2 --json FILE")
	@$(BIN)/python -m sim.torture $(ARGS)

mutants: .venv/ready  ## what the tests of ota/core would not notice; a quarter of an hour (ARGS="ota.core.update*": these again)
	@$(BIN)/pip install --quiet --editable '.[mutants]'
	@$(if $(ARGS),,rm -rf mutants)
	@$(BIN)/mutmut run $(ARGS)
	@$(BIN)/python tests/mutants.py --survivors

hil: .venv/ready  ## the suite on a rig: RIG=emulated | esp32-emulator | board; build/hil/RIG gets its report
	@$(BIN)/pytest hil_tests -rs --rig $(RIG) --report build/hil/$(RIG) $(ARGS)

conformance: .venv/ready  ## the public TUF suite on the node's client (SUITE=checkout of theupdateframework/tuf-conformance)
	@test -d '$(SUITE)/tuf_conformance' || { echo "lamppost: SUITE=… names no checkout of theupdateframework/tuf-conformance"; exit 2; }
	@command -v faketime >/dev/null || { echo "lamppost: needs faketime (Debian: faketime)"; exit 2; }
	@$(BIN)/pytest -q -c '$(SUITE)/pyproject.toml' --rootdir '$(SUITE)' -p no:cacheprovider --import-mode=importlib \
		'$(SUITE)/tuf_conformance' --entrypoint='$(CURDIR)/tests/conformance/tuf-client' $(ARGS)

.venv/ready: pyproject.toml sim/requirements.txt Makefile
	@.ci/tools || exit 2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (once; a minute or two)"
	@$(BIN)/pip install --quiet --require-hashes --no-deps -r sim/requirements.txt
	@$(BIN)/pip install --quiet --editable '.[field,sim,dev]'
	@touch $@

typings/ready: pyproject.toml .venv/ready
	@rm -rf typings
	@$(BIN)/pip install --quiet --target typings 'micropython-esp32-stubs==1.29.*'
	@touch $@

clean:  ## forget .venv and what was made
	rm -rf .venv typings build reports mutants *.egg-info
