"""`luthier submit` against a stand-in of Kubeflow Pipelines that takes only what the real API takes."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.config.catalog import SYNTHS
from components.core.versions import TRAINING_VERSION
from components.nsynth.source_fingerprints import fingerprint_of_family, source_fingerprints
from components.registry import tags as tags_module
from tests.pipelines.workflow import Workflow, one_task

PARAMETERS = ("-p", "workspace=gs://b/w", "-p", "families=string,keyboard", "-p", "sort_workers=2")


def test_a_run_is_submitted_with_its_parameters_and_followed_to_its_end(kfp_api, luthier):
    workflow = one_task()
    workflow.task("prepare", cached=True)
    for _ in workflow.loop("each-synth", 2, "SUCCEEDED"):
        workflow.task("train")
    kfp_api.states = [("PENDING", Workflow()), ("RUNNING", one_task("RUNNING")), ("SUCCEEDED", workflow)]

    finished = luthier("submit", *PARAMETERS, "--experiment", "strings", "--name", "first")

    assert finished.code == 0, finished.err
    (run,) = kfp_api.made("runs")
    assert run["display_name"] == "first"
    assert run["runtime_config"]["parameters"] == {
        **{"workspace": "gs://b/w", "families": ["string", "keyboard"], "sort_workers": 2}
    }
    assert run["experiment_id"] == kfp_api.made("experiments")[0]["experiment_id"]
    assert kfp_api.made("experiments")[0]["display_name"] == "strings"
    url = f"{kfp_api.host}/#/runs/details/{run['run_id']}"
    assert finished.out.splitlines() == [f"submitted  {url}", f"succeeded  {url}"]
    shown = [line.split(maxsplit=2)[1:] for line in finished.err.splitlines()]
    assert shown == [
        *(["✓", f"{'plan':<28} after 1 min 0 s"], ["✓", f"{'prepare':<28} from the cache"]),
        *(["✓", f"{'train':<28} after 1 min 0 s"], ["✓", f"{'train (2)':<28} after 1 min 0 s"]),
    ]


def test_the_same_package_is_uploaded_once_and_named_after_the_commit(kfp_api, luthier, monkeypatch):
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "0123456789abcdef")
    for _ in range(2):
        assert luthier("submit", "--no-follow").code == 0
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "fedcba9876543210")
    assert luthier("submit", "--no-follow").code == 0

    (pipeline,) = kfp_api.made("pipelines")
    assert pipeline["display_name"] == "train-instruments" and "DDSP" in pipeline["description"]
    names = [version["display_name"].rsplit("-", 1)[0] for version in kfp_api.made("versions")]
    assert names == ["0123456789ab", "fedcba987654"]
    used = [run["pipeline_version_reference"]["pipeline_version_id"] for run in kfp_api.made("runs")]
    assert used[0] == used[1] != used[2]


def test_parameters_come_from_a_file_and_flags_stand_over_it(kfp_api, luthier, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("preset: seed\nfamilies: [flute]\nsort_workers: 3\n")
    finished = luthier(
        "submit", "--no-follow", "--params", file, "-p", "preset=smoke", "-p", 'bindings=["a.b = (1, 2)"]'
    )
    assert finished.code == 0, finished.err
    assert kfp_api.made("runs")[0]["runtime_config"]["parameters"] == {
        **{"preset": "smoke", "families": ["flute"], "sort_workers": 3, "bindings": ["a.b = (1, 2)"]}
    }


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("famlies=string", "did you mean 'families'?"),
        ("sort_workers=many", "got 'many', expected a whole number"),
        ("sort_workers", "expected name=value"),
        ('families={"a": 1}', None),
    ],
)
def test_a_wrong_parameter_is_one_line_before_anything_is_sent(kfp_api, luthier, refused, flag, said):
    if said is None:  # a list in words is a list, whatever the words
        assert luthier("submit", "--no-follow", "-p", flag).code == 0
        return
    assert said in refused("submit", "-p", flag)
    assert kfp_api.calls == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("[a, b]", "no mapping"), ("a: [", "cannot read"), ("sort_workers: true", "expected a whole number")],
)
def test_a_wrong_file_is_one_line(refused, kfp_api, tmp_path, text, said):
    file = tmp_path / "p.yaml"
    file.write_text(text)
    assert said in refused("submit", "--params", file)


def test_with_several_users_everything_happens_in_the_users_namespace(kfp_api, luthier, refused):
    kfp_api.multi_user = True
    assert "try --namespace" in refused("submit")
    assert "check your token and your namespace" in refused("submit", "--namespace", "bob")
    assert luthier("submit", "--namespace", "ada", "--no-follow").code == 0
    assert kfp_api.made("pipelines")[0]["namespace"] == kfp_api.made("experiments")[0]["namespace"] == "ada"


def test_a_token_is_sent_and_read_again_for_every_call(kfp_api, luthier, refused, tmp_path, monkeypatch):
    kfp_api.token = "first"
    assert "401" in refused("submit")
    token = tmp_path / "token"
    token.write_text("first")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    original = kfp_api._create

    def renewing(kind, body):
        kfp_api.token = "second"
        token.write_text("second")
        return original(kind, body)

    kfp_api._create = renewing
    assert luthier("submit", "--no-follow").code == 0
    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH")
    monkeypatch.setenv("KFP_TOKEN", "second")
    assert luthier("submit", "--no-follow").code == 0


def test_nobody_there_is_one_line(refused, monkeypatch):
    monkeypatch.delenv("KFP_HOST", raising=False)
    assert "port-forward" in refused("submit")
    assert "expected --host or KFP_HOST" in refused("submit", "--host", "localhost:8080")
    assert "check the URL and that it runs" in refused("submit", "--host", "http://127.0.0.1:9")
    assert "no file at" in refused("submit", "--host", "http://127.0.0.1:9", "--token-file", "/nowhere")


def test_a_server_that_refuses_or_breaks_is_one_line(kfp_api, luthier, refused):
    kfp_api.fail_on = ("POST", "/apis/v2beta1/runs")
    finished = luthier("submit")
    assert finished.code == 1
    assert "cannot submit the run: got 'the database is away' (500)" in finished.err
    kfp_api.fail_on = None
    assert "not found" in refused("submit", "--follow", "no-such-run")


def test_the_links_go_where_the_user_interface_is(kfp_api, luthier, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example/pipeline/")
    assert "https://kubeflow.example/pipeline/#/runs/details/runs-" in luthier("submit", "--no-follow").out


@pytest.fixture
def recordings(tmp_path):
    for family in ("string", "flute"):
        (tmp_path / "recordings" / family).mkdir(parents=True)
        (tmp_path / "recordings" / family / "a.wav").write_bytes(b"not listened to")
    return tmp_path / "recordings"


def register_all(tracking_uri, recordings, family, preset):
    """Registers a version of each synthesizer, with the tags that a training of the recordings would have now."""
    folder = Path(tracking_uri.removeprefix("sqlite:///")).parent
    folder.mkdir(exist_ok=True)
    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    tags = {
        "family": family,
        tags_module.SETTINGS_TAG: tags_module.settings_fingerprint(preset, []),
        tags_module.SOURCE_TAG: fingerprint_of_family(family, source_fingerprints(str(recordings))),
        tags_module.VERSION_TAG: str(TRAINING_VERSION),
    }
    client.create_registered_model(f"ddsp-{family}")
    for synth in SYNTHS:
        client.create_model_version(f"ddsp-{family}", str(folder), tags={**tags, "synth": synth})


def test_if_nothing_changed_nothing_is_submitted(kfp_api, luthier, registry, recordings):
    tracking_uri = registry
    wanted = ("submit", "--if-changed", "--no-follow", "-p", f"source={recordings}", "-p", "preset=smoke")
    wanted = (*wanted, "-p", f"tracking_uri={tracking_uri}", "-p", "families=string,flute")
    register_all(tracking_uri, recordings, "string", "smoke")

    finished = luthier(*wanted)
    assert finished.code == 0, finished.err
    assert finished.out.startswith("to train: flute: never trained\n")
    (run,) = kfp_api.made("runs")
    arguments = run["runtime_config"]["parameters"]
    assert arguments["families"] == ["flute"] and arguments["if_changed"] is True
    assert arguments["preset"] == "smoke"

    register_all(tracking_uri, recordings, "flute", "smoke")
    calls = list(kfp_api.calls)
    finished = luthier(*wanted)
    assert finished.code == 0
    assert finished.out.startswith("nothing new: string, flute of ") and finished.out.count("\n") == 1
    assert kfp_api.calls == calls
