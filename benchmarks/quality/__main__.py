"""`python -m benchmarks.quality`: how Luthier's models sound beside ddsp's, judged by librosa and CREPE.

Each synth is trained on each family equally long, by Luthier and by ddsp's own Trainer with ddsp's own layers, one
after the other; then both play the held-out notes. Trainings and what they play are kept in --work: a second run goes
on where the first one stopped, and computes the table again where only the judge has changed. With --run, the trainings
of a run of `luthier run` are judged, without ddsp.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine, report
from benchmarks.process import ROOT
from benchmarks.quality import champions, product, table
from benchmarks.quality.arrays import Judge, Verdict
from benchmarks.quality.trainings import DDSP, NAMES, OURS, Case, Trainings, of_run, play, sorted_source
from components.config.catalog import SYNTHS
from components.telemetry import log, progress

_LIBRARIES = ("tensorflow", "ddsp", "librosa", "torchcrepe")


def main() -> None:
    """Trains what is missing, judges, prints, and writes the results."""
    log.setup()
    options = _options()
    facts = machine.describe({}, _LIBRARIES)
    verdicts = _judge_run(options) if options.run else _judge_trainings(options)
    agreed = {name: table.agreement(some) for name, some in _groups(verdicts).items()}
    parts, chosen = [table.markdown(verdicts)], champions.champions(verdicts)
    if chosen:
        parts.append(champions.markdown(chosen))
    parts += [table.agreement_text(name, found) for name, found in agreed.items() if found.ranks]
    text = "\n\n".join(parts)
    print(text)
    choices = [asdict(each) | {"agree": each.agree} for each in chosen]
    ranks = {name: asdict(found) for name, found in agreed.items()}
    found = {"machine": facts, "agreement": ranks, "champions": choices, "models": table.as_json(verdicts)}
    report.write_json(options.work / "quality.json", found)
    (options.work / "quality.md").write_text(f"{text}\n")
    if options.page:
        report.replace_block(options.page, "bench-quality", f"{text}\n\n{_terms(options, facts)}")


def _groups(verdicts: dict[Case, Verdict]) -> dict[str, dict[Case, Verdict]]:
    """Returns the verdicts whose notes are compared in order, by what to call their models; all of them first."""
    whose = dict.fromkeys(case.whose for case in verdicts)
    groups = {f"{NAMES[each]}'s models": {c: v for c, v in verdicts.items() if c.whose == each} for each in whose}
    return groups if len(groups) == 1 else {"all models": verdicts, **groups}


def _terms(options: argparse.Namespace, facts: Mapping[str, str]) -> str:
    """Returns how the table was measured, for the page."""
    measured = f"Measured on {facts['CPU']}, {facts['date']}, commit {facts['commit']}"
    if options.run:
        return f"{measured}: a run of `luthier run`."
    seeds = ", ".join(map(str, options.seeds))
    each = f"{options.seconds:g} s each training, its start not counted"
    return f"{measured}: preset `{options.preset}`, {each}, seed {seeds}; `{options.source.name}`."


def _judge_trainings(options: argparse.Namespace) -> dict[Case, Verdict]:
    sorted_uri = sorted_source(options.source, options.work)
    trainings = Trainings(options.work, sorted_uri, options.preset, options.seconds)
    cases = [
        Case(whose, family, synth, seed)
        for seed in options.seeds
        for synth in options.synths
        for family in options.families
        for whose in options.whose
    ]
    with progress.bar("train", len(cases), "trainings") as bar:
        for case in cases:
            trainings.train(case)
            bar.advance(note=str(case))
    trainings.play(cases)
    return _verdicts({case: trainings.played(case) for case in cases}, str(sorted_uri))


def _judge_run(options: argparse.Namespace) -> dict[Case, Verdict]:
    found, sorted_uri = of_run(options.run)
    files = {case: options.work / folder.name / "played.npz" for case, folder in found.items()}
    play({str(folder): files[case] for case, folder in found.items()}, sorted_uri)
    return _verdicts(files, sorted_uri)


def _verdicts(files: dict[Case, Path], sorted_uri: str) -> dict[Case, Verdict]:
    product.score(((case.family, path) for case, path in files.items()), sorted_uri)
    judge = Judge()
    with progress.bar("judge", len(files), "models") as bar:
        found = dict[Case, Verdict]()
        for case, path in files.items():
            found[case] = judge.verdict(path)
            bar.advance(note=str(case))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT / "samples", help="recordings, records or a sorted set")
    parser.add_argument("--families", type=_names, default=["brass", "flute", "keyboard", "string"], help="a,b,...")
    parser.add_argument("--synths", type=_names, default=list(SYNTHS), help="a,b,...")
    parser.add_argument("--whose", type=_names, default=[OURS, DDSP], help="ours,ddsp")
    parser.add_argument("--preset", default="seed")
    parser.add_argument("--seconds", type=float, default=180.0, help="of each training")
    parser.add_argument("--seeds", type=lambda text: [int(each) for each in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--run", type=Path, help="judge the trainings of <workspace>/runs/<run-id> instead")
    parser.add_argument("--work", type=Path, default=ROOT / "build/quality", help="where everything is kept")
    parser.add_argument("--page", type=Path, help="its block 'bench-quality' is replaced")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()
