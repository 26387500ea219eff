"""Which cases train the candidates of a training, and which choose among these."""

from collections.abc import Sequence
from dataclasses import dataclass

from dar_uda.plan.errors import PlanError
from dar_uda.plan.methods import TrainingSet
from dar_uda.plan.volumes import IMAGE, LABEL, Volumes

TARGET_CASES = 4
"""How many unlabeled volumes of the target choose weights, together with labeled volumes of the source."""


@dataclass(frozen=True)
class Candidates:
    """The cases and volumes of trainings whose weights are chosen among several."""

    volumes: Volumes

    def kept_aside(self, training_set: str) -> list[str]:
        """Return the labeled cases that choose: all of each patient who is among the last of the table.

        Raises:
            PlanError: None would be left for the training.
        """
        config, cases = self.volumes.config, self.volumes.labeled(training_set)
        patients = self.volumes.cases.patients(TrainingSet.of(training_set).labeled, cases)
        distinct = list(dict.fromkeys(patients))
        count = max(1, round(config.branch("model_selection")["validation_fraction"] * len(distinct)))
        if count >= len(distinct):
            raise PlanError(
                f"DAR-041: model_selection.rule {config.selection_rule}: training set {training_set} has {len(cases)} "
                f"labeled cases of {len(distinct)} patients, of whom {count} would be kept aside; expected more "
                "patients: add cases, or take rule: last."
            )
        kept = set(distinct[-count:])
        return [case for case, patient in zip(cases, patients, strict=True) if patient in kept]

    def trained(self, training_set: str) -> list[str]:
        """Return the labeled cases that train."""
        kept = set(self.kept_aside(training_set))
        return [case for case in self.volumes.labeled(training_set) if case not in kept]

    def images(self, training_set: str, selection: str, seed: int | str) -> list[str]:
        """Return the labeled volumes that choose: of the cases kept aside, or the target's test cases."""
        if selection == "target_oracle":
            return self._tests(training_set, IMAGE)
        return self.volumes.images(training_set, seed, self.kept_aside(training_set))

    def labels(self, training_set: str, selection: str) -> list[str]:
        """Return the label map of every volume that `images` returns."""
        if selection == "target_oracle":
            return self._tests(training_set, LABEL)
        return self.volumes.labels(training_set, self.kept_aside(training_set))

    def unlabeled(self, training_set: str, selection: str) -> list[str]:
        """Return the volumes of the target that choose without labels."""
        if selection == "target_oracle":
            return []
        target = self._target(training_set)
        return self.volumes.paths.cases(target, self.volumes.cases.of(target, "train")[:TARGET_CASES], IMAGE)

    def _tests(self, training_set: str, file: str) -> list[str]:
        target = self._target(training_set)
        tests: Sequence[str] = self.volumes.cases.of(target, "test", labeled=True)
        if not tests:
            raise PlanError(
                f"DAR-042: model_selection.rule target_oracle: no test case of domain {target} has a label; "
                "take rule: source_validation."
            )
        return self.volumes.paths.cases(target, tests, file)

    def _target(self, training_set: str) -> str:
        labeled = TrainingSet.of(training_set).labeled
        return next(domain for domain in self.volumes.config.task.domains if domain != labeled)
