.DEFAULT_GOAL := help
.PHONY: help run test test-library test-rooms test-stories test-extras test-bounds soak coverage mutants audit lab ui notebooks docs pictures requirements bench clean

# The first of these that runs and is a Python 3.11-3.13; `make PYTHON=...` chooses another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11 python,\
	$(shell $(python) -c '$(SUPPORTED)' 2>/dev/null && echo $(python))))
BIN := .venv/bin
EXTRAS := .venv-extras/bin
export MLFLOW_DISABLE_TELEMETRY := true
# threads that spin while they wait make a fit several times slower on a machine that is busy
export OMP_WAIT_POLICY ?= passive

help: ## Show these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: .venv/ready ## Run the notebooks on the built-in sample months, and say where to look
	@$(BIN)/taxi-duration run --name sample

test: .venv/ready ## Run every test: library, notebooks (nbval), documents, style, import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
	@$(MAKE) --no-print-directory -j3 test-library test-rooms test-stories

coverage: .venv/ready ## Run every test, and say which lines none has reached, notebooks included
	@$(MAKE) --no-print-directory -j3 test-library test-rooms test-stories \
		MEASURED="--cov=taxi_duration --cov-config=setup.cfg --cov-report= --cov-fail-under=0"
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

mutants: .venv/ready ## Change important code in small ways, and count the changes that tests notice (hours)
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results --all true | awk -F '[.:] *' '\
		{ all[$$3]++; noticed[$$3] += $$NF == "killed" } \
		END { for (name in all) printf "%-12s%5d of%5d\n", name, noticed[name], all[name] }' | sort

# Three parts run side by side, since some tests wait for processes more than they compute.
STORIES := README.md docs notebooks $(addprefix tests/,$(addsuffix .py,\
	test_readme test_notebook_checks test_train_story test_benchmarks cli/test_records \
	$(addprefix notebooks/test_,reproduction stage))) tests/tracking
ROOMS := $(addprefix tests/,cli notebooks serving)
PYTEST := $(BIN)/python -m pytest -q $(MEASURED)

test-library:
	@COVERAGE_FILE=.coverage.library $(PYTEST) taxi_duration tests \
		$(addprefix --ignore=,$(filter tests/%,$(STORIES)) $(ROOMS))

test-rooms:
	@COVERAGE_FILE=.coverage.rooms $(PYTEST) $(ROOMS) $(addprefix --ignore=,$(filter tests/%,$(STORIES)))

test-stories:
	@COVERAGE_FILE=.coverage.stories $(PYTEST) $(STORIES)

test-extras: .venv-extras/ready ## Test servers, schedulers, Spark and browsers, in an environment of their own
	@$(EXTRAS)/python -m pytest -q -rs tests/extras

RESOLUTION ?= lowest-direct

test-bounds: .venv/ready ## Test the library with the oldest libraries that setup.cfg allows (RESOLUTION=highest: the newest)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bounds
	@$(BIN)/uv pip install --quiet --python .venv-bounds/bin/python --resolution $(RESOLUTION) -e .[dev]
	@.venv-bounds/bin/python -m pytest -q -W default $(addprefix tests/,data models evaluation tracking registry serving)

soak: .venv/ready ## Throw every fault at it (an hour or more)
	@$(BIN)/python -m pytest -q -m soak tests

audit: .venv/ready ## Report known vulnerabilities of the pinned libraries, by pip-audit
	@$(BIN)/python .ci/audit.py $(BIN)/uv requirements.txt requirements-extras.txt

lab: .venv/ready ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks

UI_HOST ?= 127.0.0.1

ui: .venv/ready ## Show the recorded runs in MLflow's pages, and open them in a browser
	@$(BIN)/taxi-duration ui --host "$(UI_HOST)"

notebooks: .venv/ready ## Execute the notebooks on the sample months, and save outputs and pictures
	@scratch=$$(mktemp -d) && MLFLOW_TRACKING_URI="sqlite:///$$scratch/mlflow.db" \
		$(BIN)/jupyter nbconvert --to notebook --execute --inplace --log-level WARN \
		--ExecutePreprocessor.record_timing=False notebooks/*.ipynb && rm -r "$$scratch"
	@$(BIN)/python docs/pictures.py

SITE ?= build

pictures: .venv-extras/ready ## Make the pictures of docs/ anew, in Chromium and from the notebooks
	@for each in pictures service_page screenshots; do $(EXTRAS)/python docs/$$each.py || exit 1; done

docs: .venv-extras/ready ## Build the pages of docs/, with the notebooks and a search, in build/docs
	@rm -rf $(SITE)/pages && mkdir -p $(SITE) && cp -Rp docs $(SITE)/pages && cp -Rp notebooks $(SITE)/pages/
	@$(EXTRAS)/sphinx-build --quiet --fail-on-warning --keep-going $(SITE)/pages $(SITE)/docs
	@echo "Open $(SITE)/docs/index.html"

COMPILE = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
	--python-version 3.11 --no-header setup.cfg pyproject.toml --extra dev

requirements: ## Choose the exact versions anew, one of each library for all Pythons and extras
	@rm -f requirements.txt requirements-extras.txt
	@$(COMPILE) -o requirements.txt
	@$(COMPILE) --extra prefect --extra kubeflow --extra spark --extra moto --extra browser --extra team --extra deploy --extra docs -c requirements.txt -o requirements-extras.txt

MOST ?= 3000000

bench: export BENCHMARK_RESULTS ?= benchmarks/results.json
bench: .venv/ready ## Measure speed, memory and error (MONTHS=FOLDER: on real months, MOST=ROWS: to train on)
	@$(BIN)/python benchmarks/speed.py
	@$(BIN)/python benchmarks/growth.py --most $(MOST)
	@$(BIN)/python benchmarks/training.py $(MONTHS)
	@$(BIN)/python benchmarks/scoring.py $(MONTHS)
	@$(BIN)/python benchmarks/serving.py
	@[ -z "$(MONTHS)" ] || $(BIN)/python benchmarks/sample_likeness.py $(MONTHS)
	@[ -z "$(MONTHS)" ] || $(BIN)/python benchmarks/tuning.py $(MONTHS)

clean: ## Remove what the other commands made, the recorded runs excepted
	@rm -rf .venv .venv-extras .venv-bounds build dist *.egg-info .coverage* htmlcov \
		.pytest_cache .ruff_cache .hypothesis mutants runs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.txt setup.cfg pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "taxi_duration needs Python 3.11, 3.12 or 3.13; none was found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "taxi_duration needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is another. Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(call install,$(BIN)/python,requirements.txt)
	@touch $@

.venv-extras/ready: .venv/ready requirements-extras.txt
	@echo "Setting up .venv-extras"
	@$(BIN)/python -m venv --without-pip .venv-extras
	$(call install,$(EXTRAS)/python,requirements-extras.txt)
	@touch $@

define install
@$(BIN)/uv pip install --quiet --python $(1) --compile-bytecode --require-hashes -r $(2)
@$(BIN)/uv pip install --quiet --python $(1) --no-build-isolation --no-deps -e .
endef
