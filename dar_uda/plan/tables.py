"""The tables of a run: their methods, directions and rows, and why rows are empty."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dar_uda.plan.cases import Cases
from dar_uda.plan.config import Config
from dar_uda.plan.external import External
from dar_uda.plan.external_files import has_row_in, lacking_files
from dar_uda.plan.methods import Method, TrainingSet
from dar_uda.plan.networks import Networks
from dar_uda.plan.task import Direction

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SUMMARY = "summary"
"""The table of the config's `methods`."""


@dataclass(frozen=True)
class Row:
    """A method in a direction with a seed; or an external row there, under the run's first seed alone."""

    direction: str
    method: str
    seed: int
    is_external: bool = False


@dataclass(frozen=True)
class Unavailable:
    """A method that a table cannot score in a direction, and why."""

    direction: str
    method: str
    reason: str


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        methods: Its methods; beside the summary, of those whose masks this budget makes alike, as of `dar_uda` without
            self-training, the last.
        scored: The rows with scores.
        masked: The rows of its methods with masks; behind the summary also those that no label scores.
        external: The external rows, scored or not.
        unavailable: What stays empty.
        reference: Method of the row to which it gives differences.
        has_usage: Whether it shows what the trainings took.
    """

    name: str
    methods: tuple[Method, ...]
    directions: tuple[Direction, ...]
    scored: tuple[Row, ...]
    masked: tuple[Row, ...]
    external: tuple[Row, ...]
    unavailable: tuple[Unavailable, ...]
    reference: str
    has_usage: bool

    @property
    def predicted(self) -> tuple[Row, ...]:
        """The rows with scores of networks that the run trains."""
        return tuple(row for row in self.scored if not row.is_external)

    def drawn(self, direction: str, seed: int | None = None) -> list[Row]:
        """Return the scored rows of a direction, those of one seed alone if it is given."""
        return [row for row in self.scored if row.direction == direction and seed in (None, row.seed)]

    def compares(self, direction: str) -> bool:
        """Return whether a direction has scores of the reference row and of another."""
        methods = {row.method for row in self.drawn(direction)}
        return self.reference in methods and len(methods) > 1


def plain(rows: Iterable["DataclassInstance"]) -> list[dict[str, Any]]:
    """Return rows, or figures, as the dictionaries that the params of rules hold."""
    return [asdict(row) for row in rows]


def read_tables(config: Config, cases: Cases, methods: Mapping[str, Method]) -> dict[str, Table]:
    """Return every table by name, the summary first."""
    return {name: _table(name, config, cases, methods) for name in config.tables}


def lacking_cases(method: Method, direction: Direction, cases: Cases) -> str | None:
    """Return what a method's training lacks in a direction: cases, or labels that do not score it; None: nothing."""
    training_set = method.training_set(direction)
    if not cases.of(training_set.labeled, "train", labeled=True):
        return f"no training case of domain {training_set.labeled} has a label"
    if training_set.target is not None and not cases.of(training_set.target, "train"):
        return f"domain {training_set.target} has no training case"
    if training_set.labeled == direction.target and cases.of(direction.target, "both", labeled=True):
        return f"labels of domain {direction.target} would train and score it (split: both)"
    return None


def lacking_for_summary(config: Config, cases: Cases, methods: Mapping[str, Method]) -> list[str]:
    """Return what the directions of the summary lack of cases that its methods need, labels of the target apart."""
    lacking = []
    for direction in config.directions:
        if not cases.of(direction.target, "test"):
            lacking.append(f"direction {direction}: domain {direction.target} has no test case")
        for name in filter(methods.__contains__, config.tables[SUMMARY]["methods"]):
            missing = lacking_cases(methods[name], direction, cases)
            if missing and methods[name].training_set(direction) != TrainingSet(direction.target):
                lacking.append(f"direction {direction}, method {name}: {missing}")
    return lacking


def _table(name: str, config: Config, cases: Cases, methods: Mapping[str, Method]) -> Table:
    directions, shown = _directions_of(name, config, cases), _entries_of(name, config, methods)
    places = [
        (direction, entry)
        for direction in directions
        for entry in shown
        if isinstance(entry, Method) or has_row_in(entry, direction, cases)
    ]
    reasons = {(str(direction), entry.name): _reason(direction, entry, cases) for direction, entry in places}
    without_files = [
        Unavailable(str(direction), entry.name, reason)
        for direction in directions
        for entry in shown
        if isinstance(entry, External) and direction in config.directions
        if (reason := lacking_files(entry, direction, cases))
    ]

    def rows(there: Iterable[tuple[Direction, Method | External]]) -> tuple[Row, ...]:
        return tuple(row for direction, entry in there for row in _rows_of(direction, entry, config.seeds))

    scored = rows(place for place in places if reasons[str(place[0]), place[1].name] is None)
    of_methods = [(direction, entry) for direction, entry in places if isinstance(entry, Method)]
    masked = rows(place for place in of_methods if not lacking_cases(place[1], place[0], cases))
    return Table(
        name=name,
        methods=tuple(entry for entry in shown if isinstance(entry, Method)),
        directions=directions,
        scored=scored,
        masked=masked if name == SUMMARY else tuple(row for row in scored if not row.is_external),
        external=rows(place for place in places if isinstance(place[1], External)),
        unavailable=(
            *(Unavailable(*place, reason) for place, reason in reasons.items() if reason is not None),
            *without_files,
        ),
        reference=_reference_of(name, config, shown, methods),
        has_usage=config.tables[name].get("usage", False),
    )


def _rows_of(direction: Direction, entry: Method | External, seeds: Sequence[int]) -> list[Row]:
    """Return a method's row under each seed; the one of masks that another program made, which no seed changes."""
    if isinstance(entry, External):
        return [Row(str(direction), entry.name, seeds[0], is_external=True)]
    return [Row(str(direction), entry.name, seed) for seed in seeds]


def _reason(direction: Direction, entry: Method | External, cases: Cases) -> str | None:
    """Return why a row cannot be scored in a direction; None where it can."""
    if not cases.of(direction.target, "test", labeled=True):
        return f"no test case of domain {direction.target} has a label"
    return lacking_cases(entry, direction, cases) if isinstance(entry, Method) else None


def _directions_of(name: str, config: Config, cases: Cases) -> tuple[Direction, ...]:
    """Return the directions of a table: the run's, or of other tables what they ask for and the cases allow.

    A region of interest comes from the labels of one direction's source, so that there is no other direction.
    """
    if name == SUMMARY or config.values["directions"] or config.task.grid.get("region_margin") is not None:
        return config.directions
    if config.tables[name]["directions"] == "first":
        return (Direction.of(config.task.directions[0]),)
    allowed = tuple(
        direction
        for direction in config.task.both_directions
        if cases.of(direction.target, "test", labeled=True) and cases.of(direction.source, "train", labeled=True)
    )
    return allowed or config.directions


def _reference_of(name: str, config: Config, shown: Sequence[Method | External], methods: Mapping[str, Method]) -> str:
    """Return the method of a table's reference row: what is asked for or what is made alike, or else the first."""
    asked = config.tables[name].get("reference_method", config.values["reference_method"])
    names = [entry.name for entry in shown]
    wanted = _made(methods[asked], config) if asked in methods else None
    alike = [entry.name for entry in shown if isinstance(entry, Method) and _made(entry, config) == wanted]
    return asked if asked in names else [*alike, *names][0]


def _made(method: Method, config: Config) -> tuple[Any, ...]:
    """Return all that a method's masks depend on."""
    inference = Networks(config).inference(method.is_post_processed)
    return method.training_set_pattern, method.iterations, inference


def _entries_of(name: str, config: Config, methods: Mapping[str, Method]) -> list[Method | External]:
    """Return what has rows in a table, in their order; but in the summary, of methods that are made alike the last."""
    listed = [methods.get(entry) or config.external[entry] for entry in config.tables[name]["methods"]]
    if name == SUMMARY:
        return listed
    made = [_made(entry, config) if isinstance(entry, Method) else entry.name for entry in listed]
    return [entry for place, entry in enumerate(listed) if made[place] not in made[place + 1 :]]
