"""Resources of a step's pod: CPU, memory, timeout, retries, the operator's settings. A local run ignores them."""

from __future__ import annotations

from kfp import dsl, kubernetes

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


def light(task: dsl.PipelineTask, memory: str = "1Gi", hours: float = 1.0) -> dsl.PipelineTask:
    """Sets the resources of a task without TensorFlow, with retries for lost pods.

    Args:
        task: The task.
        memory: Request and limit.
        hours: Timeout.
    """
    return _step(task, "250m", memory, memory, hours)


def waiting(task: dsl.PipelineTask, hours: float) -> dsl.PipelineTask:
    """Sets the resources of a task that only waits for a Job: next to nothing, or it would take the Job's place.

    The waiting process has 130 MiB; the limit leaves room for the start, and for a training's run record.

    Args:
        task: The task.
        hours: Timeout.
    """
    return _step(task, "20m", "256Mi", "1Gi", hours)


def heavy(task: dsl.PipelineTask, memory: str = "8Gi", hours: float = 6.0) -> dsl.PipelineTask:
    """Sets the resources of a task that uses TensorFlow on the CPU; arguments as of `light`."""
    return _step(task, "2", memory, memory, hours)


def _step(task: dsl.PipelineTask, cpus: str, memory: str, memory_limit: str, hours: float) -> dsl.PipelineTask:
    task.set_cpu_request(cpus).set_memory_request(memory).set_memory_limit(memory_limit)
    # Every step continues where a lost pod stopped. Only two retries: the user's mistakes are retried as well.
    task.set_retry(num_retries=2, backoff_duration="15s", backoff_factor=4.0, backoff_max_duration="600s")
    kubernetes.set_timeout(task, round(hours * 3600))
    kubernetes.use_config_map_as_env(task, _CONFIG_MAP, {name: name for name in _SETTINGS}, optional=True)
    kubernetes.use_secret_as_env(task, _LOGIN_SECRET, {name: name for name in _LOGIN}, optional=True)
    kubernetes.use_secret_as_volume(task, _KEY_SECRET, mount_path=_KEY_PATH, optional=True)
    # With what Kubeflow sets itself (no privileges, seccomp), the container keeps Pod Security `restricted`.
    kubernetes.set_security_context(task, run_as_user=_UID, run_as_group=_UID, run_as_non_root=True)
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "luthier")
    return task
