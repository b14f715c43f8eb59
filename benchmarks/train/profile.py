"""What a training step starts on the GPU, from TensorFlow's profiler: kernels, busy share, the longest ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST = 10
_GPU_PLANE, _CPU_PLANE = "/device:GPU:", "/host:CPU"
_PS_PER_MS = 1e9


@dataclass(frozen=True)
class Profile:
    """A step, as a mean over the profiled ones.

    Attributes:
        device: The profiler's name of what was profiled; the processor's where there is no GPU.
        kernels: Kernels and copies in a step.
        busy: Share of the time from the first kernel to the end of the last in which at least one ran, 0..1.
        longest: Names of the kernels that took the most time, with their ms in a step.
    """

    device: str
    kernels: float
    busy: float
    longest: tuple[tuple[str, float], ...]


def profiled_steps(folder: Path, learner: Any, features: Any, steps: int) -> Profile:
    """Profiles some steps.

    Args:
        folder: Gets the profiler's files, for TensorBoard.
        learner: Of benchmarks.train.learners, traced.
        features: The batch of every step.
        steps: How many.
    """
    from components.synths.ddsp_imports import tf

    learner.wait()
    with tf.profiler.experimental.Profile(str(folder)):
        for _ in range(steps):
            learner.start_step(features)
        learner.wait()
    return read(next(folder.rglob("*.xplane.pb")), steps)


def read(path: Path, steps: int) -> Profile:
    """Reads the profiler's file; see `Profile`.

    Raises:
        ValueError: It holds neither a GPU nor the processor.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    planes = sorted((p for p in space.planes if p.name.startswith((_GPU_PLANE, _CPU_PLANE))), key=lambda p: p.name)
    if not planes:
        raise ValueError(f"'{path}' has the planes {[p.name for p in space.planes]}: expected one of a GPU")
    plane = planes[0]  # "/device" comes before "/host"
    on_gpu = plane.name.startswith(_GPU_PLANE)
    # The GPU's streams; beside them the plane has lines of names, which the profiler derives.
    lines = [line for line in plane.lines if not on_gpu or line.name.startswith("Stream")]
    times, spans = Counter[str](), list[tuple[int, int]]()
    for line in lines:
        for event in line.events:
            start = line.timestamp_ns * 1000 + event.offset_ps
            spans.append((start, start + event.duration_ps))
            times[plane.event_metadata[event.metadata_id].name] += event.duration_ps
    longest = tuple((name[:60], time / _PS_PER_MS / steps) for name, time in times.most_common(_LONGEST))
    return Profile(plane.name, len(spans) / steps, _busy(sorted(spans)), longest)


def _busy(spans: list[tuple[int, int]]) -> float:
    """Returns the share of the time that sorted spans, which may overlap, cover."""
    if not spans:
        return 0.0
    covered, end = 0, spans[0][0]
    for start, stop in spans:
        covered += max(0, stop - max(start, end))
        end = max(end, stop)
    return covered / max(1, end - spans[0][0])
