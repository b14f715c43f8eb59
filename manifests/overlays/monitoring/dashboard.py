"""Writes dashboard.json, the Grafana dashboard: `make dashboard`, after a change in here.

Pods come and go under a training, so its counters are summed over them after `rate`, and its gauges compared.
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
_WHO = '{namespace=~"$namespace", run=~"$run", family=~"$family", synth=~"$synth"}'
_NAME = "{{run}} {{family}} {{synth}}"
_SORT = '{namespace=~"$namespace", family=~"$family"}'
_OURS = 'namespace=~"$namespace", job_name=~"luthier-.+"'
_OUR_PODS = 'namespace=~"$namespace", pod=~"luthier-.+"'


@dataclass(frozen=True)
class Graph:
    """A panel.

    Attributes:
        title: What it shows.
        unit: Grafana's name of the unit.
        queries: Legend to PromQL.
        about: What a reader should know, shown behind the panel's (i).
        most: Upper end of the axis, where there is a natural one.
    """

    title: str
    unit: str
    queries: dict[str, str]
    about: str = ""
    most: float | None = None


def _rate(metric: str, by: str = _TRAINING, who: str = _WHO) -> str:
    return f"sum {by} (rate({metric}{who}[$__rate_interval]))"


def _gauge(metric: str, function: str = "max", by: str = _TRAINING, who: str = _WHO) -> str:
    return f"{function} {by} ({metric}{who})"


def _jobs(condition: str) -> str:
    return f"count({condition}) or vector(0)"


def _loss(split: str) -> str:
    return _gauge("luthier_train_loss", "avg", who=_WHO.replace("}", f', split="{split}"}}'))


def _p95(metric: str, who: str) -> str:
    return f"histogram_quantile(0.95, sum by (le) (rate({metric}_bucket{who}[$__rate_interval])))"


def _dcgm(metric: str) -> str:
    # Scraped without honorLabels, `pod` is the exporter's own.
    theirs = f'label_replace({metric}{{exported_pod=~"luthier-.+"}}, "pod", "$1", "exported_pod", "(.+)")'
    return f'max by (pod, gpu) ({metric}{{pod=~"luthier-.+"}} or {theirs})'


ROWS: dict[str, list[Graph]] = {
    "Trainings": [
        Graph(
            "Loss on held-out notes",
            "none",
            {_NAME: _loss("valid")},
            "Spectral loss, every train.eval_every_steps. About 5 and below is good; what counts for the champion.",
        ),
        Graph("Loss in training", "none", {_NAME: _loss("train")}, "Spectral loss, mean of an interval of steps."),
        Graph(
            "Progress",
            "percentunit",
            {_NAME: f"{_gauge('luthier_train_step')} / {_gauge('luthier_train_max_steps')}"},
            "Steps done of train.max_steps. It may stop earlier: train.patience, train.max_minutes.",
            most=1,
        ),
        Graph(
            "Audio trained on",
            "none",
            {_NAME: _rate("luthier_train_audio_seconds_total")},
            "Seconds of audio a second: comparable between batch sizes and crops.",
        ),
        Graph(
            "Time of a step",
            "s",
            {
                _NAME: f"{_rate('luthier_train_step_seconds_sum')} / {_rate('luthier_train_step_seconds_count')}",
                "95 % of all": _p95("luthier_train_step_seconds", _WHO),
            },
        ),
        Graph(
            "Waiting for the input",
            "percentunit",
            {_NAME: f"{_rate('luthier_train_input_wait_seconds_total')} / {_rate('luthier_train_step_seconds_sum')}"},
            "Share of the steps' time. Above 0.3 the GPU starves: more CPU for the pod.",
            most=1,
        ),
        Graph("Learning rate", "none", {_NAME: _gauge("luthier_train_learning_rate")}),
        Graph(
            "Age of the newest checkpoint",
            "s",
            {_NAME: _gauge("luthier_train_checkpoint_age_seconds", "min")},
            "The work that a lost pod would repeat.",
        ),
        Graph(
            "Restarts, rollbacks, traces",
            "none",
            {
                f"restarts {_NAME}": _gauge("luthier_train_restarts"),
                f"rollbacks {_NAME}": _gauge("luthier_train_rollbacks"),
                f"traces {_NAME}": _gauge("luthier_train_traces"),
            },
            "Rollback: it diverged and went back to a checkpoint. Traces above 1: a shape changes from step to step.",
        ),
    ],
    "GPUs": [
        Graph(
            "Memory that TensorFlow uses",
            "bytes",
            {f"{{{{kind}}}} {_NAME}": _gauge("luthier_train_gpu_memory_bytes", by="by (run, family, synth, kind)")},
        ),
        Graph(
            "Memory in use (DCGM)",
            "mbytes",
            {"{{pod}} GPU {{gpu}}": _dcgm("DCGM_FI_DEV_FB_USED")},
            "Of NVIDIA's dcgm-exporter, where it runs.",
        ),
        Graph(
            "Utilisation (DCGM)",
            "percent",
            {"{{pod}} GPU {{gpu}}": _dcgm("DCGM_FI_DEV_GPU_UTIL")},
            "Of NVIDIA's dcgm-exporter, where it runs.",
            most=100,
        ),
    ],
    "Queue": [
        Graph(
            "Jobs by state",
            "none",
            {
                "suspended: queued or paused": _jobs(f"kube_job_status_suspended{{{_OURS}}} == 1"),
                "waiting for a node": _jobs(
                    f"kube_job_status_active{{{_OURS}}} > 0 and kube_job_status_ready{{{_OURS}}} == 0"
                ),
                "running": _jobs(f"kube_job_status_ready{{{_OURS}}} > 0"),
                "done": _jobs(f'kube_job_complete{{{_OURS}, condition="true"}} == 1'),
                "failed": _jobs(f'kube_job_failed{{{_OURS}, condition="true"}} == 1'),
            },
        ),
        Graph(
            "Pods waiting for a node",
            "s",
            {
                "{{pod}}": f"time() - max by (namespace, pod) (kube_pod_created{{{_OUR_PODS}}}) "
                f'and on (namespace, pod) kube_pod_status_phase{{{_OUR_PODS}, phase="Pending"}} == 1'
            },
            "How long each has waited so far; a pod that is pulling its image counts too.",
        ),
        Graph(
            "Time in the queue (Kueue)",
            "s",
            {
                "95 % of admitted": _p95("kueue_admission_wait_time_seconds", ""),
                "mean of admitted": "sum(rate(kueue_admission_wait_time_seconds_sum[$__rate_interval])) / "
                "sum(rate(kueue_admission_wait_time_seconds_count[$__rate_interval]))",
            },
            "Of all cluster queues, where Kueue runs.",
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
            "Set aside, and requests made again",
            "none",
            {
                "set aside {{split}}": _gauge(
                    "luthier_sort_quarantined_total", "sum", "by (split)", '{namespace=~"$namespace"}'
                ),
                "again: {{operation}}": _rate(
                    "luthier_sort_retries_total", "by (operation)", '{namespace=~"$namespace"}'
                ),
            },
            "Records set aside by the sorts that run now; requests to Cloud Storage made again, a second.",
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
    # `.*`, not every value by name: what has no such label is part of all, too.
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
