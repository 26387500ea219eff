"""Where the files of a run lie."""

from collections.abc import Iterable
from dataclasses import dataclass

TABLE_SUFFIXES = ("tsv", "md", "tex", "html")


@dataclass(frozen=True)
class Paths:
    """The paths of one run; rules write the same as patterns of their outputs.

    Directions, methods, training sets and trainings are given by name; `*` instead makes a pattern for `Path.glob`.

    Attributes:
        folder: That of the run, `results/{run}`; "" for paths from there.
    """

    folder: str = ""

    @classmethod
    def of_run(cls, run: str) -> "Paths":
        """Return the paths of a run by its name, from the working directory."""
        return cls(f"results/{run}")

    @property
    def checks(self) -> str:
        """What was found in the cases."""
        return f"{self._below}checks.txt"

    @property
    def versions(self) -> str:
        """The table of which contents of the user's files the run has read."""
        return f"{self._below}versions.tsv"

    @property
    def region(self) -> str:
        """The region to which the grid is cut."""
        return f"{self._below}region.json"

    @property
    def logs(self) -> str:
        """The folder with the log of every job, `{rule}/{job}.log`."""
        return f"{self._below}logs"

    @property
    def benchmarks(self) -> str:
        """The folder with time and memory of every job."""
        return f"{self._below}benchmarks"

    @property
    def tta_inconsistency_table(self) -> str:
        """The table of how much masks change with the image."""
        return f"{self._below}tables/tta_inconsistency.tsv"

    @property
    def confidence_table(self) -> str:
        """The table of how far masks can be trusted, the least sure of a method first."""
        return f"{self._below}tables/confidence.tsv"

    @property
    def adaptation_table(self) -> str:
        """The table of whether adaptation helped, by evidence without labels."""
        return f"{self._below}tables/adaptation.tsv"

    @property
    def calibration_table(self) -> str:
        """The table of how well probabilities are calibrated."""
        return f"{self._below}tables/calibration.tsv"

    @property
    def usage(self) -> str:
        """The table of time and memory by rule."""
        return f"{self._below}tables/usage.tsv"

    def case(self, domain: str, name: str, file: str) -> str:
        """Return one preprocessed file of a case: `image.nii`, `label.nii` or `grid.json`."""
        return f"{self._below}cases/{domain}/{name}/{file}"

    def cases(self, domain: str, names: Iterable[str], file: str) -> list[str]:
        """Return one preprocessed file of each case, see `case`."""
        return [self.case(domain, name, file) for name in names]

    def slices(self, domain: str, suffix: str = "npy") -> str:
        """Return the slices of a domain's training volumes, or their table (`tsv`)."""
        return f"{self._below}slices/{domain}.{suffix}"

    def structures(self, domain: str) -> str:
        """Return the table of the structures in a domain's labels: how large, and whether one component."""
        return f"{self._below}structures/{domain}.tsv"

    def grid_ceiling(self, domain: str) -> str:
        """Return the table of the Dice that a domain's labels keep on the way to the network grid and back."""
        return f"{self._below}grid_ceiling/{domain}.tsv"

    def translator(self, seed: int | str, name: str) -> str:
        """Return the folder of translator `disentangled` or `cyclegan`."""
        return f"{self.seed(seed)}/translators/{name}"

    def styles(self, seed: int | str, direction: str, translation: str) -> str:
        """Return the folder of the target's styles and those chosen for the source."""
        return f"{self.seed(seed)}/styles/{direction}/{translation}"

    def synthetic(self, seed: int | str, direction: str, translation: str, case: str) -> str:
        """Return the folder of the synthetic volumes of a source case, `style-{style}.nii`."""
        return f"{self.seed(seed)}/synthetic/{direction}/{translation}/{case}"

    def training(self, seed: int | str, training_set: str, training: str) -> str:
        """Return the folder of a training's weights, losses and usage."""
        return f"{self.seed(seed)}/segmenters/{training_set}/{training}"

    def nnunet_dataset(self, seed: int | str, training_set: str) -> str:
        """Return a training set's `dataset.json` of nnU-Net; `splits_final.json` lies beside it."""
        return f"{self.seed(seed)}/nnunet/{training_set}/dataset.json"

    def predictions(self, seed: int | str, direction: str, method: str) -> str:
        """Return the folder of a method's masks, `{case}.nii.gz` on the original grids.

        One output, not one per case: Snakemake keeps all inputs of a job with every output.
        """
        return f"{self.seed(seed)}/predictions/{direction}/{method}"

    def missing_masks(self, seed: int | str, direction: str, method: str) -> str:
        """Return the table of the scored test cases that lack a mask in an external row."""
        return f"{self.seed(seed)}/missing_masks/{direction}/{method}.tsv"

    def metrics(self, seed: int | str, direction: str, method: str) -> str:
        """Return the scores of a method's masks."""
        return f"{self.seed(seed)}/metrics/{direction}/{method}.tsv"

    def tta_inconsistency(self, seed: int | str, direction: str, method: str) -> str:
        """Return how much a method's masks change with the image."""
        return f"{self.seed(seed)}/tta_inconsistency/{direction}/{method}.tsv"

    def confidence(self, seed: int | str, direction: str, method: str) -> str:
        """Return how far a method's masks can be trusted."""
        return f"{self.seed(seed)}/confidence/{direction}/{method}.tsv"

    def calibration(self, seed: int | str, direction: str, method: str) -> str:
        """Return how often the reference has what a method's probabilities say, in bins."""
        return f"{self.seed(seed)}/calibration/{direction}/{method}.tsv"

    def chunk(self, seed: int | str, direction: str, method: str, chunk: str) -> str:
        """Return the folder of a chunk's `masks/`, `tta_inconsistency.tsv` and `metrics.tsv`."""
        return f"{self.seed(seed)}/chunks/{direction}/{method}/{chunk}"

    def table(self, name: str, suffix: str = "tsv") -> str:
        """Return a table in one of `TABLE_SUFFIXES`."""
        return f"{self._below}tables/{name}.{suffix}"

    def differences(self, name: str) -> str:
        """Return how much the rows of a table differ from its reference row."""
        return f"{self._below}tables/{name}-differences.tsv"

    def table_files(self, name: str) -> list[str]:
        """Return all files of a table."""
        return [self.table(name, suffix) for suffix in TABLE_SUFFIXES]

    def figure(self, name: str) -> str:
        """Return a figure without its suffix."""
        return f"{self._below}figures/{name}"

    def report(self, table: str) -> str:
        """Return the report of a table."""
        return f"{self._below}report{ending_of(table)}.html"

    def seed(self, seed: int | str) -> str:
        """Return the folder of all that depends on a seed."""
        return f"{self._below}seed-{seed}"

    @property
    def _below(self) -> str:
        return f"{self.folder}/" if self.folder else ""


def ending_of(table: str) -> str:
    """Return what the names of a table's report and figures end with: nothing for the summary's, else `-{table}`."""
    return "" if table == "summary" else f"-{table}"


def table_of(ending: str) -> str:
    """Return the table whose report and figures end with `ending`."""
    return ending.removeprefix("-") or "summary"
