"""Where the files of a run lie, from the working directory."""

from collections.abc import Iterable
from dataclasses import dataclass

from dar_uda.plan.methods import Training, TrainingSet
from dar_uda.plan.task import Direction

TABLE_SUFFIXES = ("tsv", "md", "tex", "html")


@dataclass(frozen=True)
class Paths:
    """The paths of one run; rules write the same as patterns of their outputs."""

    run: str

    @property
    def folder(self) -> str:
        """The run's folder."""
        return f"results/{self.run}"

    @property
    def checks(self) -> str:
        """What was found in the cases."""
        return f"{self.folder}/checks.txt"

    @property
    def region(self) -> str:
        """The region to which the grid is cut."""
        return f"{self.folder}/region.json"

    @property
    def benchmarks(self) -> str:
        """The folder with time and memory of every job."""
        return f"{self.folder}/benchmarks"

    @property
    def disagreements(self) -> str:
        """The table of how much masks change with the image."""
        return f"{self.folder}/tables/disagreement.tsv"

    @property
    def resources(self) -> str:
        """The table of time and memory by rule."""
        return f"{self.folder}/tables/resources.tsv"

    def cases(self, domain: str, names: Iterable[str], file: str) -> list[str]:
        """Return one preprocessed file of each case: `image.nii`, `label.nii` or `grid.json`."""
        return [f"{self.folder}/cases/{domain}/{name}/{file}" for name in names]

    def slices(self, domain: str, suffix: str = "npy") -> str:
        """Return the slices of a domain's training volumes, or their table (`tsv`)."""
        return f"{self.folder}/slices/{domain}.{suffix}"

    def translator(self, seed: int | str, name: str) -> str:
        """Return the folder of translator `disentangled` or `cyclegan`."""
        return f"{self._seed(seed)}/translators/{name}"

    def styles(self, seed: int | str, direction: Direction | str, translation: str) -> str:
        """Return the folder of the target's styles and those chosen for the source."""
        return f"{self._seed(seed)}/styles/{direction}/{translation}"

    def synthetic(self, seed: int | str, training_set: TrainingSet, case: str, style: int | str) -> str:
        """Return the synthetic volume of a source case in a style."""
        folder = f"{self._seed(seed)}/synthetic/{training_set.direction}/{training_set.adaptation}"
        return f"{folder}/{case}/style-{style}.nii"

    def training(self, seed: int | str, training_set: TrainingSet, training: Training) -> str:
        """Return the folder of a training's weights, losses and resources."""
        return f"{self._seed(seed)}/segmenters/{training_set}/{training}"

    def predictions(self, seed: int | str, direction: Direction | str, method: str) -> str:
        """Return the folder of a method's masks, `{case}.nii.gz` on the original grids.

        One output, not one per case: Snakemake keeps all inputs of a job with every output.
        """
        return f"{self._seed(seed)}/predictions/{direction}/{method}"

    def metrics(self, seed: int | str, direction: Direction | str, method: str) -> str:
        """Return the scores of a method's masks."""
        return f"{self._seed(seed)}/metrics/{direction}/{method}.tsv"

    def disagreement(self, seed: int | str, direction: Direction | str, method: str) -> str:
        """Return how much a method's masks change with the image."""
        return f"{self._seed(seed)}/disagreement/{direction}/{method}.tsv"

    def chunk(self, seed: int | str, direction: Direction | str, method: str, chunk: str) -> str:
        """Return the folder of a chunk's `masks/`, `disagreement.tsv` and `metrics.tsv`."""
        return f"{self._seed(seed)}/chunks/{direction}/{method}/{chunk}"

    def table(self, name: str, suffix: str = "tsv") -> str:
        """Return a table in one of `TABLE_SUFFIXES`."""
        return f"{self.folder}/tables/{name}.{suffix}"

    def figure(self, name: str) -> str:
        """Return a figure without its suffix."""
        return f"{self.folder}/figures/{name}"

    def report(self, table: str) -> str:
        """Return the report of a table."""
        return f"{self.folder}/report{ending_of(table)}.html"

    def _seed(self, seed: int | str) -> str:
        return f"{self.folder}/seed-{seed}"


def ending_of(table: str) -> str:
    """Return what the names of a table's report and figures end with: nothing for the summary's, else `-{table}`."""
    return "" if table == "summary" else f"-{table}"


def table_of(ending: str) -> str:
    """Return the table whose report and figures end with `ending`."""
    return ending.removeprefix("-") or "summary"
