"""The process in which KFP's local runner executes the pipeline: `python -m pipelines.run.runner REQUEST.json`.

A process of its own, because the runner prints every task's inputs and logs: its output goes to the log file.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from components.telemetry import log, parent_watch


def run(package: Path, arguments: dict[str, Any], state: Path) -> None:
    """Executes a compiled pipeline and raises if a task fails.

    Args:
        package: The pipeline's YAML.
        arguments: Its parameters.
        state: Folder for KFP's outputs.
    """
    from kfp import components, local

    logging.getLogger().setLevel(logging.INFO)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(state / "outputs"),
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
