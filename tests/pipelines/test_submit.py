"""`luthier submit` against a stand-in of Kubeflow Pipelines that takes only what the real API takes."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from components import storage
from components.config.catalog import SYNTHS
from components.core.versions import TRAINING_VERSION
from components.nsynth.source_fingerprints import fingerprint_of_family, source_fingerprints
from components.registry import tags as tags_module
from pipelines import retries
from pipelines.kubeflow.client import Kubeflow
from pipelines.kubeflow.endpoint import _endpoint
from tests.pipelines.conftest import SUBMIT
from tests.pipelines.workflow import Workflow, one_task

PARAMETERS = ("-p", "workspace=gs://b/w", "-p", "families=string,keyboard", "-p", "sort_workers=2")


def submitted(kfp_api):
    return kfp_api.made("runs")[-1]["runtime_config"]["parameters"]


def test_a_run_is_submitted_with_its_parameters_and_followed_to_its_end(kfp_api, luthier):
    workflow = one_task()
    workflow.task("prepare", cached=True)
    logs = [
        "10:00:00 I components.telemetry.task: done: train string-harmonic: 30 steps\n",
        "10:00:00 E components.telemetry.task: failed: train string-wavetable: the Job was: deleted\nmore\n",
        "",
    ]
    for item in workflow.loop("trainings", 3, "SUCCEEDED"):
        workflow.task("train", log=logs[item])
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
        ["✓", f"{'train string-harmonic':<28} after 1 min 0 s: 30 steps"],
        ["✗", f"{'train string-wavetable':<28} after 1 min 0 s: the Job was: deleted"],
        ["✓", f"{'train (3)':<28} after 1 min 0 s"],
    ]


def test_a_dry_run_shows_what_would_be_submitted_and_sends_nothing(kfp_api, luthier, refused, monkeypatch):
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "0123456789abcdef")
    finished = luthier("submit", *PARAMETERS, "--dry-run")
    assert finished.code == 0 and {method for method, _ in kfp_api.calls} == {"GET"}
    first, version, experiment, parameters = finished.out.splitlines()
    assert first == "dry run: nothing was sent" and experiment == "experiment  luthier, would be created"
    assert version.startswith("version     0123456789ab-") and version.endswith(", would be uploaded")
    assert parameters == "parameters  families=string,keyboard sort_workers=2 workspace=gs://b/w"
    assert "there is no preset 'huge'" in refused("submit", *PARAMETERS, "-p", "preset=huge", "--dry-run")
    luthier("submit", *PARAMETERS, "--no-follow")
    assert "uploaded already" in luthier("submit", *PARAMETERS, "--dry-run").out


def test_the_same_package_is_uploaded_once_and_named_after_the_commit(kfp_api, luthier, monkeypatch):
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "0123456789abcdef")
    for _ in range(2):
        assert luthier(*SUBMIT, "--no-follow").code == 0
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "fedcba9876543210")
    assert luthier(*SUBMIT, "--no-follow").code == 0

    (pipeline,) = kfp_api.made("pipelines")
    assert pipeline["display_name"] == "train-instruments" and "DDSP" in pipeline["description"]
    names = [version["display_name"].rsplit("-", 1)[0] for version in kfp_api.made("versions")]
    assert names == ["0123456789ab", "fedcba987654"]
    used = [run["pipeline_version_reference"]["pipeline_version_id"] for run in kfp_api.made("runs")]
    assert used[0] == used[1] != used[2]


def test_parameters_come_from_a_file_and_flags_stand_over_it(kfp_api, luthier, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("preset: seed\nfamilies: [flute]\nsort_workers: 3\ngpus: 2\n")
    finished = luthier(*SUBMIT, "--no-follow", "--params", file, "-p", "preset=smoke")
    assert finished.code == 0, finished.err
    assert submitted(kfp_api) == {
        **{"workspace": "gs://b/w", "preset": "smoke", "families": ["flute"], "sort_workers": 3, "gpus": "2"}
    }


def test_the_environment_gives_what_neither_flags_nor_the_file_give(kfp_api, luthier, monkeypatch):
    given = {"WORKSPACE": "gs://b/w", "PRESET": "seed", "FAMILIES": "flute, reed", "SYNTHS": "", "IF_CHANGED": "true"}
    for name, value in given.items():
        monkeypatch.setenv(f"LUTHIER_{name}", value)
    assert luthier("submit", "--no-follow", "--params-from-environment", "-p", "preset=smoke").code == 0
    assert submitted(kfp_api) == {
        **{"workspace": "gs://b/w", "preset": "smoke", "families": ["flute", "reed"], "if_changed": True}
    }


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("train.max_steps = 3, gate.margin = 0.1", ["train.max_steps = 3", "gate.margin = 0.1"]),
        (
            "SpectralLoss.fft_sizes = (64, 32),train.max_steps=3",
            ["SpectralLoss.fft_sizes = (64, 32)", "train.max_steps=3"],
        ),
        ('["SpectralLoss.fft_sizes = (64, 32)"]', ["SpectralLoss.fft_sizes = (64, 32)"]),
    ],
)
def test_a_comma_in_a_binding_is_a_part_of_it(kfp_api, luthier, text, items):
    finished = luthier(*SUBMIT, "--no-follow", "-p", f"bindings={text}")
    assert finished.code == 0, finished.err
    assert submitted(kfp_api)["bindings"] == items


WRONG = {
    "famlies=string": "did you mean 'families'?",
    "sort_workers=many": "got 'many', expected a whole number",
    "sort_workers": "expected name=value",
    "sort_workers=0": "expected 1 or more",
    "workspace=": "parameter 'workspace' is empty",
    "workspace=/tmp/w": "pods cannot read a path of this machine, expected gs://bucket/prefix",
    "source=data": "pods cannot read a path of this machine",
    "workspace=gs://$(LUTHIER_WORKSPACE)": "got the placeholder '$('",
    "source=gs://b/{{$}}": "got the placeholder '{{'",
    "preset=smok": "did you mean 'smoke'?",
    "families=strnig": "did you mean 'string'?",
    'families={"a": 1}': "there is no instrument family",
    "families=[1]": "got [1], expected a list of texts",
    "synths=harmonics": "did you mean 'harmonic'?",
    "bindings=os.system = 1": "cannot be configured",
    "tracking_uri=sqlite:///m.db": "expected the URL of an MLflow server",
    "tracking_uri=http://localhost:5000": "a database or path of this machine is not one",
    "gpus=-1": "expected a whole number from 0, or nothing",
    "queue=a b": "parameter 'queue'",
    "priority_class=High!": "expected the name of a class",
    "memory_limit=lots": "expected an amount such as 8Gi",
}


@pytest.mark.parametrize("command", [SUBMIT, ("schedule", "--cron", "@daily", "-p", "workspace=gs://b/w")])
def test_a_wrong_parameter_is_one_line_before_anything_is_sent(kfp_api, refused, command):
    for flag, said in WRONG.items():
        assert said in refused(*command, "-p", flag), flag
    assert kfp_api.calls == []


@pytest.mark.parametrize("command", [("submit",), ("schedule", "--cron", "@daily", "-p", "if_changed=true")])
def test_no_workspace_is_one_line_before_anything_is_sent(kfp_api, refused, command):
    assert "parameter 'workspace' is empty" in refused(*command)
    assert kfp_api.calls == []


def test_an_image_without_its_registry_is_refused(kfp_api, refused, monkeypatch):
    for image in ("luthier-train:0.1.0", "audio/luthier-train"):
        monkeypatch.setenv("LUTHIER_TRAIN_IMAGE", image)
        said = refused(*SUBMIT)
        assert f"LUTHIER_TRAIN_IMAGE is '{image}'" in said and f"docker.io/library/{image}" in said
    assert kfp_api.calls == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a, b]", "no mapping"),
        ("a: [", "cannot read"),
        ("sort_workers: true", "expected a whole number"),
        ("families: [string, no]", "got ['string', False], expected a list of texts: a,b or JSON; quote words"),
    ],
)
def test_a_wrong_file_is_one_line(refused, kfp_api, tmp_path, text, said):
    file = tmp_path / "p.yaml"
    file.write_text(text)
    assert said in refused(*SUBMIT, "--params", file)


def test_with_several_users_everything_happens_in_the_users_namespace(kfp_api, luthier, refused):
    kfp_api.multi_user = True
    assert "try --namespace" in refused(*SUBMIT)
    assert "check your token and your namespace" in refused(*SUBMIT, "--namespace", "bob")
    assert luthier(*SUBMIT, "--namespace", "ada", "--no-follow").code == 0
    assert kfp_api.made("pipelines")[0]["namespace"] == kfp_api.made("experiments")[0]["namespace"] == "ada"


def test_a_token_is_sent_and_read_again_for_every_call(kfp_api, luthier, refused, tmp_path, monkeypatch):
    kfp_api.token = "first"
    assert "401" in refused(*SUBMIT)
    token = tmp_path / "token"
    token.write_text("first")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    original = kfp_api._create

    def renewing(kind, body):
        kfp_api.token = "second"
        token.write_text("second")
        return original(kind, body)

    kfp_api._create = renewing
    assert luthier(*SUBMIT, "--no-follow").code == 0
    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH")
    monkeypatch.setenv("KFP_TOKEN", "second")
    assert luthier(*SUBMIT, "--no-follow").code == 0


def test_nobody_there_is_one_line(refused, images, monkeypatch):
    monkeypatch.delenv("KFP_HOST", raising=False)
    assert "port-forward" in refused(*SUBMIT)
    assert "expected --host or KFP_HOST" in refused(*SUBMIT, "--host", "localhost:8080")
    assert "check the URL and that it runs" in refused(*SUBMIT, "--host", "http://127.0.0.1:9")
    assert "no file at" in refused(*SUBMIT, "--host", "http://127.0.0.1:9", "--token-file", "/nowhere")


def test_a_scheduled_submit_waits_for_an_api_that_is_away(kfp_api, luthier, monkeypatch):
    monkeypatch.setattr(retries, "SCHEDULED_PAUSES_S", (0.0, 0.0))
    kfp_api.outages = 2
    assert luthier(*SUBMIT, "--no-follow").code == 2
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    kfp_api.outages = 2
    finished = luthier(*SUBMIT, "--no-follow")
    assert finished.code == 0, finished.err
    assert finished.err.count("trying again in 0 s") == 2 and len(kfp_api.made("runs")) == 1


def test_a_server_that_refuses_or_breaks_is_one_line(kfp_api, luthier, refused):
    kfp_api.fail_on = ("POST", "/apis/v2beta1/runs")
    finished = luthier(*SUBMIT)
    assert finished.code == 1
    assert "cannot submit the run: got 'the database is away' (500)" in finished.err
    kfp_api.fail_on = None
    assert "not found" in refused("submit", "--follow", "no-such-run")


def test_the_links_go_where_the_user_interface_is(kfp_api, luthier, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example/pipeline/")
    assert "https://kubeflow.example/pipeline/#/runs/details/runs-" in luthier(*SUBMIT, "--no-follow").out


def test_inside_a_cluster_the_run_has_a_name_instead_of_a_link_that_nobody_can_open():
    def page(host, ui_host=""):
        return Kubeflow(None, _endpoint(host, ui_host, "", None, None), None).page("runs", "details", "1f0c")

    for host in ("http://ml-pipeline.kubeflow.svc.cluster.local:8888", "http://ml-pipeline:8888"):
        assert page(host) == "1f0c (for a link, set KF_PIPELINES_UI_ENDPOINT to the URL of Kubeflow's UI)"
        assert page(host, "https://kubeflow.example") == "https://kubeflow.example/#/runs/details/1f0c"
    for host in ("http://localhost:8080", "http://10.0.0.1:80", "https://kubeflow.example"):
        assert page(host) == f"{host}/#/runs/details/1f0c"


@pytest.fixture
def recordings(gcs):
    uri = f"{gcs.bucket()}/recordings"
    for family in ("string", "flute"):
        storage.write_bytes(f"{uri}/{family}/a.wav", b"not listened to")
    return uri


def register_all(tracking_uri, recordings, family, preset):
    """Registers a version of each synthesizer, with the tags that a training of the recordings would have now."""
    folder = Path(tracking_uri.removeprefix("sqlite:///")).parent
    folder.mkdir(exist_ok=True)
    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    tags = {
        "family": family,
        tags_module.SETTINGS_TAG: tags_module.settings_fingerprint(preset, []),
        tags_module.SOURCE_TAG: fingerprint_of_family(family, source_fingerprints(recordings)),
        tags_module.VERSION_TAG: str(TRAINING_VERSION),
    }
    client.create_registered_model(f"ddsp-{family}")
    for synth in SYNTHS:
        client.create_model_version(f"ddsp-{family}", str(folder), tags={**tags, "synth": synth})


def test_if_nothing_changed_nothing_is_submitted(kfp_api, luthier, registry, recordings, monkeypatch):
    wanted = (*SUBMIT, "--if-changed", "--no-follow", "-p", f"source={recordings}", "-p", "preset=smoke")
    wanted = (*wanted, "-p", "tracking_uri=http://mlflow.luthier:5000", "-p", "families=string,flute")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    register_all(registry, recordings, "string", "smoke")

    finished = luthier(*wanted)
    assert finished.code == 0, finished.err
    assert finished.out.startswith("to train: flute: never trained\n")
    arguments = submitted(kfp_api)
    assert arguments["families"] == ["flute"] and arguments["if_changed"] is True
    assert (arguments["preset"], arguments["tracking_uri"]) == ("smoke", "http://mlflow.luthier:5000")

    register_all(registry, recordings, "flute", "smoke")
    calls = list(kfp_api.calls)
    finished = luthier(*wanted)
    assert finished.code == 0
    assert finished.out.startswith("nothing new: string, flute of ") and finished.out.count("\n") == 1
    assert kfp_api.calls == calls
