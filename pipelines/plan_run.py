"""Plans a run and prepares its data: checks, records, the sort of a small source, the trainings that remain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components import storage
from components.artifacts.evaluation import is_trained_and_evaluated
from components.artifacts.training_dir import REPORT_NAME
from components.core.text import counted
from components.launch.request import Placement
from components.nsynth.families import FAMILIES
from components.nsynth.sorted_set import SortedSet
from components.plan import run_plan
from components.plan.planned_training import PlannedTraining
from components.plan.run_plan import RunPlan
from components.plan.selection import select
from components.preflight.run import SampleTraining, check_run
from components.telemetry.task import task
from pipelines.registered import is_registered
from pipelines.run_trainings import Run


@dataclass(frozen=True)
class Request:
    """The parameters of the pipeline that the plan depends on; see `pipelines.train_instruments`."""

    source: str
    workspace: str
    families: Sequence[str]
    synths: Sequence[str]
    preset: str
    bindings: Sequence[str]
    tracking_uri: str
    sort_workers: int
    if_changed: bool
    gpus: str = ""
    queue: str = ""
    priority_class: str = ""


@dataclass(frozen=True)
class Planned:
    """What the other tasks of the run do.

    Attributes:
        trainings: The trainings that remain, each as a line (see `PlannedTraining`).
        shares: Shares of a large source, one for each pod that sorts; empty where everything is sorted.
        families: The families of the run: those to register.
        synths: The synths of the run.
        sorted_uri: Root of the sorted set.
        run_uri: The run's directory.
        gate_bindings: Gin bindings of the gate.
        source_fingerprints: See `RunPlan`.
        has_work: Whether anything is to be sorted, trained or registered.
    """

    trainings: list[str]
    shares: list[str]
    families: list[str]
    synths: list[str]
    sorted_uri: str
    run_uri: str
    gate_bindings: list[str]
    source_fingerprints: dict[str, str]
    has_work: bool


def plan_run(request: Request) -> Planned:
    """Checks a run's parameters, prepares and sorts its data, and selects what it trains.

    A source of less than two shares is sorted here, since further pods take longer to start than to copy.

    Raises:
        InputError: See `run_plan.plan`, `prepare`, `plan_shares`, `select`.
        StepError: Another sort holds the output.
    """
    with task("plan") as running:
        plan = run_plan.plan(
            request.source,
            request.workspace,
            request.families,
            request.synths,
            request.preset,
            request.bindings,
            request.if_changed,
        )
        sample = None if _is_trained(plan, request) else _sample(plan, request)
        check_run(request.workspace, request.tracking_uri, sample)
        what = f"{', '.join(plan.families) or 'every family'} x {', '.join(plan.synths)}"
        running.found(what, run_uri=plan.run_uri)
    shares = _sort(_prepare(request.source, plan), plan, request.sort_workers)
    with task("select") as running:
        trainings = _conditional(plan, request) if shares else _selected(plan, request)
        remaining = trainings if shares else _remaining(trainings)
        families = list(dict.fromkeys(each.family for each in trainings))
        done = [each.name for each in trainings if each not in remaining]
        has_work = bool(shares or remaining) or not _is_registered(plan, families, request.tracking_uri)
        running.found(_text(trainings, remaining, has_work, plan), families=families, done=done)
    return Planned(
        trainings=[each.to_text() for each in remaining],
        shares=shares,
        families=families,
        synths=plan.synths,
        sorted_uri=plan.sorted_uri,
        run_uri=plan.run_uri,
        gate_bindings=plan.gate_bindings,
        source_fingerprints=plan.source_fingerprints,
        has_work=has_work,
    )


def _sample(plan: RunPlan, request: Request) -> SampleTraining:
    """Returns one of the run's trainings."""
    placement = Placement.of_form(request.gpus, request.queue, request.priority_class)
    family = (plan.families or FAMILIES)[0]
    return SampleTraining(family, plan.synths[0], request.preset, tuple(plan.bindings), placement)


def _prepare(source_uri: str, plan: RunPlan) -> str:
    """Returns the URI of the run's records, which are made of a folder of recordings."""
    from components.nsynth.recordings import is_recordings
    from components.prepare import step

    with task("prepare") as running:
        if not is_recordings(source_uri):
            running.found(f"{source_uri} already has records")
            return source_uri
        result = step.prepare([source_uri], plan.records_uri, families=plan.families)
        running.found(result.summary(), advice=result.warnings())
        return plan.records_uri


def _sort(records_uri: str, plan: RunPlan, max_workers: int) -> list[str]:
    """Sorts the records; of a large source, returns the shares that other pods sort."""
    from components.sort import parallel_sort

    with task("sort") as running:
        shares = parallel_sort.plan_shares(records_uri, plan.sorted_uri, max_workers)
        if len(shares) > 1:
            running.found(f"{counted(len(shares), 'worker')} will sort")
            return shares
        parallel_sort.copy_share(plan.sorted_uri, shares[0])
        result = parallel_sort.commit_sorted_set(plan.sorted_uri)
        running.found(f"{result.summary()}: {', '.join(result.families(plan.families))}")
        return []


def _planned(families: Sequence[str], plan: RunPlan, request: Request) -> list[PlannedTraining]:
    bindings = tuple(plan.bindings)
    return [
        PlannedTraining(family, synth, plan.run_uri, plan.sorted_uri, request.preset, bindings)
        for family in families
        for synth in plan.synths
    ]


def _selected(plan: RunPlan, request: Request) -> list[PlannedTraining]:
    """Returns the trainings of the families of the sorted set; of those that are new, if only these are wanted."""
    families = plan.families or SortedSet.open(plan.sorted_uri).present("train")
    if not request.if_changed:
        return _planned(families, plan, request)
    found = select(plan.sorted_uri, families, plan.synths, request.preset, plan.bindings, request.tracking_uri)
    return [
        replace(each, warm_start=found.warm_starts.get(each.name, ""), others_uri=found.others_uri)
        for each in _planned(found.families, plan, request)
    ]


def _remaining(trainings: Sequence[PlannedTraining]) -> list[PlannedTraining]:
    return [each for each in trainings if not is_trained_and_evaluated(each.training_dir)]


def _conditional(plan: RunPlan, request: Request) -> list[PlannedTraining]:
    """Returns the trainings of a run whose data is not sorted yet: each decides when it begins whether there is any."""
    synths = tuple(plan.synths) if request.if_changed else ()
    return [
        replace(each, is_conditional=not plan.families, if_new_to=synths)
        for each in _planned(plan.families or FAMILIES, plan, request)
    ]


def _is_trained(plan: RunPlan, request: Request) -> bool:
    """Returns whether nothing will be trained, as far as that is known before the data is looked at."""
    trainings = _planned(plan.families, plan, request)
    return bool(trainings) and not request.if_changed and not _remaining(trainings)


def _is_registered(plan: RunPlan, families: Sequence[str], tracking_uri: str) -> bool:
    run = Run(plan.run_uri, families, plan.synths, plan.sorted_uri)
    return not families or is_registered(run, tracking_uri, plan.source_fingerprints, plan.gate_bindings)


def _text(
    trainings: Sequence[PlannedTraining], remaining: Sequence[PlannedTraining], has_work: bool, plan: RunPlan
) -> str:
    if not trainings:
        return "nothing new to train"
    families = ", ".join(dict.fromkeys(each.family for each in trainings))
    text = f"{families}: {len(remaining)} of {counted(len(trainings), 'training')} to do"
    if remaining:
        return text
    report_uri = storage.join(plan.run_uri, REPORT_NAME)
    return f"{text}; {'to register' if has_work else f'all registered, report {report_uri}'}"
