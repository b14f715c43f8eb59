"""Resources of a step's pod: CPU, memory, timeout, retries, the operator's settings. A local run ignores them.

Requests are what a step needs to begin, or a small cluster would have no room for the trainings that the steps wait
for. Limits are higher: a step may use what is free. The trainings' own resources are in the template of their Job.
"""

from __future__ import annotations

from kfp import dsl, kubernetes
from kfp.dsl.pipeline_channel import PipelineChannel

from components.core import environment

# The steps read these if the pipeline's namespace has the ConfigMap (manifests/base has one); all are optional.
_CONFIG_MAP = "luthier-config"
_SETTINGS = (
    environment.STORAGE_EMULATOR_HOST,
    environment.USER_PROJECT,
    environment.NAMESPACE,
    environment.TRAIN_IMAGE,
    environment.MLFLOW_TRACKING_URI,
    environment.MODEL_REGISTRY,
    environment.MODEL_REGISTRY_TOKEN_FILE,
    # Read by the libraries of other software.
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
# Optional Secrets of that namespace, the same as of the training Jobs: manifests/components/mlflow-login and gcs-key.
_LOGIN_SECRET = "luthier-mlflow-login"
_LOGIN = (
    environment.MLFLOW_TRACKING_USERNAME,
    environment.MLFLOW_TRACKING_PASSWORD,
    environment.MLFLOW_TRACKING_TOKEN,
)
_KEY_SECRET, _KEY_PATH = "luthier-gcs-key", "/var/run/secrets/luthier/gcs"
_UID = 10001  # of the images


def working(task: dsl.PipelineTask, memory_limit: PipelineChannel, hours: float) -> dsl.PipelineTask:
    """Sets the resources of a task that computes.

    Args:
        task: The task.
        memory_limit: A parameter of the pipeline.
        hours: Timeout.
    """
    return _step(task, "100m", "512Mi", memory_limit, hours)


def waiting(task: dsl.PipelineTask, hours: float) -> dsl.PipelineTask:
    """Sets the resources of a task that only waits for a Job: next to nothing, or it would take the Job's place.

    The waiting process has 130 MiB; the limit leaves room for the start, and for a training's run record. It waits for
    days, so its pod may be lost several times, with its node or to a pod of higher priority: it is started again more
    often than others, because nothing in the run follows a loop of which an item failed.

    Args:
        task: The task.
        hours: Timeout.
    """
    return _step(task, "20m", "256Mi", "1Gi", hours, retries=10)


def failing(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Sets the resources of a task that only ends the run as failed; it is not repeated."""
    return _step(task, "20m", "256Mi", "1Gi", 1.0, retries=0)


def _step(
    task: dsl.PipelineTask,
    cpus: str,
    memory: str,
    memory_limit: str | PipelineChannel,
    hours: float,
    retries: int = 2,
) -> dsl.PipelineTask:
    task.set_cpu_request(cpus).set_memory_request(memory).set_memory_limit(memory_limit)
    # For lost pods: every step continues where one stopped. What else is worth it, a step repeats itself (see retries).
    if retries:
        # Argo counts the longest duration from the first start of the task, and ends each further pod when it is over.
        # The factor has to be a whole number there.
        longest = f"{round(hours * 3600)}s"
        task.set_retry(num_retries=retries, backoff_duration="30s", backoff_factor=1.0, backoff_max_duration=longest)
    # Not by Kubeflow: each step finds what is done, in the workspace and in the registry.
    task.set_caching_options(False)
    kubernetes.set_timeout(task, round(hours * 3600))
    kubernetes.use_config_map_as_env(task, _CONFIG_MAP, {name: name for name in _SETTINGS}, optional=True)
    kubernetes.use_secret_as_env(task, _LOGIN_SECRET, {name: name for name in _LOGIN}, optional=True)
    kubernetes.use_secret_as_volume(task, _KEY_SECRET, mount_path=_KEY_PATH, optional=True)
    # With what Kubeflow sets itself (no privileges, seccomp), the container keeps Pod Security `restricted`.
    kubernetes.set_security_context(task, run_as_user=_UID, run_as_group=_UID, run_as_non_root=True)
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "luthier")
    return task
