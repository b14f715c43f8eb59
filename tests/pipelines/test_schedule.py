"""`luthier schedule` against a stand-in of Kubeflow Pipelines: one recurring run of a name, as the options say."""

import json

import pytest

from components.core.errors import InputError
from pipelines.schedule.cron import six_fields

PARAMETERS = ("-p", "workspace=gs://b/w", "-p", "preset=seed", "-p", "families=string")
NIGHTLY = ("schedule", "--cron", "0 3 * * *", *PARAMETERS)
DELETE = ("DELETE", "/apis/v2beta1/recurringruns/{recurring_run_id}")


def only(kfp_api):
    (found,) = kfp_api.made("recurring_runs")
    return found


def changes(kfp_api):
    return [call for call in kfp_api.calls if call[0] != "GET" and "recurringruns" in call[1]]


def test_a_schedule_is_made_as_the_options_say(kfp_api, luthier):
    finished = luthier(*NIGHTLY, "--service-account", "luthier")
    assert finished.code == 0, finished.err
    made = only(kfp_api)
    assert made["display_name"] == "luthier-retrain"
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert made["runtime_config"]["parameters"] == {
        **{"workspace": "gs://b/w", "preset": "seed", "families": ["string"]}
    }
    assert (made["mode"], made["max_concurrency"], made["no_catchup"]) == ("ENABLE", "1", True)
    assert made["service_account"] == "luthier"
    url = f"{kfp_api.host}/#/recurringrun/details/{made['recurring_run_id']}"
    assert finished.out == f"luthier-retrain created: cron '0 0 3 * * *', {url}\n"


def test_unchanged_it_is_left_alone(kfp_api, luthier):
    luthier(*NIGHTLY)
    before = changes(kfp_api)
    finished = luthier(*NIGHTLY)
    assert "luthier-retrain unchanged: cron" in finished.out
    assert changes(kfp_api) == before


@pytest.mark.parametrize(
    "change", [("--cron", "0 4 * * *"), ("-p", "sort_workers=2"), ("--experiment", "other"), ("--service-account", "x")]
)
def test_changed_it_is_replaced_and_never_missing(kfp_api, luthier, change):
    luthier(*NIGHTLY)
    first = only(kfp_api)
    finished = luthier(*NIGHTLY, *change)
    assert "luthier-retrain replaced: cron" in finished.out
    assert only(kfp_api)["recurring_run_id"] != first["recurring_run_id"]
    assert [method for method, _ in changes(kfp_api)] == ["POST", "POST", "DELETE"]


def test_a_new_package_replaces_it(kfp_api, luthier, monkeypatch):
    luthier(*NIGHTLY)
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "0123456789abcdef")
    assert "replaced" in luthier(*NIGHTLY).out
    used = only(kfp_api)["pipeline_version_reference"]["pipeline_version_id"]
    assert used == kfp_api.made("versions")[-1]["pipeline_version_id"] and len(kfp_api.made("versions")) == 2


def test_a_replacement_that_broke_in_the_middle_is_completed(kfp_api, luthier):
    luthier(*NIGHTLY)
    kfp_api.fail_on = DELETE
    broken = luthier(*NIGHTLY, "--cron", "0 4 * * *")
    assert broken.code == 1 and "cannot remove the schedule" in broken.err
    assert len(kfp_api.made("recurring_runs")) == 2
    kfp_api.fail_on = None
    assert "unchanged, 1 more of that name removed" in luthier(*NIGHTLY, "--cron", "0 4 * * *").out
    assert only(kfp_api)["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"


def test_several_of_a_name_become_one(kfp_api, luthier):
    luthier(*NIGHTLY)
    one = only(kfp_api)
    for _ in range(4):
        kfp_api.add("recurring_runs", "recurring_run_id", one | {"description": "by hand"})
    assert "unchanged, 4 more of that name removed" in luthier(*NIGHTLY).out
    assert only(kfp_api) == one


def test_suspended_it_rests_even_when_it_is_replaced_until_it_is_resumed(kfp_api, luthier):
    luthier(*NIGHTLY)
    assert "luthier-retrain suspended: suspended" in luthier(*NIGHTLY, "--suspend").out
    assert only(kfp_api)["mode"] == "DISABLE"
    assert "unchanged: suspended" in luthier(*NIGHTLY).out
    assert "replaced: suspended" in luthier(*NIGHTLY, "--cron", "0 4 * * *").out
    assert only(kfp_api)["mode"] == "DISABLE"
    assert "resumed: cron" in luthier(*NIGHTLY, "--cron", "0 4 * * *", "--resume").out
    assert only(kfp_api)["mode"] == "ENABLE"


def test_removed_it_is_gone_and_the_others_are_not(kfp_api, luthier):
    luthier(*NIGHTLY)
    luthier(*NIGHTLY, "--name", "weekly")
    assert luthier("schedule", "--remove").out == "luthier-retrain removed\n"
    assert only(kfp_api)["display_name"] == "weekly"
    assert luthier("schedule", "--remove").out == "luthier-retrain does not exist: nothing to remove\n"


def test_a_schedule_of_another_pipeline_is_not_touched(kfp_api, luthier, refused):
    luthier(*NIGHTLY)
    foreign = only(kfp_api) | {"pipeline_version_reference": {"pipeline_id": "other", "pipeline_version_id": "1"}}
    kfp_api.kinds["recurring_runs"][foreign["recurring_run_id"]] = foreign
    for arguments in (NIGHTLY, ("schedule", "--remove")):
        assert "belongs to another pipeline" in refused(*arguments)
    assert only(kfp_api) == foreign


def test_a_dry_run_says_what_would_change_and_changes_nothing(kfp_api, luthier):
    def tried(*more):
        before = [call for call in kfp_api.calls if call[0] != "GET"]
        finished = luthier(*NIGHTLY, *more, "--dry-run")
        assert finished.code == 0 and [call for call in kfp_api.calls if call[0] != "GET"] == before
        return finished.out

    assert tried() == "luthier-retrain would be created: cron '0 0 3 * * *'\n"
    luthier(*NIGHTLY)
    assert tried() == "luthier-retrain would stay unchanged: cron '0 0 3 * * *'\n"
    assert tried("--suspend") == "luthier-retrain would become: suspended, 0 more of that name removed\n"
    assert tried("-p", "preset=smoke") == "luthier-retrain would be replaced: cron '0 0 3 * * *'\n"
    assert luthier("schedule", "--remove", "--dry-run").out == "luthier-retrain would be removed\n"
    assert only(kfp_api)


def test_schedules_are_listed(kfp_api, luthier):
    assert luthier("schedule", "--list").out == "no recurring runs\n"
    luthier(*NIGHTLY)
    luthier(*NIGHTLY, "--name", "weekly", "--suspend")
    foreign = {"display_name": "foreign", "pipeline_version_reference": {"pipeline_id": "another"}}
    kfp_api.add("recurring_runs", "recurring_run_id", foreign)
    lines = luthier("schedule", "--list").out.splitlines()
    parameters = ["families=string", "preset=seed", "workspace=gs://b/w"]
    assert [line.split() for line in lines] == [
        ["NAME", "STATE", "CRON", "PARAMETERS"],
        ["luthier-retrain", "active", "0", "0", "3", "*", "*", "*", *parameters],
        ["weekly", "suspended", "0", "0", "3", "*", "*", "*", *parameters],
    ]
    found = json.loads(luthier("schedule", "--list", "--json").out)
    assert [(each["name"], each["state"], each["cron"]) for each in found] == [
        ("luthier-retrain", "active", "0 0 3 * * *"),
        ("weekly", "suspended", "0 0 3 * * *"),
    ]


def test_either_a_time_or_its_removal(kfp_api, refused):
    assert "expected one of --cron, --remove and --list" in refused("schedule")
    assert "expected one of --cron, --remove and --list" in refused("schedule", "--remove", "--cron", "0 3 * * *")
    assert "got '25' for the hour" in refused("schedule", "--cron", "0 25 * * *")
    assert kfp_api.calls == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("  */15  8-18/2 1,15 jan-mar MON-fri ", "0 */15 8-18/2 1,15 jan-mar MON-fri"),
        ("30 0 3 ? * 0", "30 0 3 ? * 0"),
        ("59 23 31 12 6", "0 59 23 31 12 6"),
        ("0 3 29 2 *", "0 0 3 29 2 *"),
        ("0 3 31 2 mon", "0 0 3 31 2 mon"),
        ("0 3 31 1-6/2 *", "0 0 3 31 1-6/2 *"),
        ("@daily", "0 0 0 * * *"),
        (" @Weekly ", "0 0 0 * * 0"),
    ],
)
def test_a_crontab_gets_its_second(given, expected):
    assert six_fields(given) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "got 0 fields"),
        ("0 3 * *", "got 4 fields"),
        ("@every 1h", "got 2 fields"),
        ("0 3 31 2 *", "day 31 of month 2 never comes"),
        ("0 3 31 feb,4,6/5 ?", "never comes"),
        ("0 3 30-31 2 *", "never comes"),
        ("60 3 * * *", "'60' for the minute"),
        ("0 24 * * *", "'24' for the hour"),
        ("0 3 0 * *", "'0' for the day of the month"),
        ("0 3 * 13 *", "'13' for the month"),
        ("0 3 * * 7", "'7' for the day of the week"),
        ("0 3 * * fun", "'fun' for the day of the week"),
        ("0 3 * jab *", "'jab' for the month"),
        ("0 9-5 * * *", "'9-5' for the hour"),
        ("*/0 3 * * *", "'*/0' for the minute"),
        ("0 *-3 * * *", "'*-3' for the hour"),
        ("0 3, * * *", "'3,' for the hour"),
        ("0 -3 * * *", "'-3' for the hour"),
    ],
)
def test_a_wrong_crontab_is_refused_with_the_field(given, said):
    with pytest.raises(InputError, match="is wrong") as error:
        six_fields(given)
    assert said in str(error.value)
