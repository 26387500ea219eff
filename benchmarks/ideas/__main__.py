"""Try ideas on stored volumes: python -m benchmarks.ideas CONFIG DIRECTION VARIANT ... [--seeds N ...].

CONFIG is the config file of a run that has its synthetic volumes:
snakemake --configfile CONFIG --until synthesize_volume translate_volume measure_structures preprocess_label
Variants are those of `variants.py`. Dice and CPU minutes become rows of `measured/trials.tsv`; what stands there, of
the same code, is not measured again. A trial that was stopped goes on.
"""

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from benchmarks.ideas.record import Key, is_recorded, record
from benchmarks.ideas.trial import Trial
from benchmarks.ideas.variants import VARIANTS
from dar_uda.plan.cases import read_cases
from dar_uda.plan.code_version import code_version
from dar_uda.plan.config import read_config
from dar_uda.plan.plan import Plan
from dar_uda.training.device import find_device
from dar_uda.training.job import Job

PROJECT = Path(__file__).parents[2]
CODE = "dar_uda.segmentation.train"
"""The module whose digest tells which code was measured: the segmenter's training and all that it imports."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("direction")
    parser.add_argument("variants", nargs="+", choices=VARIANTS, metavar="VARIANT")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    bench = Bench(plan_of(given.config), given.direction, given.device)
    for name in given.variants:
        for seed in given.seeds:
            bench.measure(name, seed)


def stage_of(number: int) -> str:
    """Return the name of a self-training iteration, or of the first training for 0."""
    return f"iteration-{number}" if number else "first"


def plan_of(path: Path) -> Plan:
    """Return the plan of a run by its config file."""
    text = path.read_text()
    config = read_config(PROJECT, yaml.safe_load(text), {str(path): text})
    return Plan.of(config, read_cases(config, PROJECT))


@dataclass(frozen=True)
class Bench:
    """The trials of a run in one direction."""

    plan: Plan
    direction: str
    device: str

    def measure(self, name: str, seed: int) -> Path:
        """Measure the stages of a variant that the table lacks; return the weights of its first training."""
        variant, code = VARIANTS[name], code_version(CODE)
        folder = Path(f"{self.plan.paths.folder}/ideas/{code}/seed-{seed}/{self.direction}/{name}")
        folder.mkdir(parents=True, exist_ok=True)
        job = Job.prepare(seed, code, 1, find_device(self.device), "auto")
        trial = Trial(self.plan, self.direction, variant, folder, job)
        key = Key(name, variant.settings, self.plan.config.run, self.direction, seed, code)
        if variant.after:
            self.measure(variant.after, seed)
            weights = folder.parent / variant.after / f"{stage_of(variant.after_iteration)}.safetensors"
            if not variant.iterations:
                self._stage(trial, key, weights, lambda: weights)
        else:
            weights = folder / f"{stage_of(0)}.safetensors"
            self._stage(trial, key, weights, trial.train)
        for number, steps in enumerate(variant.iterations, start=variant.after_iteration + 1):
            first = number == variant.after_iteration + 1
            teachers = [self.measure(teacher, seed) for teacher in variant.teachers] if first else []
            initial, weights = weights, folder / f"{stage_of(number)}.safetensors"
            iterate = partial(trial.iterate, initial, teachers or [initial], number, steps)
            self._stage(trial, key, weights, iterate)
        return folder / f"{stage_of(0)}.safetensors"

    @staticmethod
    def _stage(trial: Trial, key: Key, weights: Path, train: Callable[[], Path]) -> None:
        if is_recorded(key, stage := weights.stem) and weights.exists():
            return
        clock = time.process_time if trial.job.device.type == "cpu" else time.perf_counter
        begun = clock()
        if not weights.exists():
            train()
        minutes = (clock() - begun) / 60
        record(key, stage, trial.score(weights), minutes, trial.job.device)


if __name__ == "__main__":
    main()
