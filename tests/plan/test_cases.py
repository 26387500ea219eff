import re
from pathlib import Path

import pytest

from dar_uda.data.cases_table import COLUMNS, REQUIRED
from dar_uda.data.checks.cases import CaseFiles
from dar_uda.plan.cases import cases_to_check, read_cases
from dar_uda.plan.errors import PlanError
from tests.plan.configs import REPOSITORY, config_of

ROWS = [
    ("ct1", "ct", "ct1.nii.gz", "ct1_label.nii.gz", "train"),
    ("ct2", "ct", "ct2.nii.gz", "", "train"),
    ("mr1", "mr", "mr1.nii.gz", "mr1_label.nii.gz", "train"),
    ("mr2", "mr", "mr2.nii.gz", "mr2_label.nii.gz", "test"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_with(rows, table="cases.tsv", text="task: abdomen"):
    """Write a cases table, with patients where the rows have them; return the config of a run on it."""
    head = COLUMNS if len(rows[0]) == len(COLUMNS) else REQUIRED
    Path(table).write_text("\n".join("\t".join(row) for row in [head, *rows]) + "\n")
    return config_of(f"{text}\ncases: {table}")


def touch(*paths):
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def files_of(rows):
    return [path for row in rows for path in row[2:4] if path]


def refused(config, **choices):
    """Return the lines with which a cases table is refused."""
    with pytest.raises(PlanError) as error:
        read_cases(config, REPOSITORY, **choices)
    return str(error.value)


def test_cases_are_found_by_domain_split_and_label_in_the_order_of_the_table():
    touch(*files_of(ROWS))
    cases = read_cases(config_with(ROWS[::-1]), REPOSITORY)
    assert cases.of("ct", "train") == ["ct2", "ct1"] and cases.of("ct", "train", labeled=True) == ["ct1"]
    assert cases.of("mr", "test") == ["mr2"] and cases.of("ct", "test") == []
    assert cases.named("mr", "mr2").files == ["mr2.nii.gz", "mr2_label.nii.gz"]
    assert cases.named("ct", "ct2").files == ["ct2.nii.gz"] and cases.generated == []
    with pytest.raises(PlanError, match="Domain ct of the cases table has no case 'mr2'; look at the name"):
        cases.named("ct", "mr2")


def test_the_phantoms_table_is_the_projects_and_its_cases_are_generated():
    cases = read_cases(config_of(), REPOSITORY)
    assert len(cases.all) == len(cases.generated) == 8 + 4 + 8 + 6  # CT training and test, MR training and test
    assert cases.named("ct", "ct00").image == "results/phantom/data/ct/ct00_image.nii.gz"


def test_training_labels_of_a_target_are_described_for_its_ceiling_alone():
    touch(*files_of(ROWS))
    for methods, expected in {"dar_uda": {"ct1", "ct2"}, "supervised": {"ct1", "ct2", "mr1"}}.items():
        config = config_with(ROWS, text=f"task: abdomen\ndirections: ct-to-mr\nmethods: {methods}")
        rows = cases_to_check(read_cases(config, REPOSITORY), config)
        assert {row["name"] for row in rows if row["label_values"]} == expected
    assert list(rows[0]) == ["name", "domain", "image", "label", "label_values"]


def with_patients(*patients):
    touch(*files_of(ROWS))
    return [(*row, patient) for row, patient in zip(ROWS, patients, strict=True)]


def test_a_case_without_a_patient_is_its_own():
    cases = read_cases(config_with(with_patients("P1", "P1", "", "P2")), REPOSITORY)
    assert cases.patients("ct", ["ct2", "ct1"]) == ["P1", "P1"] and cases.patients("mr", ["mr1"]) == ["mr1"]
    assert [case.patient for case in cases.all] == ["P1", "P1", "", "P2"]
    assert {case.patient for case in read_cases(config_with(ROWS), REPOSITORY).all} == {""}


def test_patients_in_both_splits_of_a_domain_are_refused():
    message = refused(config_with(with_patients("", "", "P1", "P1")))
    assert message.startswith(
        "Cases table cases.tsv:\n  DAR-047: patient 'P1' of domain mr has training cases (mr1) and test cases (mr2)"
    )


def test_the_first_rule_knows_patients_whom_trainings_see_or_tests_score():
    rows = [*with_patients("P1", "", "", "P2"), ("ct9", "ct", "ct1.nii.gz", "", "test", "P2")]
    for directions, known in {"ct-to-mr": {"ct1", "mr2"}, "[ct-to-mr, mr-to-ct]": {"ct1", "mr2", "ct9"}}.items():
        config = config_with(rows, text=f"task: abdomen\ndirections: {directions}")
        checked = cases_to_check(read_cases(config, REPOSITORY), config)
        assert {case["name"] for case in checked if "patient" in case} == known
        assert [CaseFiles(**case).patient for case in checked] == [case.get("patient", "") for case in checked]
    assert [(case["patient"], case["split"]) for case in checked if case["name"] == "mr2"] == [("P2", "test")]


def test_without_a_table_or_its_file_a_run_is_refused(folder):
    assert "Task abdomen has no cases table: name one, as in --config task=abdomen" in refused(
        config_of("task: abdomen")
    )
    message = refused(config_of("{task: abdomen, cases: ~/cases.tsv}"))
    assert f"Cases table ~/cases.tsv does not exist (in {folder}); `~` is not expanded" in message


def test_an_absent_scan_is_refused_by_line_with_what_is_meant():
    rows = [("ct1", "ct", "~/scans/ct1.nii.gz", "", "train"), *ROWS[1:]]
    touch(*files_of(ROWS[1:3]), "mr2.nii.gz")
    config = config_with(rows)
    assert refused(config) == (
        "Cases table cases.tsv:\n"
        "  line 2: DAR-019: case ct1: image ~/scans/ct1.nii.gz does not exist; "
        "`~` is not expanded: write the home folder in full.\n"
        "  line 5: DAR-019: case mr2: label mr2_label.nii.gz does not exist."
    )
    assert len(read_cases(config, REPOSITORY, has_files=False).all) == 4


def test_a_domain_of_another_task_is_refused():
    touch("pet.nii")
    message = refused(config_with([("p", "pet", "pet.nii", "", "train")]))
    assert "line 2: DAR-022: case p: domain 'pet' is not in task abdomen (ct, mr)." in message


def test_paths_that_snakemake_would_replace_are_refused_by_line():
    names = ["{study}", "plain", "{run}", "<results>"]
    rows = [(f"c{number}", "ct", f"{name}/scan.nii.gz", "", "train") for number, name in enumerate(names)]
    touch(*files_of(rows))
    found = re.findall(r"line (\d): image '(.*?)/scan.nii.gz' holds", refused(config_with(rows)))
    assert found == [("2", "{study}"), ("4", "{run}"), ("5", "<results>")]


def test_paths_count_from_the_table_and_behind_a_link_the_parent_is_that_of_the_folder_it_points_to(folder):
    touch("elsewhere/scan.nii.gz", "elsewhere/tables/x", "tables/scan.nii.gz", "elsewhere/label.nii.gz")
    (folder / "link").symlink_to(folder / "elsewhere" / "tables")
    rows = [
        ("c1", "ct", "../scan.nii.gz", "", "train"),
        ("c2", "ct", f"{folder}/tables/scan.nii.gz", f"{folder}/elsewhere/./label.nii.gz", "train"),
    ]
    cases = read_cases(config_with(rows, "link/cases.tsv"), REPOSITORY)
    assert [case.files for case in cases.all] == [
        ["elsewhere/scan.nii.gz"],
        ["tables/scan.nii.gz", "elsewhere/label.nii.gz"],
    ]


def test_no_file_of_the_user_and_no_result_is_an_output_or_an_input_by_way_of_the_table(folder):
    data = "results/phantom/data"
    touch("own.nii.gz", f"{data}/mine.nii.gz", "results/phantom/cases/mr/image.nii", f"{data}/theirs.nii.gz")
    (folder / "link").symlink_to(folder / "results" / "phantom")
    rows = [
        ("c1", "ct", f"{data}/new.nii.gz", "own.nii.gz", "train"),
        ("c2", "ct", f"{folder}/link/data/mine.nii.gz", "", "train"),
        ("m1", "mr", "link/cases/mr/image.nii", "", "test"),
        ("m2", "mr", f"{data}/m2.nii.gz", "link/../phantom/data/m2_label.nii.gz", "train"),
    ]
    config = config_with(rows, text="task: phantom")
    text = refused(config)
    assert "case c1: label own.nii.gz lies outside results/phantom/data" in text
    assert "case c2: image results/phantom/data/mine.nii.gz was not generated, and would be written over" in text
    assert "case m1: image link/cases/mr/image.nii is a result of the workflow" in text
    assert "case m2" not in text
    text = refused(config, may_generate=False)
    assert "case m1: image" in text and "was not generated" not in text, "a job's process leaves what it writes alone"


def test_a_result_is_known_by_its_place_on_the_disk_to_which_its_run_is_a_link(folder):
    touch("scratch/cases/ct/ct1/image.nii", "results/x")
    (folder / "results" / "abdomen").symlink_to(folder / "scratch")
    message = refused(config_with([("x", "ct", f"{folder}/scratch/cases/ct/ct1/image.nii", "", "train")]))
    assert "case x: image scratch/cases/ct/ct1/image.nii is a result of the workflow" in message
