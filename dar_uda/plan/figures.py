"""The figures of a run, and what they show."""

from collections.abc import Mapping
from dataclasses import dataclass

from dar_uda.plan.cases import Cases
from dar_uda.plan.config import Config
from dar_uda.plan.methods import TRANSLATIONS, translator_of
from dar_uda.plan.paths import Paths, ending_of
from dar_uda.plan.tables import SUMMARY, Row, Table, lacking_cases
from dar_uda.plan.task import Direction

OVERLAY_CASES = 4


@dataclass(frozen=True)
class Figure:
    """A figure of a report: its path without suffix, what it shows, and of which direction and variant."""

    path: str
    kind: str
    direction: str = ""
    variant: str = ""


@dataclass(frozen=True)
class Figures:
    """The figures of a run. Directions and tables are the values of a rule's wildcards."""

    config: Config
    cases: Cases
    paths: Paths
    tables: Mapping[str, Table]

    @property
    def first_seed(self) -> int:
        """The seed whose masks, styles and losses are drawn."""
        return self.config.seeds[0]

    def of_table(self, table: Table) -> list[Figure]:
        """Return the figures of a table's report: of its scores, and the summary's also of what the run made."""
        figures = [
            Figure(self.paths.figure(f"{kind}-{direction}{ending_of(table.name)}"), kind, direction)
            for direction in map(str, table.directions)
            for kind in self._kinds_of_scores(table, direction)
        ]
        return figures + (self._of_run() if table.name == SUMMARY else [])

    def _kinds_of_scores(self, table: Table, direction: str) -> list[str]:
        """Return which figures a table has of its scores in a direction."""
        if not table.drawn(direction):
            return []
        differences = ["differences"] if table.compares(direction) else []
        is_predicted = direction in {row.direction for row in table.predicted}
        reliability = ["reliability"] if self.config.saves_probabilities and is_predicted else []
        return ["dice", *differences, "dice_asd", "extremes", *reliability]

    def overlay_cases(self, direction: str) -> list[str]:
        """Return the test cases of the overlays: the first that have a label, else the first."""
        target = Direction.of(direction).target
        return (self.cases.of(target, "test", labeled=True) or self.cases.of(target, "test"))[:OVERLAY_CASES]

    def overlay_images(self, direction: str) -> list[str]:
        """Return the user's images of the overlays' cases."""
        target = Direction.of(direction).target
        return [self.cases.named(target, name).image for name in self.overlay_cases(direction)]

    def overlay_references(self, direction: str) -> list[str]:
        """Return the user's label files of the overlays' cases that have one."""
        target = Direction.of(direction).target
        labels = [self.cases.named(target, name).label for name in self.overlay_cases(direction)]
        return [label for label in labels if label]

    def overlay_methods(self, direction: str) -> list[str]:
        """Return the summary's rows that have masks in a direction: methods, then external rows."""
        summary, way = self.tables[SUMMARY], Direction.of(direction)
        methods = [method.name for method in summary.methods if not lacking_cases(method, way, self.cases)]
        return methods + [row.method for row in summary.external if row.direction == direction]

    def look_first_rows(self, direction: str) -> list[Row]:
        """Return the summary's rows in a direction of the one method whose least sure cases are drawn.

        That of the reference row; where it has no masks there, the first that has. None where none has.
        """
        summary = self.tables[SUMMARY]
        rows = [row for row in summary.masked if row.direction == direction]
        names = [row.method for row in rows]
        chosen = summary.reference if summary.reference in names else next(iter(names), None)
        return [row for row in rows if row.method == chosen]

    def translations(self, direction: str) -> list[str]:
        """Return the translations that the summary's methods use in a direction, the paper's first."""
        methods = self.tables[SUMMARY].methods
        used = {method.training_set(Direction.of(direction)).translation for method in methods}
        return [translation for translation in TRANSLATIONS if translation in used]

    def translation_of_each(self, direction: str) -> list[str]:
        """Return the first of the translations in a direction that each translator draws."""
        first: dict[str, str] = {}
        for name in self.translations(direction):
            first.setdefault(name.split("-")[0], name)
        return list(first.values())

    def histories(self) -> dict[str, str]:
        """Return the losses of the first seed's trainings, files by name."""
        return {**self._of_translators(), **self._of_trainings()}

    def _of_translators(self) -> dict[str, str]:
        directions = map(str, self.config.directions)
        names = dict.fromkeys(translator_of(name, way) for way in directions for name in self.translations(way))
        return {name: f"{self.paths.translator(self.first_seed, name)}/history.tsv" for name in names}

    def _of_trainings(self) -> dict[str, str]:
        summary, files = self.tables[SUMMARY], {}
        for direction in self.config.directions:
            for method in summary.methods:
                training_set = method.training_set(direction)
                for training in [] if lacking_cases(method, direction, self.cases) else method.trainings:
                    folder = self.paths.training(self.first_seed, str(training_set), str(training))
                    files[f"{training_set} {training}"] = f"{folder}/history.tsv"
        return files

    def _of_run(self) -> list[Figure]:
        """Return the figures of masks, translations, styles and losses, where the run has what they show."""
        figures = []
        for direction in map(str, self.config.directions):
            if self.look_first_rows(direction):
                figures.append(Figure(self.paths.figure(f"look_first-{direction}"), "look_first", direction))
            if self.overlay_methods(direction):
                figures.append(Figure(self.paths.figure(f"overlays-{direction}"), "overlays", direction))
            if self.translations(direction):
                figures.append(Figure(self.paths.figure(f"translations-{direction}"), "translations", direction))
            figures += self._of_styles(direction)
        return figures + ([Figure(self.paths.figure("losses"), "losses")] if self.histories() else [])

    def _of_styles(self, direction: str) -> list[Figure]:
        return [
            Figure(f"{self.paths.styles(self.first_seed, direction, name)}/styles", "styles", direction, strategy)
            for name in self.translations(direction)
            for translator, strategy in [name.split("-")]
            if translator == "disentangled"
        ]
