# Luthier. Two commands on a fresh machine: `make run` and `make test`; `make help` lists the rest.

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
RUN_EXTRAS := $(addprefix --extra ,train register export launch pipeline)  # not crepe: 72 MB that few want

# Some machines set this, and then every process compiles all of TensorFlow's modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-cluster test-kfp lint bench bench-sort bench-train bench-gpu setup setup-dev browser promtool kubectl policy dashboard images compile submit ui lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: $(BIN)/.run ## set up what is missing and run the whole pipeline on samples/
	@$(BIN)/luthier run --source $(SAMPLES) --workspace $(WORKSPACE) --families $(FAMILIES) --preset $(PRESET)

test: $(BIN)/.dev browser promtool kubectl ## set up what is missing and run the tests, WORKERS= at the same time
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder --durations=10

test-cluster: $(BIN)/.dev ## the tests that need a cluster: KUBECONFIG= LUTHIER_DATA_IMAGE= LUTHIER_TRAIN_IMAGE=
	@$(BIN)/python -m pytest tests/cluster -m cluster -v

test-kfp: $(BIN)/.dev ## the tests that need Kubeflow Pipelines: KFP_HOST= LUTHIER_KFP_SOURCE= LUTHIER_KFP_WORKSPACE=
	@$(BIN)/python -m pytest tests/kfp -m kfp -v

lint: $(BIN)/.dev ## ruff, mypy and the layers between the folders
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: bench-sort bench-train ## every benchmark that needs no GPU

bench-sort: $(BIN)/.dev ## the sort beside cp, tf.data and transfer_manager (about 10 minutes, on a quiet machine)
	@$(BIN)/python -m benchmarks.sort --page docs/performance.md && $(BIN)/python -m benchmarks.scale --page docs/scale.md

bench-train: $(BIN)/.dev ## training beside ddsp's own (about forty minutes, on a quiet machine)
	@$(BIN)/python -m benchmarks.train --page docs/performance.md

bench-gpu: $(BIN)/.dev ## the same on a GPU: steps and audio a second by batch size, one synth and three together
	@$(BIN)/python -m benchmarks.train --part gpu --page docs/performance.md

setup: $(BIN)/.run ## the virtual environment for `make run`

setup-dev: $(BIN)/.dev ## and what the tests need

compile: $(BIN)/.run ## the pipeline package, into build/pipeline
	@$(BIN)/luthier compile --out build/pipeline

submit: $(BIN)/.run ## a run in Kubeflow, followed to its end: KFP_HOST= SOURCE=gs://.. WORKSPACE=gs://.. FAMILIES= PRESET=
	@$(BIN)/luthier submit $(if $(SOURCE),-p source=$(SOURCE)) -p workspace=$(WORKSPACE) -p families=$(FAMILIES) -p preset=$(PRESET)

policy: $(BIN)/.dev kubectl ## checkov over the manifests, in an environment of its own
	@$(BIN)/python -m tests.manifests.policy

dashboard: $(BIN)/.dev ## Grafana's dashboard again from its source, manifests/overlays/monitoring/dashboard.py
	@$(BIN)/python manifests/overlays/monitoring/dashboard.py

ui: $(BIN)/.run ## MLflow on this machine's registry
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///$(abspath $(WORKSPACE))/mlflow/mlflow.db

images: ## the container images: ENGINE=docker|podman|buildah REGISTRY= TAG= VARIANT=gpu|cpu PUSH=1 (images/README.md)
	@images/build.sh data train mlflow

lock: $(BIN)/.bootstrap ## compile requirements/*.txt again from pyproject.toml
	@printf 'setuptools\nuv\nwheel\n' | $(subst pyproject.toml,-,$(LOCK)) -o requirements/bootstrap.txt
	@$(LOCK) $(RUN_EXTRAS) -o requirements/run.txt
	@$(LOCK) --all-extras --group dev -c requirements/run.txt -o requirements/dev.txt
	@$(LOCK) requirements/data.in --extra launch --extra pipeline -c requirements/dev.txt -o requirements/data.txt
	@$(subst pyproject.toml,requirements/mlflow.in,$(LOCK)) -c requirements/run.txt -o requirements/mlflow.txt
	@$(subst --overrides requirements/overrides.txt,,$(subst pyproject.toml,requirements/gpu.in,$(LOCK))) \
	  -c requirements/run.txt -o requirements/gpu.txt \
	  $$(sed -n 's/^\([^ =]*\)==.*/--no-emit-package \1/p' requirements/run.txt)

clean: ## remove the environment, the workspace and what was built
	rm -rf .venv build $(WORKSPACE) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Stamps: what is installed is as new as its lock. kfp comes as source, so its build tools come first and from the lock too.
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

# The report is tested in a real browser. Debian's is taken where there is one or may be installed, else Playwright's own.
browser: $(BIN)/.dev
	@command -v chromium >/dev/null || test -n "$$CHROMIUM" || { echo "installing chromium for the report's tests"; \
	  { apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null 2>&1 || $(BIN)/playwright install chromium; }

# The alerts are tested with promtool, and what they ask for with a real Prometheus.
promtool:
	@{ command -v promtool && command -v prometheus; } >/dev/null || { echo "installing prometheus for the alerts' tests"; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; } >/dev/null 2>&1; } || \
	  { echo "the alerts' tests need prometheus and promtool on the PATH"; exit 1; }

# The manifests are rendered by the kustomize in kubectl.
kubectl:
	@command -v kubectl >/dev/null || { echo "installing kubectl for the manifests' tests"; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends kubernetes-client; } >/dev/null 2>&1; } || \
	  { echo "the manifests' tests need kubectl 1.31 or later on the PATH"; exit 1; }
