"""The environment variables that Luthier reads: one constant for each, and how it is read.

TF_* and MLFLOW_* variables that Luthier only sets for other software stand where they are set.
"""

from __future__ import annotations

import os

from components.core.errors import InputError

# What users and operators set.

LOG_FORMAT = "LUTHIER_LOG_FORMAT"
"""How log lines look: "json" for one JSON object a line, else text."""

METRICS_PORT = "LUTHIER_METRICS_PORT"
"""Port on which a step serves its Prometheus metrics while it runs, or the next free one; unset: it serves none."""

THREADS = "LUTHIER_THREADS"
"""How many CPU threads TensorFlow uses for one operation; unset: as many as there are cores. `luthier run` sets it."""

XLA = "LUTHIER_XLA"
"""0: XLA compiles nothing. A process starts about ten seconds faster, and its steps take several times as long.
1: XLA compiles the loops of the layers; the default on a CPU. 2: XLA compiles a whole training step of one device as
one computation; the default on a GPU, where 1 is used if XLA fails. On a CPU 2 is slower than 1."""

COMPILATION_CACHE = "LUTHIER_COMPILATION_CACHE"
"""Folder of this user alone for what XLA has compiled, so that a later process need not; "off": nothing is kept; unset:
luthier/xla in the user's cache, ~/.cache or XDG_CACHE_HOME."""

NOTE_CACHE = "LUTHIER_STAGE"
"""Directory on a local disk for notes that do not fit into memory; unset: a temporary one, deleted after training."""

NAMESPACE = "LUTHIER_NAMESPACE"
"""Kubernetes namespace of the training Jobs; unset: the pod's own, or that of the kubeconfig's context."""

DATA_IMAGE = "LUTHIER_DATA_IMAGE"
"""Container image of the light pipeline steps, without TensorFlow. Read when the pipeline is compiled."""

TRAIN_IMAGE = "LUTHIER_TRAIN_IMAGE"
"""Container image with TensorFlow and CUDA: read when the pipeline is compiled, by `launch`, and for run.json."""

GIT_COMMIT = "LUTHIER_GIT_COMMIT"
"""Commit that an image's code was built from; unset: that of the checkout."""

MODEL_REGISTRY = "LUTHIER_MODEL_REGISTRY"
"""URL of a Kubeflow Model Registry that records registered versions as well; unset: none does."""

MODEL_REGISTRY_TOKEN_FILE = "LUTHIER_MODEL_REGISTRY_TOKEN_FILE"
"""File with the bearer token for MODEL_REGISTRY; unset: requests carry none."""

USER_PROJECT = "LUTHIER_USER_PROJECT"
"""Google Cloud project that pays for requests to requester-pays buckets."""

STORAGE_EMULATOR_HOST = "STORAGE_EMULATOR_HOST"
"""Endpoint of a Cloud Storage emulator, with or without "http://"; it is used without credentials."""

MLFLOW_TRACKING_URI = "MLFLOW_TRACKING_URI"
"""MLflow to use where no option names one. Kubeflow Pipelines sets it."""

MLFLOW_EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID"
"""Experiment of the trainings' runs, by id. Kubeflow Pipelines sets it."""

MLFLOW_EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME"
"""Experiment of the trainings' runs, by name."""

MLFLOW_RUN_ID = "MLFLOW_RUN_ID"
"""MLflow run of the pipeline's run, of which a training's run becomes a child. Kubeflow Pipelines sets it."""

MLFLOW_TRACKING_USERNAME = "MLFLOW_TRACKING_USERNAME"
"""User of an MLflow server with a login. MLflow's client reads it."""

MLFLOW_TRACKING_PASSWORD = "MLFLOW_TRACKING_PASSWORD"
"""Password of MLFLOW_TRACKING_USERNAME. MLflow's client reads it."""

MLFLOW_TRACKING_TOKEN = "MLFLOW_TRACKING_TOKEN"
"""Bearer token for an MLflow server behind a login. MLflow's client reads it."""

KFP_HOST = "KFP_HOST"
"""URL of Kubeflow Pipelines; unset in a pod: the service in the cluster."""

KFP_UI_HOST = "KF_PIPELINES_UI_ENDPOINT"
"""URL of Kubeflow Pipelines' user interface, for links; unset: KFP_HOST."""

KFP_NAMESPACE = "KFP_NAMESPACE"
"""Profile namespace in a Kubeflow Pipelines with several users."""

KFP_TOKEN_FILE = "KF_PIPELINES_SA_TOKEN_PATH"
"""File with a bearer token for Kubeflow Pipelines."""

KFP_TOKEN = "KFP_TOKEN"
"""Bearer token for Kubeflow Pipelines."""

KFP_COOKIE = "KFP_COOKIE"
"""Session cookie for Kubeflow Pipelines behind a sign-in page."""

KFP_CA_FILE = "KFP_CA_FILE"
"""Certificates that the certificate of KFP_HOST is checked against; unset: the system's."""

KFP_SERVICE_ACCOUNT = "KFP_SERVICE_ACCOUNT"
"""Kubernetes service account of a pipeline run's pods; unset: Kubeflow's own."""

KUBECONFIG = "KUBECONFIG"
"""Path of the kubeconfig; unset: ~/.kube/config."""

# What Kubernetes, Luthier itself or TensorFlow set.

KUBERNETES_SERVICE_HOST = "KUBERNETES_SERVICE_HOST"
"""Address of the API server. Kubernetes sets it in every pod, so it tells that this process runs in one."""

WORKER_HOSTS = "LUTHIER_WORKER_HOSTS"
"""The workers of a training on several machines, "host:port,host:port,...". `launch` sets it."""

WORKER_INDEX = "JOB_COMPLETION_INDEX"
"""Which of WORKER_HOSTS this process is, from 0. Kubernetes sets it in the pods of an Indexed Job."""

JOB_UID = "LUTHIER_JOB_UID"
"""The Job that a trainer's pod belongs to, by its uid. The Job's template sets it from a label of the pod."""

TF_CONFIG = "TF_CONFIG"
"""TensorFlow's own description of the workers, JSON; read where WORKER_HOSTS is unset."""

EVENTS = "LUTHIER_EVENTS"
"""File to which a step appends its progress events. `luthier run` sets it."""

RUN_PID = "LUTHIER_RUN_PID"
"""Process id of the `luthier run` that started this step, which ends with it. `luthier run` sets it."""

SLOTS = "LUTHIER_SLOTS"
"""The directory of the heavy steps' lock files, and how many run at once: "DIRECTORY:NUMBER". `luthier run` sets it."""

_DEFAULT_DATA_IMAGE = "luthier-data:0.1.0"
_DEFAULT_TRAIN_IMAGE = "luthier-train:0.1.0"


def get(name: str, default: str = "") -> str:
    """Returns the value of a variable; the default where it is unset or empty."""
    return os.environ.get(name) or default


def get_int(name: str, default: int = 0) -> int:
    """Returns the value of a variable that holds a whole number from 0; InputError where it does not."""
    text = get(name)
    if text and not text.isdecimal():
        raise InputError(f"environment variable {name} is '{text}': expected a whole number from 0")
    return int(text) if text else default


def logs_json() -> bool:
    """Tells whether this process writes its log lines as JSON."""
    return get(LOG_FORMAT) == "json"


def in_cluster() -> bool:
    """Tells whether this process runs in a pod."""
    return bool(get(KUBERNETES_SERVICE_HOST))


def data_image() -> str:
    """Returns the image of the pipeline steps without TensorFlow; a run on a laptop uses none."""
    return get(DATA_IMAGE, _DEFAULT_DATA_IMAGE)


def train_image() -> str:
    """Returns the image of the pipeline steps with TensorFlow; a run on a laptop uses none."""
    return get(TRAIN_IMAGE, _DEFAULT_TRAIN_IMAGE)
