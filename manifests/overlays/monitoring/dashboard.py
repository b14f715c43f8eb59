"""Generates dashboard.json, the Grafana dashboard. Run `make dashboard` after a change of this file.

A training can have several pods one after the other, so counters are summed over them after `rate`, and of gauges the
maximum is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, SortOrder, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
)

PATH = Path(__file__).with_name("dashboard.json")

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_TRAINING = "by (run, family, synth)"
_SELECTOR = '{namespace=~"$namespace", run=~"$run", family=~"$family", synth=~"$synth"}'
_NAME = "{{run}} {{family}} {{synth}}"
_SORT = '{namespace=~"$namespace", family=~"$family"}'
_JOBS = 'namespace=~"$namespace", job_name=~"luthier-.+"'
_PODS = 'namespace=~"$namespace", pod=~"luthier-.+"'


@dataclass(frozen=True)
class Graph:
    """A panel.

    Attributes:
        title: The title.
        unit: Grafana's name of the unit.
        queries: Legend to PromQL.
        about: Description of the panel.
        most: Upper end of the axis, if there is a natural one.
    """

    title: str
    unit: str
    queries: dict[str, str]
    about: str = ""
    most: float | None = None


def _rate(metric: str, by: str = _TRAINING, selector: str = _SELECTOR) -> str:
    return f"sum {by} (rate({metric}{selector}[$__rate_interval]))"


def _gauge(metric: str, function: str = "max", by: str = _TRAINING, selector: str = _SELECTOR) -> str:
    return f"{function} {by} ({metric}{selector})"


def _jobs(condition: str) -> str:
    return f"count({condition}) or vector(0)"


def _loss(split: str) -> str:
    return _gauge("luthier_train_loss", "avg", selector=_SELECTOR.replace("}", f', split="{split}"}}'))


def _p95(metric: str, selector: str) -> str:
    return f"histogram_quantile(0.95, sum by (le) (rate({metric}_bucket{selector}[$__rate_interval])))"


def _dcgm(metric: str) -> str:
    # Without honorLabels, `pod` is the pod of the exporter.
    theirs = f'label_replace({metric}{{exported_pod=~"luthier-.+"}}, "pod", "$1", "exported_pod", "(.+)")'
    return f'max by (pod, gpu) ({metric}{{pod=~"luthier-.+"}} or {theirs})'


ROWS: dict[str, list[Graph]] = {
    "Trainings": [
        Graph(
            "Loss on held-out notes",
            "none",
            {_NAME: _loss("valid")},
            "Spectral loss, every train.eval_every_steps steps. About 5 and below is good.",
        ),
        Graph("Training loss", "none", {_NAME: _loss("train")}, "Spectral loss, mean over an interval of steps."),
        Graph(
            "Progress",
            "percentunit",
            {_NAME: f"{_gauge('luthier_train_step')} / {_gauge('luthier_train_max_steps')}"},
            "Share of train.max_steps. A training can stop earlier: train.patience, train.max_minutes.",
            most=1,
        ),
        Graph(
            "Training throughput",
            "none",
            {_NAME: _rate("luthier_train_audio_seconds_total")},
            "Seconds of audio per second; comparable between batch sizes and crops.",
        ),
        Graph(
            "Time per step",
            "s",
            {
                _NAME: f"{_rate('luthier_train_step_seconds_sum')} / {_rate('luthier_train_step_seconds_count')}",
                "95th percentile of all": _p95("luthier_train_step_seconds", _SELECTOR),
            },
        ),
        Graph(
            "Input wait",
            "percentunit",
            {_NAME: f"{_rate('luthier_train_input_wait_seconds_total')} / {_rate('luthier_train_step_seconds_sum')}"},
            "Share of the time of steps. Above 0.3, give the pod more CPU.",
            most=1,
        ),
        Graph("Learning rate", "none", {_NAME: _gauge("luthier_train_learning_rate")}),
        Graph(
            "Age of the newest checkpoint",
            "s",
            {_NAME: _gauge("luthier_train_checkpoint_age_seconds", "min")},
            "The work that is repeated if the pod is lost.",
        ),
        Graph(
            "Restarts, rollbacks, traces",
            "none",
            {
                f"restarts {_NAME}": _gauge("luthier_train_restarts"),
                f"rollbacks {_NAME}": _gauge("luthier_train_rollbacks"),
                f"traces {_NAME}": _gauge("luthier_train_traces"),
            },
            "Rollback: diverged, returned to a checkpoint. More than 1 trace: a shape changes from step to step.",
        ),
    ],
    "GPUs": [
        Graph(
            "TensorFlow memory",
            "bytes",
            {f"{{{{kind}}}} {_NAME}": _gauge("luthier_train_gpu_memory_bytes", by="by (run, family, synth, kind)")},
        ),
        Graph(
            "Memory in use (DCGM)",
            "mbytes",
            {"{{pod}} GPU {{gpu}}": _dcgm("DCGM_FI_DEV_FB_USED")},
            "From NVIDIA's dcgm-exporter, if it runs.",
        ),
        Graph(
            "Utilisation (DCGM)",
            "percent",
            {"{{pod}} GPU {{gpu}}": _dcgm("DCGM_FI_DEV_GPU_UTIL")},
            "From NVIDIA's dcgm-exporter, if it runs.",
            most=100,
        ),
    ],
    "Queue": [
        Graph(
            "Jobs by state",
            "none",
            {
                "suspended (queued or paused)": _jobs(f"kube_job_status_suspended{{{_JOBS}}} == 1"),
                "waiting for a node": _jobs(
                    f"kube_job_status_active{{{_JOBS}}} > 0 and kube_job_status_ready{{{_JOBS}}} == 0"
                ),
                "running": _jobs(f"kube_job_status_ready{{{_JOBS}}} > 0"),
                "done": _jobs(f'kube_job_complete{{{_JOBS}, condition="true"}} == 1'),
                "failed": _jobs(f'kube_job_failed{{{_JOBS}, condition="true"}} == 1'),
            },
        ),
        Graph(
            "Pods waiting for a node",
            "s",
            {
                "{{pod}}": f"time() - max by (namespace, pod) (kube_pod_created{{{_PODS}}}) "
                f'and on (namespace, pod) kube_pod_status_phase{{{_PODS}, phase="Pending"}} == 1'
            },
            "Waiting time so far, including the time to pull the image.",
        ),
        Graph(
            "Time in the queue (Kueue)",
            "s",
            {
                "95th percentile of admitted": _p95("kueue_admission_wait_time_seconds", ""),
                "mean of admitted": "sum(rate(kueue_admission_wait_time_seconds_sum[$__rate_interval])) / "
                "sum(rate(kueue_admission_wait_time_seconds_count[$__rate_interval]))",
            },
            "Of all cluster queues, if Kueue runs.",
        ),
        Graph(
            "Workloads in the queue (Kueue)",
            "none",
            {"{{cluster_queue}} {{status}}": "sum by (cluster_queue, status) (kueue_pending_workloads)"},
        ),
    ],
    "Sort": [
        Graph("Records", "ops", {"{{family}}": _rate("luthier_sort_records_total", "by (family)", _SORT)}),
        Graph("Bytes", "Bps", {"{{family}}": _rate("luthier_sort_bytes_total", "by (family)", _SORT)}),
        Graph(
            "Quarantined records, retried requests",
            "none",
            {
                "quarantined {{split}}": _gauge(
                    "luthier_sort_quarantined_total", "sum", "by (split)", '{namespace=~"$namespace"}'
                ),
                "retries: {{operation}}": _rate(
                    "luthier_sort_retries_total", "by (operation)", '{namespace=~"$namespace"}'
                ),
            },
            "Records set aside by running sorts; retried requests to Cloud Storage per second.",
        ),
    ],
}


def _panel(graph: Graph, number: int, span: int) -> timeseries.Panel:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    tooltip = VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    panel = timeseries.Panel().id(number).title(graph.title).description(graph.about).unit(graph.unit)
    panel = panel.datasource(_SOURCE).span(span).height(8).min(0).legend(legend).tooltip(tooltip)
    if graph.most is not None:
        panel = panel.max(graph.most)
    for name, (legend_format, query) in zip("ABCDE", graph.queries.items(), strict=False):
        panel.with_target(prometheus.Dataquery().ref_id(name).expr(query).legend_format(legend_format).range())
    return panel


def _variable(name: str) -> dashboard.QueryVariable:
    query = f"label_values(luthier_train_max_steps, {name})"
    variable = dashboard.QueryVariable(name).label(name).datasource(_SOURCE).query(query)
    variable = variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True)
    # `.*` and not the list of values: series without the label are part of All as well.
    return variable.include_all(True).all_value(".*").current(VariableOption(text="All", value="$__all", selected=True))


def build() -> str:
    """Returns the dashboard's JSON."""
    board = dashboard.Dashboard("Luthier").uid("luthier").tags(["luthier"]).timezone("browser")
    board = board.time("now-6h", "now").refresh("30s").tooltip(DashboardCursorSync.CROSSHAIR)
    board = board.with_variable(dashboard.DatasourceVariable("datasource").label("data source").type("prometheus"))
    for name in ("namespace", "run", "family", "synth"):
        board = board.with_variable(_variable(name))
    numbers = count(1)
    for title, graphs in ROWS.items():
        board = board.with_row(dashboard.Row(title).id(next(numbers)))
        columns = 3 if len(graphs) % 3 == 0 else 4
        for graph in graphs:
            board = board.with_panel(_panel(graph, next(numbers), 24 // columns))
    return JSONEncoder(indent=1, sort_keys=True).encode(board.build()) + "\n"


if __name__ == "__main__":
    PATH.write_text(build())
