"""The plan of a run: what it makes, from which files, and what its tables and figures show."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dar_uda.plan.candidates import Candidates
from dar_uda.plan.cases import FILES, Cases
from dar_uda.plan.config import Config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.external_files import check_external_files, files_of
from dar_uda.plan.figures import Figures
from dar_uda.plan.methods import RANDOMIZED, SELECTION_RULES, TRANSLATIONS, Method, Training, read_methods
from dar_uda.plan.networks import Networks
from dar_uda.plan.paths import Paths, ending_of, table_of
from dar_uda.plan.tables import SUMMARY, Row, Table, lacking_cases, lacking_for_summary, read_tables
from dar_uda.plan.task import Direction, known_entry
from dar_uda.plan.volumes import GRID, Volumes

NAME = "[A-Za-z][A-Za-z0-9_]*"
CASE = "[A-Za-z0-9][A-Za-z0-9_.-]*"
TRAINED = rf"{NAME}({RANDOMIZED})?"
"""The names of trainings that start from nothing."""


@dataclass(frozen=True)
class Plan:
    """All that the rules ask for."""

    config: Config
    cases: Cases
    paths: Paths
    methods: Mapping[str, Method]
    tables: Mapping[str, Table]
    networks: Networks
    volumes: Volumes
    candidates: Candidates
    figures: Figures

    @classmethod
    def of(cls, config: Config, cases: Cases, has_files: bool = True) -> "Plan":
        """Return the plan of a config and its cases.

        Args:
            has_files: Whether this machine has the user's files, see `check_external_files`.

        Raises:
            PlanError: See `check_external_files` and `Networks.patch_size`, of a method of the summary.
        """
        check_external_files(config, cases, has_files)
        methods, paths, networks = read_methods(config), Paths.of_run(config.run), Networks(config)
        for name in config.tables[SUMMARY]["methods"]:
            if name in methods and not methods[name].is_nnunet:
                networks.patch_size(str(methods[name].predictor))
        tables, volumes = read_tables(config, cases, methods), Volumes(config, cases, paths)
        figures = Figures(config, cases, paths, tables)
        return cls(config, cases, paths, methods, tables, networks, volumes, Candidates(volumes), figures)

    @property
    def summary(self) -> Table:
        """The table of the config's methods."""
        return self.tables[SUMMARY]

    def table_ending(self, ending: str) -> Table:
        """Return the table whose report and figures end with `ending`."""
        return self.tables[table_of(ending)]

    def drawn(self, ending: str, direction: str, seed: int | None = None) -> list[Row]:
        """Return the rows that a figure of a table's scores shows, see `Table.drawn`.

        Raises:
            PlanError: There is none.
        """
        table = self.table_ending(ending)
        if not (rows := table.drawn(direction, seed)):
            raise PlanError(
                f"DAR-037: Table {table.name} has no scores in direction {direction}; expected one of its directions "
                "whose test cases have labels."
            )
        return rows

    def predicted(self, ending: str, direction: str) -> list[Row]:
        """Return the rows that a figure of probabilities shows: those of `drawn` whose networks the run trains."""
        return [row for row in self.drawn(ending, direction) if not row.is_external]

    def compared(self, ending: str, direction: str) -> list[Row]:
        """Return the rows that a figure of a table's differences shows.

        Raises:
            PlanError: The reference row, or every other one, has no scores.
        """
        table, rows = self.table_ending(ending), self.drawn(ending, direction)
        if not table.compares(direction):
            raise PlanError(
                f"DAR-037: Table {table.name} has no scores in direction {direction} to compare: found "
                f"{list(dict.fromkeys(row.method for row in rows))}, expected the reference row {table.reference} and "
                "another method. Set reference_method, or add a method."
            )
        return rows

    def wildcard_constraints(self) -> dict[str, str]:
        """Return the pattern of every wildcard."""
        return {
            "run": re.escape(self.config.run),
            "seed": r"\d+",
            "domain": "|".join(self.config.task.domains),
            "direction": "|".join(map(str, self.config.task.both_directions)),
            "case": CASE,
            "what": "|".join(FILES),
            "chunk": CASE,
            "method": self._name_of_method,
            "network": rf"{TRAINED}(-{'|-'.join(SELECTION_RULES)})?",
            "selection": "|".join(SELECTION_RULES),
            "iteration": r"[1-9]\d*",
            "table": "|".join(self.tables),
            "of_table": "|".join(map(ending_of, self.tables)),
            "translation": "|".join(TRANSLATIONS),
            "training_set": rf"[A-Za-z0-9-]+(\.({'|'.join(TRANSLATIONS)}))?",
        }

    @property
    def _name_of_method(self) -> str:
        """The pattern of a method's name, which no external row has."""
        names = "|".join(self.config.external)
        return rf"(?!({names})\b){NAME}" if names else NAME

    def external_pattern(self) -> str:
        """Return the pattern of the external rows' names."""
        return "|".join(self.config.external) or "(?!)"

    def gpus(self, submits: bool, has_gpu: bool) -> int:
        """Return how many GPUs a torch job asks for; on a CPU none, so that several run side by side.

        Args:
            submits: Whether other machines run the jobs.
            has_gpu: Whether this one has a GPU.

        Raises:
            PlanError: The device is `auto`, and this machine cannot know what those have.
        """
        device = self.config.values["device"]
        if device == "auto" and submits and not has_gpu:
            raise PlanError(
                "DAR-024: device is auto, but this machine, which has no GPU, only submits the jobs: say "
                "--config device=cuda, or device=cpu."
            )
        return int(device == "cuda" or (device == "auto" and has_gpu))

    def direction_pattern(self, chunked: bool) -> str:
        """Return the pattern of the directions whose test cases are several chunks, or of the other directions."""
        chosen = [
            str(direction)
            for direction in self.config.task.both_directions
            if (len(self.volumes.chunks(str(direction))) > 1) == chunked
        ]
        return "|".join(chosen) or "(?!)"

    def network_pattern(self, of_nnunet: bool) -> str:
        """Return the pattern of trainings that start from nothing: of nnU-Net's networks, or of the others."""
        return _pattern(self.networks.of_nnunet(), TRAINED, of_nnunet)

    def method_pattern(self, of_nnunet: bool) -> str:
        """Return the pattern of the methods that nnU-Net trains, or of the others."""
        names = [method.name for method in self.methods.values() if method.is_nnunet]
        return _pattern(names, self._name_of_method, of_nnunet)

    def nnunet(self, has_environment: bool) -> dict[str, Any]:
        """Return how nnU-Net trains.

        Args:
            has_environment: Whether the jobs have its package without more words: in an environment of conda.

        Raises:
            PlanError: No interpreter is named that has it.
        """
        if not has_environment and self.config.values["nnunet_python"] is None:
            raise PlanError(
                "DAR-056: nnunet_python is null, but nnU-Net is asked for; expected the Python interpreter of an "
                "environment with it: run `make nnunet` and say --config nnunet_python=.venv-nnunet/bin/python, or "
                "run with --sdm conda."
            )
        return self.config.branch("nnunet")

    def external_files(self, name: str, direction: str) -> dict[str, str]:
        """Return the files of an external row by test case."""
        return files_of(self.config.external[name], direction, self.volumes.test_cases(direction))

    def external_values(self, name: str, direction: str) -> list[list[int | str]]:
        """Return for each structure the values that an external row's files have for it."""
        return self.config.external[name].label_values(self.config.task, direction)

    def chunk_files(self, method: str, direction: str, seed: int | str, file: str) -> list[str]:
        """Return `masks`, `tta_inconsistency.tsv` or, where labels score it, `metrics.tsv` of a method's chunks."""
        scored = file == "metrics.tsv"
        chunks = self.volumes.scored_chunks(direction) if scored else self.volumes.chunks(direction)
        return [f"{self.paths.chunk(seed, direction, method, chunk)}/{file}" for chunk in chunks]

    def requested(self) -> list[str]:
        """Return what the run makes if it is given no target.

        Raises:
            PlanError: Cases are missing.
        """
        if lacking := lacking_for_summary(self.config, self.cases, self.methods):
            lines = "".join(f"\n  {line}" for line in lacking)
            raise PlanError(
                f"DAR-040: Cases are missing:{lines}\nGive the cases table such cases, or choose another direction."
            )
        return [
            self.paths.checks,
            *self.paths.table_files(SUMMARY),
            self.paths.tta_inconsistency_table,
            self.paths.confidence_table,
            *([self.paths.calibration_table] if self.config.saves_probabilities and self.summary.predicted else []),
            *(f"{figure.path}.png" for figure in self.figures.of_table(self.summary)),
            *self.unscored_predictions(self.summary),
            self.paths.report(SUMMARY),
        ]

    def weights(self, method: str, direction: str, seed: int | str) -> str:
        """Return the weights with which a method predicts; of nnU-Net the folder with its plans.

        Raises:
            PlanError: No table has the method, or its training lacks something in this direction.
        """
        of: Method = known_entry(self.methods, method, "method")
        if lacking := lacking_cases(of, Direction.of(direction), self.cases):
            raise PlanError(
                f"DAR-040: Direction {direction}, method {method}: {lacking}. Choose another direction or method, or "
                "change the cases table."
            )
        training_set = of.training_set(Direction.of(direction))
        file = "model" if of.is_nnunet else "weights.safetensors"
        return f"{self.paths.training(seed, str(training_set), str(of.predictor))}/{file}"

    def weights_before(self, iteration: int | str, training_set: str, network: str, seed: int | str) -> str:
        """Return the weights that label the target for a self-training iteration, and from which it goes on.

        Args:
            network: The name of the first training, such as `dar_unet-randomized`.
        """
        before = replace(Training.of(network), iteration=int(iteration) - 1)
        return f"{self.paths.training(seed, training_set, str(before))}/weights.safetensors"

    def source_segmenter(self, direction: str, seed: int | str) -> str:
        """Return the weights of the 2D segmenter of the source that CyCADA's translator consults."""
        return f"{self.paths.training(seed, Direction.of(direction).source, 'unet_2d')}/weights.safetensors"

    def metrics(self, rows: Iterable[Row]) -> list[str]:
        """Return the scores of rows."""
        return [self.paths.metrics(row.seed, row.direction, row.method) for row in rows]

    def tta_inconsistency(self, rows: Iterable[Row]) -> list[str]:
        """Return how much the masks of rows change with the image."""
        return [self.paths.tta_inconsistency(row.seed, row.direction, row.method) for row in rows]

    def confidence(self, rows: Iterable[Row]) -> list[str]:
        """Return how far the masks of rows can be trusted."""
        return [self.paths.confidence(row.seed, row.direction, row.method) for row in rows]

    def adapted_beside(self, method: str, direction: str, seed: int | str) -> list[str]:
        """Return the folders of the masks of the summary's other methods that were adapted in a direction."""
        return self.predictions(
            row
            for row in self.summary.masked
            if (row.direction, row.seed) == (direction, int(seed))
            if row.method != method and self.methods[row.method].is_adapted
        )

    def calibration(self, rows: Iterable[Row]) -> list[str]:
        """Return how well the probabilities of rows are calibrated."""
        return [self.paths.calibration(row.seed, row.direction, row.method) for row in rows]

    def predictions(self, rows: Iterable[Row]) -> list[str]:
        """Return the folders of the masks of rows."""
        return [self.paths.predictions(row.seed, row.direction, row.method) for row in rows]

    def unscored_predictions(self, table: Table) -> list[str]:
        """Return the folders of a table's masks that no label can score."""
        rows = [*table.masked, *table.external]
        return self.predictions(row for row in rows if not self.volumes.test_cases(row.direction, labeled=True))

    def missing_masks(self, table: Table) -> list[str]:
        """Return the tables of the scored test cases that lack a mask in a table's external rows."""
        return [self.paths.missing_masks(row.seed, row.direction, row.method) for row in table.external]

    def grid_ceilings(self, table: Table) -> dict[str, str]:
        """Return the table of the source's grid ceiling by direction, where training cases of it have labels."""
        measured = [direction for direction in table.directions if self.volumes.labeled(direction.source)]
        return {str(direction): self.paths.grid_ceiling(direction.source) for direction in measured}

    def grids(self, table: Table) -> dict[str, str]:
        """Return by path the domain of the grids of the source's labeled training and the target's test cases."""
        found: dict[str, str] = {}
        for direction in table.directions:
            used = {direction.source: self.volumes.labeled(direction.source)}
            used |= {direction.target: self.volumes.test_cases(str(direction))}
            found |= {path: domain for domain, names in used.items() for path in self.paths.cases(domain, names, GRID)}
        return found

    def usage(self, table: str) -> dict[str, list[str]]:
        """Return what the trainings of a table's methods took, files by method, where the table shows it.

        Trainings on both domains, such as SynSeg-Net, record nothing.
        """
        files: dict[str, list[str]] = {}
        for row in self.tables[table].predicted if self.tables[table].has_usage else ():
            method = self.methods[row.method]
            training_set = method.training_set(Direction.of(row.direction))
            if training_set.has_volumes:
                folder = self.paths.training(row.seed, str(training_set), str(method.trainings[0]))
                files.setdefault(row.method, []).append(f"{folder}/usage.json")
        return files


def _pattern(names: list[str], every: str, is_one: bool) -> str:
    """Return the pattern of some names, or of every other one; what follows a name is no letter, digit or `_`."""
    listed = "|".join(names) or "(?!)"
    return listed if is_one else rf"(?!(?:{listed})\b){every}"
