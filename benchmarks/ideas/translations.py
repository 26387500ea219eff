"""Train a run's translators and draw its synthetic volumes: python -m benchmarks.ideas.translations CONFIG SEED ....

As the rules of these steps do, without Snakemake: for a machine with a card that has PyTorch and little else.
"""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.ideas.__main__ import plan_of
from dar_uda.adaptation.synthesis import translate_volume
from dar_uda.adaptation.train_cyclegan import train_cyclegan
from dar_uda.plan.plan import Plan
from dar_uda.training.device import find_device
from dar_uda.training.job import Job
from dar_uda.translation.styles import encode_styles
from dar_uda.translation.synthesis import synthesize_volume
from dar_uda.translation.train import train_translator

TRAININGS: dict[str, tuple[Callable[..., None], str]] = {
    "disentangled": (train_translator, "translation"),
    "cyclegan": (train_cyclegan, "cyclegan"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--translators", nargs="+", choices=TRAININGS, default=list(TRAININGS))
    parser.add_argument("--average", action="store_true", help="draw volumes in the mean style too")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    plan = plan_of(given.config)
    for seed in given.seeds:
        for name in given.translators:
            weights = train(plan, seed, name, given.device)
            for direction in map(str, plan.config.directions):
                if name == "cyclegan":
                    _translate(plan, seed, direction, weights, given.device)
                for strategy in ("multi", "average")[: 1 + given.average] if name == "disentangled" else ():
                    _draw_styles(plan, seed, direction, strategy, weights, given.device)


def train(plan: Plan, seed: int, name: str, device: str) -> Path:
    """Return the weights of a translator, which is trained if they are not there."""
    folder = Path(plan.paths.translator(seed, name))
    outputs = [folder / file for file in ("weights.safetensors", "history.tsv", "previews.png")]
    if not outputs[0].exists():
        folder.mkdir(parents=True, exist_ok=True)
        training, branch = TRAININGS[name]
        slices = [plan.paths.slices(domain) for domain in plan.config.task.domains]
        training(slices, *outputs, Job.prepare(seed, "", 1, find_device(device), "auto"), plan.config.branch(branch))
    return outputs[0]


def _draw_styles(plan: Plan, seed: int, direction: str, strategy: str, weights: Path, device: str) -> None:
    """Draw the volumes of every source case that are not there, in the styles of the strategy."""
    translation, cases = f"disentangled-{strategy}", plan.volumes.source_cases(direction)
    target = plan.config.task.target(direction)
    folder = Path(plan.paths.styles(seed, direction, translation))
    folder.mkdir(parents=True, exist_ok=True)
    slices = (plan.paths.slices(target.name, suffix) for suffix in ("npy", "tsv"))
    tables, count = (folder / "codes.tsv", folder / "styles.tsv"), plan.volumes.style_count(translation)
    encode_styles(weights, *slices, *tables, target.letter, strategy, count, cases, seed, device, 1)
    for case, image, volumes, label in _missing(plan, seed, direction, translation, cases):
        synthesize_volume(weights, tables[1], image, volumes, case, device, 1, label)


def _translate(plan: Plan, seed: int, direction: str, weights: Path, device: str) -> None:
    """Draw the volume of every source case that is not there, as CycleGAN translates it."""
    generator, cases = plan.config.task.generator(direction), plan.volumes.source_cases(direction)
    for case, image, volumes, label in _missing(plan, seed, direction, "cyclegan-single", cases):
        translate_volume(weights, image, volumes[0], generator, case, device, 1, label)


def _missing(
    plan: Plan, seed: int, direction: str, translation: str, cases: Sequence[str]
) -> list[tuple[str, str, list[str], str | None]]:
    """Return case, image, synthetic volumes and label (None: unused) of the source cases whose volumes are missing."""
    found = []
    for case in cases:
        volumes = plan.volumes.synthetic(direction, translation, case, seed)
        if all(Path(volume).exists() for volume in volumes):
            continue
        Path(volumes[0]).parent.mkdir(parents=True, exist_ok=True)
        image, label = plan.volumes.source_image(direction, case), plan.volumes.label_beside(direction, case)
        found.append((case, image, volumes, label or None))
    return found


if __name__ == "__main__":
    main()
