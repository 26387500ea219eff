"""Patients who have cases in both splits, on tables worked out by hand."""

from dar_uda.data.patients import listed, problems_of_split


def rows(*cells):
    return [dict(zip(("case", "domain", "split", "patient"), row.split("/"), strict=True)) for row in cells]


def test_every_patient_who_trains_and_is_tested_in_one_domain_is_named_with_the_cases():
    table = rows("a1/mr/train/P1", "a2/mr/test/P1", "a3/mr/train/P1", "b1/mr/train/P2", "b2/mr/train/P2")
    table += rows("c1/ct/train/P 3", "c2/ct/test/P 3", "d1/ct/train/P4", "d1/mr/test/P4", "e1/ct/test/", "e2/ct/train/")
    remedy = (
        "move them all to one split, or, if these are scans of different patients, give the patients different names "
        "in column `patient`"
    )
    assert list(problems_of_split(table)) == [
        f"DAR-047: patient 'P1' of domain mr has training cases (a1, a3) and test cases (a2); {remedy}",
        f"DAR-047: patient 'P 3' of domain ct has training cases (c1) and test cases (c2); {remedy}",
    ]


def test_a_case_without_a_patient_is_the_patient_of_its_name():
    assert len(list(problems_of_split(rows("p1/ct/train/", "p1_late/ct/test/p1")))) == 1
    assert list(problems_of_split(rows("p1/ct/train/", "p1_late/mr/test/p1", "p2/ct/test/"))) == []


def test_a_case_that_stands_twice_is_another_problem():
    assert list(problems_of_split(rows("p1/ct/train/", "p1/ct/test/"))) == []
    assert len(list(problems_of_split(rows("p1/ct/train/", "p1/ct/test/", "p2/ct/test/p1")))) == 1


def test_a_case_of_both_is_one_that_trainings_see():
    table = rows("a1/mr/both/P1", "a2/mr/both/P1", "b1/mr/both/P2", "b2/mr/train/P2", "c1/mr/both/", "c2/ct/test/c1")
    assert list(problems_of_split(table)) == []
    [problem] = problems_of_split([*table, *rows("a3/mr/test/P1", "b3/ct/test/P2")])
    assert "patient 'P1' of domain mr has training cases (a1, a2) and test cases (a3); " in problem


def test_a_message_names_five_cases_and_counts_the_others():
    names = [f"c{number}" for number in range(5000)]
    assert listed(names) == "c0, c1, c2, c3, c4, 4995 more" and listed(names[:5]) == "c0, c1, c2, c3, c4"
    table = rows(*(f"{name}/ct/{'test' if name > 'c5' else 'train'}/x" for name in names))
    [problem] = problems_of_split(table)
    assert len(problem) < 400
