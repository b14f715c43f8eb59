"""The process in which KFP's local runner executes the pipeline: `python -m pipelines.run.runner REQUEST.json`.

A process of its own, because the runner prints every task's inputs and logs: its output goes to the log file.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

from components.telemetry import log, parent_watch, progress

_CACHE_HIT = re.compile(r"^Task (\S+) cache hit")


def _report_cache_hit(record: logging.LogRecord) -> bool:
    """Reports a task that KFP took from its cache: its body does not run, so it cannot report itself.

    A filter and not a handler, because the local runner replaces the root logger's handlers while a task runs.
    """
    hit = _CACHE_HIT.match(record.getMessage())
    if hit:
        progress.emit("reused", title=hit.group(1))
    return True


def run(package: Path, arguments: dict[str, Any], state: Path) -> None:
    """Executes a compiled pipeline and raises if a task fails.

    Args:
        package: The pipeline's YAML.
        arguments: Its parameters.
        state: Folder for KFP's outputs and cache.
    """
    from kfp import components, local

    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addFilter(_report_cache_hit)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(state / "outputs"),
        enable_caching=True,
        cache_root=str(state / "cache"),
    )
    components.load_component_from_file(str(package))(**arguments)


def main() -> None:
    """Reads the request that `luthier run` wrote."""
    log.setup()
    parent_watch.watch()
    request = json.loads(Path(sys.argv[1]).read_text())
    run(Path(request["package"]), request["arguments"], Path(request["state"]))


if __name__ == "__main__":
    main()
