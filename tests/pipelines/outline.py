"""The compiled pipeline as a page that a person can read: `python -m tests.pipelines.outline` writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pipelines.package import compile_to

GOLDEN = Path(__file__).parent / "golden" / "train-instruments.txt"


def outline(package: Path) -> str:
    """Returns a package's parameters, and its tasks as a tree: image, resources, caching, what they wait for."""
    spec, *platform = yaml.safe_load_all(package.read_text())
    lines = ["parameters", *_parameters(spec["root"]["inputDefinitions"]["parameters"])]
    executors = spec["deploymentSpec"]["executors"]
    settings = platform[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platform else {}
    lines += ["", "tasks", *_tasks(spec["root"]["dag"], spec["components"], executors, settings, "  ")]
    return "\n".join(lines) + "\n"


def _parameters(parameters: dict[str, Any]) -> Iterator[str]:
    for name, parameter in sorted(parameters.items()):
        kind = parameter["parameterType"].lower().replace("number_", "")
        default = f" = {parameter['defaultValue']!r}" if "defaultValue" in parameter else ""
        yield f"  {name}: {kind}{default}"


def _tasks(
    dag: dict[str, Any], components: dict[str, Any], executors: dict[str, Any], settings: dict[str, Any], indent: str
) -> Iterator[str]:
    for _, task in sorted(dag["tasks"].items()):
        component = components[task["componentRef"]["name"]]
        said = [f"{indent}{task['taskInfo']['name']}"]
        if "parameterIterator" in task:
            items = task["parameterIterator"]["items"].get("inputParameter", "").removeprefix("pipelinechannel--")
            said.append(f"for each of {items}")
            if "iteratorPolicy" in task:
                said.append(f"at most {task['iteratorPolicy']['parallelismLimit']} at once")
        if label := component.get("executorLabel"):
            said += _container(executors[label]["container"], settings.get(label, {}))
            said.append("cached" if task.get("cachingOptions", {}).get("enableCache") else "not cached")
        if "retryPolicy" in task:
            said.append(f"retries {task['retryPolicy']['maxRetryCount']}")
        if "triggerPolicy" in task:
            said.append(f"when {task['triggerPolicy'].get('condition') or task['triggerPolicy'].get('strategy')}")
        if "dependentTasks" in task:
            names = [dag["tasks"][each]["taskInfo"]["name"] for each in task["dependentTasks"]]
            said.append(f"after {' '.join(sorted(names))}")
        yield ", ".join(said)
        if "dag" in component:
            yield from _tasks(component["dag"], components, executors, settings, indent + "  ")


def _container(container: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    yield container["image"]
    resources = container.get("resources", {})
    for name, kind in (("cpu", "Cpu"), ("memory", "Memory")):
        request, limit = (resources.get(f"resource{kind}{which}") for which in ("Request", "Limit"))
        if request or limit:
            yield f"{name} {request or '-'} to {limit or '-'}"
    if "accelerator" in resources:
        yield f"{resources['accelerator']['resourceType']} {resources['accelerator']['resourceCount']}"
    if settings:
        yield f"has {' '.join(sorted(settings))}"


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(outline(compile_to(Path(scratch))))
