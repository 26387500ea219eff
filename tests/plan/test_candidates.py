import pytest

from dar_uda.plan.cases import Cases
from dar_uda.plan.errors import PlanError
from tests.plan.plans import LABELED, case, phantoms, plan_of

RUN = "results/phantom"
MULTI = "ct-to-mr.disentangled-multi"


def candidates_of(count, fraction=0.2, patients=None):
    """Return the candidates of a run with `count` labeled training cases of CT, a letter each for their patients."""
    cases = Cases(tuple(case(f"ct{k}", "train", True, patients[k] if patients else "") for k in range(count)))
    return plan_of(f"model_selection: {{rule: source_validation, validation_fraction: {fraction}}}", cases).candidates


@pytest.mark.parametrize(
    ("count", "fraction", "kept"), [(2, 0.2, 1), (5, 0.2, 1), (8, 0.2, 2), (10, 0.2, 2), (10, 0.5, 5), (3, 0.6, 2)]
)
def test_the_last_cases_of_the_table_choose_and_the_others_train(count, fraction, kept):
    candidates = candidates_of(count, fraction)
    names = [f"ct{number}" for number in range(count)]
    for training_set in ("ct", MULTI):
        assert candidates.kept_aside(training_set) == names[count - kept :]
        assert candidates.trained(training_set) == names[: count - kept]


@pytest.mark.parametrize(
    ("patients", "fraction", "kept"),
    [
        ("AABBCC", 0.2, [4, 5]),  # round(0.2 * 3) = 1 patient, C
        ("AABBCC", 0.7, [2, 3, 4, 5]),  # round(2.1) = 2
        ("ABCABC", 0.2, [2, 5]),  # C is the last whose first case comes
        ("CAAAAC", 0.2, [1, 2, 3, 4]),
        ("AAAAAAB", 0.5, [6]),  # round(1.0) = 1 of 2 patients, not 4 of 7 cases
    ],
)
def test_all_cases_of_a_patient_choose_or_all_train(patients, fraction, kept):
    candidates = candidates_of(len(patients), fraction, patients)
    for training_set in ("ct", MULTI):
        assert candidates.kept_aside(training_set) == [f"ct{k}" for k in kept]
        assert candidates.trained(training_set) == [f"ct{k}" for k in range(len(patients)) if k not in kept]
    folder = f"{RUN}/cases/ct"
    assert candidates.images("ct", "source_validation", 0) == [f"{folder}/ct{k}/image.nii" for k in kept]


def test_many_cases_of_one_patient_cannot_train_and_choose():
    with pytest.raises(PlanError, match="has 9 labeled cases of 1 patients, of whom 1 would be kept aside"):
        candidates_of(9, patients="A" * 9).kept_aside("ct")


@pytest.mark.parametrize(("count", "fraction", "kept"), [(0, 0.2, 1), (1, 0.2, 1), (2, 0.8, 2)])
def test_a_training_needs_a_case_that_is_not_kept_aside(count, fraction, kept):
    with pytest.raises(PlanError) as error:
        candidates_of(count, fraction).trained(MULTI)
    assert str(error.value) == (
        f"DAR-041: model_selection.rule source_validation: training set {MULTI} has {count} labeled cases of "
        f"{count} patients, of whom {kept} would be kept aside; expected more patients: add cases, or take rule: last."
    )


def test_validation_looks_at_source_cases_kept_aside_and_at_four_unlabeled_ones_of_the_target():
    candidates = phantoms("model_selection: {rule: source_validation}").candidates
    assert candidates.images("ct", "source_validation", 3) == [f"{RUN}/cases/ct/ct0{n}/image.nii" for n in (6, 7)]
    assert candidates.labels("ct", "source_validation") == [f"{RUN}/cases/ct/ct0{n}/label.nii" for n in (6, 7)]
    folder = f"{RUN}/seed-3/synthetic/ct-to-mr/disentangled-multi"
    synthetic = [f"{folder}/ct0{n}/style-{style}.nii" for n in (6, 7) for style in range(6)]
    assert candidates.images(MULTI, "source_validation", 3) == synthetic
    assert candidates.labels(MULTI, "source_validation") == [
        f"{RUN}/cases/ct/ct0{n}/label.nii" for n in (6, 7) for _ in range(6)
    ]
    for training_set in ("ct", MULTI):
        unlabeled = candidates.unlabeled(training_set, "source_validation")
        assert unlabeled == [f"{RUN}/cases/mr/mr0{n}/image.nii" for n in range(4)]


def test_the_oracle_looks_at_the_targets_test_cases():
    candidates = plan_of("model_selection: {rule: target_oracle}").candidates
    for training_set in ("ct", MULTI):
        assert candidates.images(training_set, "target_oracle", 0) == [f"{RUN}/cases/mr/mr3/image.nii"]
        assert candidates.labels(training_set, "target_oracle") == [f"{RUN}/cases/mr/mr3/label.nii"]
        assert candidates.unlabeled(training_set, "target_oracle") == []
    other = plan_of("model_selection: {rule: target_oracle}", LABELED).candidates
    assert other.labels("mr-to-ct.cyclegan-single", "target_oracle") == [f"{RUN}/cases/ct/ct4/label.nii"]


def test_the_oracle_needs_a_label_of_a_test_case():
    with pytest.raises(PlanError) as error:
        plan_of("model_selection: {rule: target_oracle}").candidates.images(
            "mr-to-ct.cyclegan-single", "target_oracle", 0
        )
    assert str(error.value) == (
        "DAR-042: model_selection.rule target_oracle: no test case of domain ct has a label; "
        "take rule: source_validation."
    )
