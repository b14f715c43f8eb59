# Luthier. On a fresh machine: `make run` and `make test`; `make help` lists all targets.

PYTHON    ?= python3
SAMPLES   ?= samples
WORKSPACE ?= workspace
FAMILIES  ?= string,keyboard
PRESET    ?= smoke
WORKERS   ?= 2

BIN    := .venv/bin
UV     := $(BIN)/uv pip
INSTALL := $(UV) install --quiet --python $(BIN)/python --no-build-isolation --no-deps
LOCK   := $(UV) compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
          --generate-hashes --no-emit-index-url --no-annotate --overrides requirements/overrides.txt --custom-compile-command "make lock"
RUN_EXTRAS := $(addprefix --extra ,train register export launch pipeline)  # without crepe: 72 MB, rarely used

# If a machine sets this, every process compiles all modules of TensorFlow again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-gpu test-cluster test-kfp lint web bench bench-sort bench-train bench-gpu bench-quality setup setup-dev browser promtool kubectl policy dashboard images compile submit ui lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(BIN)/.run ## set up what is missing and run the whole pipeline on the sample notes
	@$(BIN)/luthier run --source $(SAMPLES) --workspace $(WORKSPACE) --families $(FAMILIES) --preset $(PRESET)

test: $(BIN)/.dev browser promtool kubectl ## set up what is missing and run the tests; WORKERS=2 processes
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=10

test-cluster: $(BIN)/.dev ## run the tests that need a cluster: KUBECONFIG= LUTHIER_DATA_IMAGE= LUTHIER_TRAIN_IMAGE=
	@$(BIN)/python -m pytest tests/cluster -m cluster -v

test-gpu: $(BIN)/.dev ## compare the layers' outputs and gradients on a GPU with float64
	@LUTHIER_XLA=1 $(BIN)/python -m pytest tests/synths/test_on_gpu.py tests/synths/test_decoder.py \
	  tests/synths/test_oscillators.py tests/synths/test_noise_and_loss.py tests/synths/test_dictionary.py -v -rs

test-kfp: $(BIN)/.dev ## run the tests that need Kubeflow Pipelines: KFP_HOST= LUTHIER_KFP_SOURCE= LUTHIER_KFP_WORKSPACE=
	@$(BIN)/python -m pytest tests/kfp -m kfp -v

lint: $(BIN)/.dev ## run ruff, mypy and the check of the layers between the folders; with Node also biome and tsc
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
	@if ! command -v npm >/dev/null; then echo "web/ was not checked: there is no npm"; \
	  elif ! $(MAKE) --no-print-directory web/node_modules; then echo "web/ was not checked: npm cannot install its packages"; \
	  else cd web && npm run --silent lint && npm run --silent check; fi

web: web/node_modules ## build the page of `luthier export --format web` from web/ (needs Node 20 or later)
	@cd web && npm run --silent build

web/node_modules: web/package-lock.json
	@cd web && npm ci --silent && touch node_modules

bench: bench-sort bench-train ## run bench-sort and bench-train

bench-sort: $(BIN)/.dev ## compare the sort with cp, tf.data and transfer_manager (about 10 minutes, on an idle machine)
	@$(BIN)/python -m benchmarks.sort --page docs/performance.md && $(BIN)/python -m benchmarks.scale --page docs/scale.md

bench-train: $(BIN)/.dev ## compare training with ddsp's (about 40 minutes, on an idle machine)
	@$(BIN)/python -m benchmarks.train --page docs/performance.md

bench-quality: $(BIN)/.dev ## let librosa and CREPE compare the sound of Luthier's models with ddsp's (about five hours)
	@$(BIN)/python -m benchmarks.quality --page docs/performance.md

bench-gpu: $(BIN)/.dev ## measure training on a GPU: a step beside ddsp's with its kernels, then `luthier train`, one synth and three
	@$(BIN)/python -m benchmarks.train --part gpu --profile --page docs/performance.md
	@$(BIN)/python -m benchmarks.train --part gpu-loop --page docs/performance.md

setup: $(BIN)/.run ## create the virtual environment for `make run`

setup-dev: $(BIN)/.dev ## create the virtual environment for development and tests

compile: $(BIN)/.run ## compile the pipeline package into build/pipeline
	@$(BIN)/luthier compile --out build/pipeline

submit: $(BIN)/.run ## start a run in Kubeflow and follow it to its end: KFP_HOST= SOURCE=gs://.. WORKSPACE=gs://.. FAMILIES= PRESET=
	@$(BIN)/luthier submit $(if $(SOURCE),-p source=$(SOURCE)) -p workspace=$(WORKSPACE) -p families=$(FAMILIES) -p preset=$(PRESET)

policy: $(BIN)/.dev kubectl ## check the manifests with checkov, in a separate environment
	@$(BIN)/python -m tests.manifests.policy

dashboard: $(BIN)/.dev ## generate the Grafana dashboard from manifests/overlays/monitoring/dashboard.py
	@$(BIN)/python manifests/overlays/monitoring/dashboard.py

ui: $(BIN)/.run ## start MLflow's user interface for the workspace
	@echo "runs, with families and losses: http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=luthier"
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///$(abspath $(WORKSPACE))/mlflow/mlflow.db

images: ## build the container images: ENGINE=docker|podman|buildah REGISTRY= TAG= VARIANT=gpu|cpu PUSH=1 (images/README.md)
	@images/build.sh data train mlflow

lock: $(BIN)/.bootstrap ## compile requirements/*.txt from pyproject.toml
	@printf 'setuptools\nuv\nwheel\n' | $(subst pyproject.toml,-,$(LOCK)) -o requirements/bootstrap.txt
	@$(LOCK) $(RUN_EXTRAS) -o requirements/run.txt
	@$(LOCK) --all-extras --group dev -c requirements/run.txt -o requirements/dev.txt
	@$(LOCK) requirements/data.in --extra launch --extra pipeline -c requirements/dev.txt -o requirements/data.txt
	@$(subst pyproject.toml,requirements/mlflow.in,$(LOCK)) -c requirements/run.txt -o requirements/mlflow.txt
	@$(subst --overrides requirements/overrides.txt,,$(subst pyproject.toml,requirements/gpu.in,$(LOCK))) \
	  -c requirements/run.txt -o requirements/gpu.txt \
	  $$(sed -n 's/^\([^ =]*\)==.*/--no-emit-package \1/p' requirements/run.txt)

clean: ## remove the environment, the workspace and all build results
	rm -rf .venv build $(WORKSPACE) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Stamp files: an environment is installed again if its lock is newer. kfp is a source package, so its build tools, locked as well,
# are installed first.
$(BIN)/.bootstrap: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
	  f"Luthier needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: try make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

$(BIN)/.run: requirements/run.txt pyproject.toml $(BIN)/.bootstrap
	@echo "setting up .venv (the first time takes a minute or two: TensorFlow is large)"
	@$(INSTALL) --require-hashes -r $< && $(INSTALL) -e . && touch $@

$(BIN)/.dev: requirements/dev.txt $(BIN)/.run
	@$(INSTALL) --require-hashes -r $< && touch $@

# The report is tested in a real browser: Debian's if it is there or can be installed, else Playwright's.
browser: $(BIN)/.dev
	@command -v chromium >/dev/null || test -n "$$CHROMIUM" || { echo "installing chromium for the tests of the report"; \
	  { apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null 2>&1 || $(BIN)/playwright install chromium; }

# The alerts are tested with promtool, and their metrics with a real Prometheus.
promtool:
	@{ command -v promtool && command -v prometheus; } >/dev/null || { echo "installing prometheus for the tests of the alerts"; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; } >/dev/null 2>&1; } || \
	  { echo "the tests of the alerts need prometheus and promtool on the PATH"; exit 1; }

# kubectl's kustomize renders the manifests.
kubectl:
	@command -v kubectl >/dev/null || { echo "installing kubectl for the tests of the manifests"; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends kubernetes-client; } >/dev/null 2>&1; } || \
	  { echo "the tests of the manifests need kubectl 1.31 or later on the PATH"; exit 1; }
