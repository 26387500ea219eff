"""A tiny phantom run: the whole DAG for real, in a temporary folder, in about a minute."""

import os
import subprocess
import sys

from tests.workflow.preloaded import REPOSITORY, snakemake

CASES = {"ct": ("train", "train"), "mr": ("train", "train", "test")}
CONFIG = """
precision: float32
device: cpu
tasks: {phantom: {grid: {spacing: [5.5, 5.5, 12.0], size: 64}}}
budgets:
  tiny:
    translation: {width: 2, batch_size: 1, steps: 4, preview_every: 4, checkpoint_every: 1}
    styles: {clusters: 2}
    segmentation:
      channels: [8, 8, 8, 8, 8]
      batch_size: 1
      steps: 4
      steps_2d: 5
      patch_size: [4, 32, 32]
      self_training: {iterations: 1, steps: 2}
      checkpoint_every: 1
    cyclegan: {width: 2, blocks: 1, batch_size: 1, steps: 4, checkpoint_every: 2}
    synseg_net: {joint_slices: 2}
    ada_output: {steps: 6}
    cycada: {translator_steps: 4, steps: 4}
    sifa: {width: 2, blocks: 1, batch_size: 2, steps: 4, checkpoint_every: 1}
    nnunet: {planner: ExperimentPlanner, epochs: 2, iterations_per_epoch: 2}
    inference: {batch_size: 4, overlap: 0}
budget: tiny
"""


class Run:
    """Snakemake commands in one working folder."""

    def __init__(self, folder, sources=REPOSITORY):
        self.folder, self.sources = folder, sources

    def options(self, *arguments):
        return ["--configfile", str(self.folder / "tiny.yaml"), "--cores", "2", *arguments]

    def command(self, *arguments):
        places = ["-s", str(self.sources / "Snakefile"), "--directory", str(self.folder)]
        return [sys.executable, "-m", "snakemake", *places, *self.options(*arguments)]

    def start(self, *arguments):
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __call__(self, *arguments):
        """Run to the end; return the exit status and what was printed."""
        if self.sources == REPOSITORY:
            return snakemake(self.folder, *self.options(*arguments))
        job = self.start(*arguments)
        text, _ = job.communicate()
        return job.returncode, text

    def result(self, path):
        return self.folder / "results" / "phantom" / path

    def plan(self, *arguments):
        """Return the rules that a dry run would run."""
        status, text = self("-n", "--quiet", "host", *arguments)
        assert status == 0, text
        return {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith(("rule ", "localrule "))}


def prepare(folder, sources=REPOSITORY, cases=CASES):
    """Write the tiny cases table and its config; return the run."""
    (folder / "config").mkdir(parents=True)
    lines = ["case\tdomain\timage\tlabel\tsplit"]
    for domain, splits in cases.items():
        for number, split in enumerate(splits):
            path = f"../results/phantom/data/{domain}/{domain}{number}"
            lines.append(f"{domain}{number}\t{domain}\t{path}_image.nii.gz\t{path}_label.nii.gz\t{split}")
    (folder / "config" / "phantom.tsv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text(CONFIG)
    return Run(folder, sources)
