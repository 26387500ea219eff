"""Which volumes a network is trained on, and where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from dar_uda.plan.cases import Cases
from dar_uda.plan.chunks import chunks_of
from dar_uda.plan.config import Config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.methods import Method, Training, TrainingSet, domain_randomization_of
from dar_uda.plan.paths import Paths
from dar_uda.plan.task import Direction

SEVERAL_STYLES = ("disentangled-multi", "disentangled-uncorrected")
"""The translations that draw a volume in each of several styles."""
IMAGE, LABEL, GRID = "image.nii", "label.nii", "grid.json"
"""The preprocessed files of a case."""


@dataclass(frozen=True)
class Volumes:
    """The preprocessed and synthetic volumes of a run, by what they are used for.

    Directions, training sets and trainings are the values of a rule's wildcards, the last of `network`.
    """

    config: Config
    cases: Cases
    paths: Paths

    def source_cases(self, direction: str) -> list[str]:
        """Return the labeled training cases of the source.

        Raises:
            PlanError: There is none.
        """
        source = Direction.of(direction).source
        names = self.cases.of(source, "train", labeled=True)
        if not names:
            raise PlanError(
                f"DAR-040: Direction {direction}: no training case of domain {source} has a label. "
                "Give one a label, or choose another direction."
            )
        return names

    def target_cases(self, direction: str) -> list[str]:
        """Return the training cases of the target."""
        return self.cases.of(Direction.of(direction).target, "train")

    def test_cases(self, direction: str, labeled: bool = False) -> list[str]:
        """Return the test cases of the target, those with a label alone if `labeled`."""
        return self.cases.of(Direction.of(direction).target, "test", labeled)

    def of_source(self, direction: str, file: str) -> list[str]:
        """Return one file of each labeled training case of the source."""
        return self.paths.cases(Direction.of(direction).source, self.source_cases(direction), file)

    def of_target(self, direction: str, file: str) -> list[str]:
        """Return one file of each training case of the target."""
        return self.paths.cases(Direction.of(direction).target, self.target_cases(direction), file)

    def chunks(self, direction: str) -> dict[str, list[str]]:
        """Return the test cases of the target in chunks that a job each predicts."""
        return chunks_of(self.test_cases(direction), self.config.branch("inference")["chunk_size"])

    def scored_chunks(self, direction: str) -> dict[str, list[str]]:
        """Return the labeled test cases of every chunk that has any."""
        size = self.config.branch("inference")["chunk_size"]
        return chunks_of(self.test_cases(direction), size, only=self.test_cases(direction, labeled=True))

    def of_tests(self, direction: str, file: str, chunk: str | None = None) -> list[str]:
        """Return one file of each test case of the target, or of those of a chunk."""
        cases = self.test_cases(direction) if chunk is None else _named(chunk, self.chunks(direction))
        return self.paths.cases(Direction.of(direction).target, cases, file)

    def scored(self, direction: str, what: str, chunk: str | None = None) -> list[str]:
        """Return the user's `image` or `label` file of each labeled test case, of all of them or of a chunk."""
        return self.files_of(Direction.of(direction).target, self.scored_cases(direction, chunk), what)

    def scored_cases(self, direction: str, chunk: str | None = None) -> list[str]:
        """Return the labeled test cases, all of them or those of a chunk."""
        if chunk is None:
            return self.test_cases(direction, labeled=True)
        return _named(chunk, self.scored_chunks(direction))

    def images_of_tests(self, direction: str) -> list[str]:
        """Return the user's image of each test case of the target."""
        return self.files_of(Direction.of(direction).target, self.test_cases(direction), "image")

    def test_patients(self, direction: str) -> list[str]:
        """Return the patient of each test case of the target."""
        return self.cases.patients(Direction.of(direction).target, self.test_cases(direction))

    def scored_patients(self, direction: str, chunk: str | None = None) -> list[str]:
        """Return the patient of each case that `scored_cases` returns."""
        return self.cases.patients(Direction.of(direction).target, self.scored_cases(direction, chunk))

    def files_of_source(self, direction: str, what: str) -> list[str]:
        """Return the user's `image` or `label` file of each labeled training case of the source."""
        return self.files_of(Direction.of(direction).source, self.source_cases(direction), what)

    def files_of(self, domain: str, names: Sequence[str], what: str) -> list[str]:
        """Return the user's `image` or `label` file of each case, see `file_of`."""
        return [self.file_of(domain, name, what) for name in names]

    def files_of_labeled(self, domain: str, what: str) -> list[str]:
        """Return the user's `image` or `label` file of each labeled training case of a domain."""
        return self.files_of(domain, self.labeled(domain), what)

    def file_of(self, domain: str, case: str, what: str) -> str:
        """Return the user's `image` or `label` file of a case.

        Raises:
            PlanError: The case is not in the table, or has no label.
        """
        file: str = getattr(self.cases.named(domain, case), what)
        if not file:
            raise PlanError(f"DAR-029: Case {case} of domain {domain} has no label; give it one in the table.")
        return file

    def label_to_crop_to(self, domain: str, case: str) -> str | list[str]:
        """Return the label file of a case whose slices the paper's protocol crops to the labeled ones, else no file.

        Raises:
            PlanError: The case has none.
        """
        if not self.config.task.domains[domain].crops_to_labels:
            return []
        label = self.cases.named(domain, case).label
        if not label:
            raise PlanError(
                f"DAR-027: Case {case} of domain {domain} has no label, to which protocol `paper` crops its slices; "
                "leave it out, or take protocol `clean`."
            )
        return label

    def region(self) -> str | list[str]:
        """Return the region to which the grid is cut; no file where the task asks for none."""
        return self.paths.region if self.config.task.grid.get("region_margin") is not None else []

    def style_count(self, translation: str) -> int:
        """Return how many synthetic volumes a translation draws of each source case."""
        count: int = self.config.branch("styles")["clusters"] if translation in SEVERAL_STYLES else 1
        return count

    def synthetic(self, direction: str, translation: str, case: str, seed: int | str) -> list[str]:
        """Return the synthetic volumes of a source case, one per style."""
        folder = self.paths.synthetic(seed, direction, translation, case)
        return [f"{folder}/style-{style}.nii" for style in range(self.style_count(translation))]

    def source_image(self, direction: str, case: str) -> str:
        """Return the image of a source case."""
        return self.paths.cases(Direction.of(direction).source, [case], IMAGE)[0]

    def label_beside(self, direction: str, case: str) -> str | list[str]:
        """Return the label map of a source case where intensities are matched by structure, else no file."""
        used = self.config.branch("styles")["inter_slice_correction"]
        return self.paths.cases(Direction.of(direction).source, [case], LABEL)[0] if used else []

    def labeled(self, training_set: str) -> list[str]:
        """Return the cases whose labels a training set has."""
        return self.cases.of(TrainingSet.of(training_set).labeled, "train", labeled=True)

    def images(self, training_set: str, seed: int | str, cases: Sequence[str] | None = None) -> list[str]:
        """Return the volumes that a training set has of its labeled cases, or of some of them."""
        of = TrainingSet.of(training_set)
        cases = self.labeled(training_set) if cases is None else cases
        if of.target is None:
            return self.paths.cases(of.labeled, cases, IMAGE)
        return [volume for case in cases for volume in self.synthetic(str(of.direction), of.adaptation, case, seed)]

    def labels(self, training_set: str, cases: Sequence[str] | None = None) -> list[str]:
        """Return the label map of every volume that `images` returns."""
        of = TrainingSet.of(training_set)
        cases = self.labeled(training_set) if cases is None else cases
        copies = 1 if of.target is None else self.style_count(of.adaptation)
        return [label for label in self.paths.cases(of.labeled, cases, LABEL) for _ in range(copies)]

    def labeled_patients(self, training_set: str) -> list[str]:
        """Return the patient of each case that `labeled` returns."""
        return self.cases.patients(TrainingSet.of(training_set).labeled, self.labeled(training_set))

    def structures_of_source(self, direction: str) -> str:
        """Return the table of the structures in the source's labels.

        Raises:
            PlanError: The source has no labeled training case.
        """
        self.source_cases(direction)
        return self.paths.structures(Direction.of(direction).source)

    def volumes_of_source(self, direction: str) -> str | list[str]:
        """Return that table where the source has labels, else no file."""
        source = Direction.of(direction).source
        return self.paths.structures(source) if self.labeled(source) else []

    def components_of_source(self, direction: str, method: Method) -> str | list[str]:
        """Return that table where it tells which structures of a mask are one connected component, else no file."""
        source, asked = Direction.of(direction).source, self.config.branch("inference")["keep_largest_component"]
        used = asked and method.is_post_processed and self.labeled(source)
        return self.paths.structures(source) if used else []

    def mixed_in(self, training_set: str, training: str, file: str, cases: Sequence[str] | None = None) -> list[str]:
        """Return the source volumes' files with which a randomized synthetic training set is mixed."""
        of, domain_randomization = TrainingSet.of(training_set), domain_randomization_of(self.config) or {}
        is_mixed = Training.of(training).is_randomized and domain_randomization.get("source_fraction")
        if of.target is None or not is_mixed:
            return []
        return self.paths.cases(of.labeled, self.labeled(training_set) if cases is None else cases, file)


def _named(chunk: str, chunks: dict[str, list[str]]) -> list[str]:
    """Return the cases of a chunk.

    Raises:
        PlanError: There is none of this name.
    """
    if chunk not in chunks:
        raise PlanError(
            f"DAR-036: No chunk of test cases begins with case {chunk!r}: if the cases table changed while jobs "
            "waited, give the same command again."
        )
    return chunks[chunk]
