"""The command line of a fuzz target: how long, from which seed, and what it met."""

import argparse
from collections.abc import Callable, Mapping


def main(description: str, fuzz: Callable[[int, float], Mapping[str, int]]) -> None:
    """Runs `fuzz(seed, seconds)` and prints how often each outcome was met."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for what, times in sorted(fuzz(arguments.seed, arguments.seconds).items()):
        print(f"{what:26} {times}")
