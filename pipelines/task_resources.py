"""What a step's pod gets in a cluster: memory, time, retries, the operator's settings. A laptop heeds none of it."""

from __future__ import annotations

from kfp import dsl, kubernetes

from components.core import environment

# Read by the steps where the pipeline's namespace has the ConfigMap (manifests/base makes one); all may be absent.
_CONFIG_MAP = "luthier-config"
_SETTINGS = (
    environment.STORAGE_EMULATOR_HOST,
    environment.USER_PROJECT,
    environment.NAMESPACE,
    environment.TRAIN_IMAGE,
)


def light(task: dsl.PipelineTask, memory: str = "1Gi", hours: float = 1.0) -> dsl.PipelineTask:
    """Makes a task of the data side: no more than it needs, tried again when its pod is lost.

    Args:
        task: The task.
        memory: Request and limit: more is never there, so less is never promised.
        hours: After which it is given up.
    """
    return _step(task, "250m", memory, hours)


def heavy(task: dsl.PipelineTask, memory: str = "8Gi", hours: float = 6.0) -> dsl.PipelineTask:
    """Makes a task that computes: with TensorFlow, on the processor."""
    return _step(task, "2", memory, hours)


def _step(task: dsl.PipelineTask, cpus: str, memory: str, hours: float) -> dsl.PipelineTask:
    task.set_cpu_request(cpus).set_memory_request(memory).set_memory_limit(memory)
    # Every step goes on where a lost pod left it. Not more often: a person's mistake is tried again as well.
    task.set_retry(num_retries=2, backoff_duration="15s", backoff_factor=4.0, backoff_max_duration="600s")
    kubernetes.set_timeout(task, round(hours * 3600))
    kubernetes.use_config_map_as_env(task, _CONFIG_MAP, {name: name for name in _SETTINGS}, optional=True)
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "luthier")
    return task
