"""The task `plan`, and what it leaves to other tasks: the sort of a large source, and trainings that fail."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from components import storage
from components.artifacts import evaluation, failure
from components.artifacts.failure import Failure
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError, NoAnswerError, StepError
from components.launch.request import Placement
from components.nsynth.sorted_set import SortedSet
from components.plan.planned_training import PlannedTraining
from components.sort import parallel_sort, units
from pipelines import plan_run as plan_module
from pipelines import registered, retries, run_trainings, train_planned
from pipelines.plan_run import Request, plan_run
from pipelines.run_trainings import Run, raise_failures
from tests.notes import make_note, write_source
from tests.records import finished_record

NOTES = [make_note(family, pitch) for pitch in (50, 62) for family in ("string", "keyboard")]


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.plan_run.check_run", lambda *_, **__: None)
    source = write_source(tmp_path / "source", {"train": NOTES}, shards=4)
    return Request(
        source=source,
        workspace=str(tmp_path / "workspace"),
        families=[],
        synths=["harmonic", "wavetable"],
        preset="smoke",
        bindings=["train.max_steps = 3"],
        tracking_uri=f"sqlite:///{tmp_path}/none.db",
        sort_workers=4,
        if_changed=False,
    )


@pytest.fixture
def large(monkeypatch):
    """Every source is a large one."""
    monkeypatch.setattr(units, "PART_BYTES", 1000)
    monkeypatch.setattr(parallel_sort, "SHARE_BYTES", 1000)


def trainings(planned):
    return [PlannedTraining.from_text(text) for text in planned.trainings]


def test_a_small_source_is_sorted_at_once_and_finished_trainings_are_left_out(request_, monkeypatch):
    planned = plan_run(request_)
    assert (planned.shares, planned.families) == ([], ["keyboard", "string"])
    assert [each.name for each in trainings(planned)] == [
        *("keyboard-harmonic", "keyboard-wavetable", "string-harmonic", "string-wavetable")
    ]
    assert trainings(planned)[0].bindings == ("train.max_steps = 3",)
    assert not any(each.is_conditional or each.if_new_to for each in trainings(planned))
    monkeypatch.setattr(plan_module, "is_trained_and_evaluated", lambda training: training.name != "string-wavetable")
    again = plan_run(request_)
    assert [each.name for each in trainings(again)] == ["string-wavetable"]
    assert again.families == ["keyboard", "string"]  # all of them are registered and compared


@pytest.fixture
def finished(request_, tmp_path, monkeypatch):
    """A run whose trainings are all done, and MLflow with their versions; returns the run and its plan."""
    from components.registry.aliases import model_name
    from components.registry.client import open_for_writing

    request = replace(request_, tracking_uri=f"sqlite:///{tmp_path}/mlflow/mlflow.db")
    planned = plan_run(request)
    run = Run(planned.run_uri, planned.families, planned.synths, planned.sorted_uri)
    for family in run.families:
        for each in run.trainings(family):
            storage.write_json(each.evaluation_uri, {"of": each.name})
    for module in (plan_module, run_trainings):
        monkeypatch.setattr(module, "is_trained_and_evaluated", lambda _: True)
    with open_for_writing(request.tracking_uri, "luthier") as (client, _):
        for family in run.families:
            client.create_registered_model(model_name(family))
            for _ in run.synths:
                client.create_model_version(model_name(family), f"{tmp_path}/model")
    return request, planned, run, client


def test_a_run_has_work_until_all_of_it_is_registered(finished, monkeypatch):
    request, planned, run, client = finished
    assert planned.has_work and plan_run(request).has_work  # trained, and not registered yet

    def register():
        found = registered.fingerprint_of(run, request.tracking_uri, planned.source_fingerprints, planned.gate_bindings)
        registered.write(run, found, {family: [1, 2] for family in run.families})

    register()
    assert not plan_run(request).has_work
    assert plan_run(replace(request, bindings=[*request.bindings, "gate.margin = 0.5"])).has_work
    assert plan_run(replace(request, synths=["harmonic"])).has_work  # its report has fewer models
    storage.write_json(run.trainings("string")[0].evaluation_uri, {"of": "a new evaluation"})
    assert plan_run(request).has_work
    register()
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "0123456789abcdef")  # a new release writes another report
    assert plan_run(request).has_work
    register()
    assert not plan_run(request).has_work
    client.delete_model_version("ddsp-string", "2")
    assert plan_run(request).has_work


@pytest.mark.parametrize("content", [b"", b"[]", b'{"registration": 1}', b'{"versions": {"string": "x"}}'])
def test_a_damaged_record_of_a_registration_counts_as_none(finished, content):
    request, _, run, _ = finished
    storage.write_bytes(storage.join(run.run_uri, registered.FILE_NAME), content)
    assert plan_run(request).has_work


def test_the_cluster_is_not_asked_about_jobs_where_nothing_is_to_be_trained(finished, monkeypatch):
    request, _, run, _ = finished
    asked = []
    monkeypatch.setattr(plan_module, "check_run", lambda _, __, training: asked.append(training))
    plan_run(replace(request, families=run.families))
    plan_run(request)  # the families are not known before the source is sorted
    monkeypatch.setattr(plan_module, "is_trained_and_evaluated", lambda _: False)
    plan_run(replace(request, families=run.families))
    assert [training is None for training in asked] == [True, False, False]


def test_a_large_source_is_sorted_by_others_and_the_last_one_commits(request_, large):
    planned = plan_run(request_)
    assert len(planned.shares) == 4 and planned.has_work
    assert {each.is_conditional for each in trainings(planned)} == {True}
    for share in planned.shares:
        with pytest.raises(InputError):
            SortedSet.open(planned.sorted_uri)
        parallel_sort.copy_share(planned.sorted_uri, share)
        parallel_sort.commit_complete_splits(planned.sorted_uri)
    assert SortedSet.open(planned.sorted_uri).present("train") == ["keyboard", "string"]
    assert plan_run(request_).shares == []


def test_trainings_of_a_large_source_decide_for_themselves(request_, large, registry):
    planned = plan_run(replace(request_, if_changed=True))
    for share in planned.shares:
        parallel_sort.copy_share(planned.sorted_uri, share)
    parallel_sort.commit_sorted_set(planned.sorted_uri)
    by_name = {each.name: each for each in trainings(planned)}
    assert by_name["string-harmonic"].if_new_to == ("harmonic", "wavetable")
    done = train_planned.train_planned(by_name["organ-harmonic"], Placement(), registry)
    assert done == "the source has no organ"
    assert isinstance(train_planned._decided(by_name["string-harmonic"], registry), PlannedTraining)


def test_a_family_that_was_asked_for_and_is_missing_is_an_error(request_):
    with pytest.raises(InputError, match="there is no organ in the source's train split, only"):
        plan_run(replace(request_, families=["organ"]))


@pytest.fixture
def training(tmp_path):
    return PlannedTraining("string", "harmonic", str(tmp_path / "run"), str(tmp_path / "sorted"), "smoke")


@pytest.fixture
def trains(monkeypatch):
    """Replaces the work of a training."""
    monkeypatch.setattr("components.launch.request.TrainingRequest.checked", lambda **given: SimpleNamespace(**given))

    def with_(work):
        monkeypatch.setattr("components.launch.local_process.train", work)

    return with_


def failing(error):
    def work(_):
        raise error

    return work


def test_a_failure_is_kept_until_the_training_succeeds(training, trains, monkeypatch):
    run = Run(training.run_uri, ["string"], ["harmonic", "wavetable"], "")
    for error, expected in (
        (StepError("Job x was deleted"), StepError),
        (OSError("no space"), StepError),
        (InputError("no notes"), InputError),
    ):
        trains(failing(error))
        assert "failed: " in train_planned.train_planned(training, Placement(), "")
        with pytest.raises(expected, match=r"string-harmonic: .*(deleted|OSError: no space|no notes)"):
            raise_failures(run)
    other = TrainingDir.of(training.run_uri, "string", "wavetable")
    failure.write(other, Failure("diverged", input_fault=False))
    with pytest.raises(StepError, match=r"string-harmonic: no notes \(failed as well: string-wavetable\)"):
        raise_failures(run)
    monkeypatch.setattr(evaluation, "read", lambda _: SimpleNamespace(text=lambda: "2 notes"))
    trains(lambda _: finished_record("string", "harmonic"))
    assert train_planned.train_planned(training, Placement(), "").record.family == "string"
    assert failure.read(training.training_dir) is None and list(run.failed()) == ["string-wavetable"]


def test_a_training_that_is_asked_to_stop_is_no_failure(training, trains):
    trains(failing(SystemExit(75)))
    with pytest.raises(SystemExit):
        train_planned.train_planned(training, Placement(), "")
    assert failure.read(training.training_dir) is None


def test_text_that_is_no_planned_training_is_refused():
    for text in ("", "[]", "{}", '{"family": "string", "colour": "red"}'):
        with pytest.raises(InputError, match="is not a training of a run's plan"):
            PlannedTraining.from_text(text)


def test_in_a_cluster_what_may_be_somebody_elses_fault_is_repeated(monkeypatch):
    attempts = []
    monkeypatch.setattr(retries, "PAUSES_S", (0.0, 0.0))

    def work(error):
        attempts.append(error)
        if len(attempts) < 3:
            raise error
        return "done"

    with pytest.raises(OSError, match="away"):
        retries.with_retries(lambda: work(OSError("away")))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    for error in (OSError("away"), NoAnswerError("cannot reach MLflow")):
        attempts.clear()
        assert retries.with_retries(lambda error=error: work(error)) == "done"
    attempts.clear()
    with pytest.raises(InputError):
        retries.with_retries(lambda: work(InputError("no such preset")))
    assert len(attempts) == 1
