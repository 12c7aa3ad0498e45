# make run      makes the environment and starts the portal
# make demo     the portal with made-up people and a loopback WhatsApp: nothing real, no phone needed
# make test     lint and the whole test suite, on SQLite and on PostgreSQL (QUICK=1: the fast tests, on SQLite)
# make lint     ruff and mypy
# make screenshots  pictures of every page into docs/screenshots
# make audit    asks PyPI about known holes in the pinned packages
# make bench    measurements (ONLY=name: one of them)
# make lock     pins the requirements anew from pyproject.toml
# make clean    removes what the above made, never the data folder

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
# Twice quiet: no warnings, only errors.
PIP := $(PY) -m pip --disable-pip-version-check --quiet --quiet
# As many processes as there are processors, and each file whole and in its place: the browser's tests come last.
PYTEST := $(PY) -m pytest --numprocesses=logical --dist=loadfile --no-loadscope-reorder
# The newest Python that is at least 3.11. A name that is there may still not
# start (pyenv's shims), so each is tried.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)

.PHONY: run demo test typescript baileys lint audit bench screenshots lock clean
.SILENT:

run: $(VENV)/run.stamp $(VENV)/bin/portal-cli
	exec $(PY) manage.py run

demo: $(VENV)/test.stamp $(VENV)/bin/portal-cli
	exec $(PY) -m tests.demo

test: $(VENV)/test.stamp lint $(if $(QUICK),,typescript)
ifeq ($(QUICK),)
	$(PYTEST) -m "not alone"
	$(PY) -m pytest -m alone
	$(PY) -m tests.postgres $(PYTEST) -m "not sqlite_only and not alone"
else
	$(PYTEST) -m "not slow"
endif

lint: $(VENV)/test.stamp
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff format --check --quiet . || { echo "Run '$(PY) -m ruff format .'"; exit 1; }
	# mypy reads the settings, and those make a key in the data folder.
	DATA_DIR=.mypy_cache/data $(PY) -m mypy --no-error-summary

bench: $(VENV)/test.stamp $(if $(filter-out fleet%,$(ONLY)),,baileys)
	$(PY) -m tests.bench $(ONLY)

# Not a part of `make lint`: it needs the internet, and what was found yesterday may be known today.
audit: $(VENV)/test.stamp
	$(PY) -m pip_audit --require-hashes --disable-pip --progress-spinner off --requirement requirements/run.txt

screenshots: $(VENV)/test.stamp
	$(PY) -m tests.browser.screenshots

lock: $(VENV)/made.stamp
	$(PIP) install uv
	for set in run test; do \
		$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
			--no-header --no-emit-index-url --no-emit-find-links \
			$$(test $$set = test && echo --extra test --constraint requirements/run.txt) \
			pyproject.toml --output-file requirements/$$set.txt || exit 1; \
	done
	! grep -nE '://|^-' requirements/*.txt || { echo "An address or an option got into the requirements."; exit 1; }

clean:
	rm -rf $(VENV) tests/typescript/node_modules tests/bench/baileys/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment, made once and again when the requirements change -------

$(VENV)/made.stamp:
	test -n "$(PYTHON)" || { echo "The portal needs Python 3.11 or newer, and none was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "The portal needs Python 3.11 or newer, and $(PYTHON) is not." >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python cannot make environments: Debian and Ubuntu ship that part separately. Install it (apt install python3-venv), then run make again." >&2; exit 1; }
	echo "Making the environment in $(VENV) ($$($(PYTHON) --version)) ..." >&2
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run.stamp: requirements/run.txt | $(VENV)/made.stamp
	echo "Installing the packages of requirements/run.txt (about a minute) ..." >&2
	$(PIP) install --require-hashes --requirement requirements/run.txt
	touch $@

# The test requirements hold those of `make run` as well, in the same versions.
$(VENV)/test.stamp: requirements/test.txt | $(VENV)/made.stamp
	echo "Installing the packages of requirements/test.txt (about a minute) ..." >&2
	$(PIP) install --require-hashes --requirement requirements/test.txt
	touch $@ $(VENV)/run.stamp

# `pip install .` would bring it as well; here it runs from its source. -P: whatever folder one is in.
$(VENV)/bin/portal-cli: | $(VENV)/made.stamp
	printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -P -m portal.cli "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(PY)" > $@
	chmod +x $@

# Whoever names a certificate for pip means it for npm as well. What needs these says so and is left out without them.
typescript baileys: packages = $(if $(filter typescript,$@),tests/typescript,tests/bench/baileys)
typescript baileys:
	test -e $(packages)/node_modules/.package-lock.json || ! command -v npm >/dev/null || \
		NODE_EXTRA_CA_CERTS="$${NODE_EXTRA_CA_CERTS:-$$PIP_CERT}" npm ci --prefix $(packages) \
			--silent --no-audit --no-fund --ignore-scripts --fetch-retries=0 || \
		echo "npm could not bring the packages of $(packages): what needs them will be skipped." >&2
