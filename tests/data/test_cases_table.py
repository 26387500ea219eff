import pytest

from dar_uda.data.cases_table import further_columns, read_cases_table

HEADER = "case\tdomain\timage\tlabel\tsplit"
ROW = {"case": "ct1", "domain": "ct", "image": "a b/ä.nii.gz", "label": "", "split": "train", "patient": ""}


def write(tmp_path, *lines, end="\n", encoding="utf-8"):
    path = tmp_path / "cases.tsv"
    path.write_bytes((end.join([HEADER, *lines]) + end).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_marks_line_ends_and_spaces_do_no_harm(tmp_path, encoding, end):
    path = write(tmp_path, " ct1 \tct\t a b/ä.nii.gz\t\ttrain ", end=end, encoding=encoding)
    assert read_cases_table(path) == [ROW]


def test_further_columns_and_another_order_do_no_harm(tmp_path):
    path = tmp_path / "cases.tsv"
    path.write_text("split\tage\tcase \tlabel\timage\tdomain\ntrain\t61\tct1\t\ta b/ä.nii.gz\tct\n", encoding="utf-8")
    assert read_cases_table(path) == [ROW]
    assert further_columns(path) == ["age"]


def write_patients(tmp_path, *patients):
    """Write a table of one case per patient, the last to test."""
    path = tmp_path / "cases.tsv"
    splits = ["train"] * (len(patients) - 1) + ["test"]
    rows = [f"c{k}\tct\ta{k}.nii\t\t{split}\t{patients[k]}" for k, split in enumerate(splits)]
    path.write_text("\n".join([f"{HEADER}\tpatient", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_patient_is_any_text_or_empty(tmp_path):
    patients = ["P 7", " p7 ", "", '"7', "Zo\u00eb/\u5f20", "x" * 100, "0"]
    path = write_patients(tmp_path, *patients)
    assert [row["patient"] for row in read_cases_table(path)] == [patient.strip() for patient in patients]
    assert further_columns(path) == []


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        *((word, f"patient '{word}'; expected a name: leave the cell empty") for word in ("-", "NA", "n/a", "None")),
        ("a\x07", r"patient 'a\\x07'; expected up to 100 characters"),
        ("x" * 101, "patient '" + "x" * 60 + "'; expected up to 100 characters"),
    ],
)
def test_a_patient_that_is_no_name_is_refused_by_line(tmp_path, patient, expected):
    with pytest.raises(ValueError, match=f"line 3: DAR-004: {expected}"):
        read_cases_table(write_patients(tmp_path, "P1", patient))


def test_a_patient_in_both_splits_of_a_domain_is_refused(tmp_path):
    with pytest.raises(ValueError) as error:
        read_cases_table(write_patients(tmp_path, "P1", "P2", "P1"))
    assert "\n  DAR-047: patient 'P1' of domain ct has training cases (c0) and test cases (c2)" in str(error.value)
    assert len(read_cases_table(write_patients(tmp_path, "P1", "P1", "P2"))) == 3


def test_a_case_may_train_and_be_tested(tmp_path):
    [row] = read_cases_table(write(tmp_path, "mr1\tmr\ta.nii\t\tboth"))
    assert row["split"] == "both"
    with pytest.raises(ValueError, match="line 2: DAR-004: split 'Both'; expected train, test or both"):
        read_cases_table(write(tmp_path, "mr1\tmr\ta.nii\t\tBoth"))


def test_all_problems_are_told_at_once_by_line(tmp_path):
    bad = ["../x\tct\ta.nii\t\ttrain", "", "c\tm r\t\t\tvalid", "d\tct\ta.nii\ttrain", "e\tct\ta\x07\t\ttest"]
    path = write(tmp_path, *bad)
    with pytest.raises(ValueError) as error:
        read_cases_table(path)
    told = str(error.value)
    for part in (
        "line 2: DAR-004: case '../x'; expected",
        "line 4: DAR-004: domain 'm r'",
        "line 4: DAR-004: no image",
        "line 4: DAR-004: split 'valid'; expected train, test or both",
        "line 5: DAR-004: it has more or fewer cells",
        "line 6: image 'a\\x07' holds control characters",
    ):
        assert part in told


@pytest.mark.parametrize(
    "name", ["", "..", "a..b", "a/b", "/etc", ".hidden", "-x", "a\x07b", "ä", "x" * 101, "a b", "a\\b", "~"]
)
def test_a_name_that_could_leave_its_folder_or_break_a_path_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="line 2: DAR-004: case "):
        read_cases_table(write(tmp_path, f"{name}\tct\ta.nii\t\ttrain"))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("data/{study}/a.nii", "holds {study}, which Snakemake replaces"),
        ("data/{a, b}/a.nii", "holds {a, b}, which"),
        ("data/{3,5}.nii", "holds {3,5}, which"),
        ("<results>/a.nii", "holds <results>, which Snakemake replaces"),
        ("a\u2028.nii", "holds control characters"),
        ("ö" * 128 + ".nii", "is too long: a name of 260 bytes"),
        ("a/" * 2048 + "a", "in a path of 4097 bytes; expected up to 255 and 4095"),
    ],
)
def test_a_path_that_a_run_cannot_take_is_refused_by_line(tmp_path, path, words):
    for cells in (f"{path}\t", f"a.nii\t{path}"):
        what = "label" if cells.startswith("a.nii") else "image"
        with pytest.raises(ValueError) as error:
            read_cases_table(write(tmp_path, "ct0\tct\ta.nii\t\ttrain", f"ct1\tct\t{cells}\ttrain"))
        assert f"line 3: {what} " in str(error.value) and words in str(error.value)


@pytest.mark.parametrize(
    "path", ["{", "a}b{", "{a b}", "<B>", "a<b", "it's (1)", '"q"', "#1 %", "[x] & y", "$HOME", "a  b", "~x", "x" * 255]
)
def test_an_odd_path_is_kept_as_it_is(tmp_path, path):
    row = read_cases_table(write(tmp_path, f"ct1\tct\t{path}\t{path}\ttrain"))[0]
    assert row["image"] == row["label"] == path


@pytest.mark.parametrize("word", ["-", "NA", "n/a", "None"])
def test_a_word_for_no_label_is_refused_with_the_remedy(tmp_path, word):
    with pytest.raises(
        ValueError, match=f"line 2: DAR-004: label '{word}'; expected a path: leave the cell empty where"
    ):
        read_cases_table(write(tmp_path, f"ct1\tct\ta.nii\t{word}\ttrain"))


def test_a_case_in_both_splits_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="case ct1 of domain ct stands 2 times; expected once, with split train, test or both"
    ):
        read_cases_table(write(tmp_path, "ct1\tct\ta.nii\t\ttrain", "ct1\tct\tb.nii\t\ttest"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"case,domain,image,label,split\n", "has the columns case,domain,image,label,split; expected case, domain"),
        (b"", "case, domain, image, label, split is missing"),
        (HEADER.encode() + b"\n", "it has no case"),
        (HEADER.encode("utf-16"), "is no UTF-8 text|zero bytes"),
        (
            HEADER.encode() + b"\nct1\tct\t\xe4.nii\t\ttrain\n",
            r"is no UTF-8 text \(byte 37\): save it as UTF-8; .* line 2,",
        ),
        (HEADER.encode() + b"\nct1\tct\ta\x00.nii\t\ttrain\n", "zero bytes"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    (tmp_path / "cases.tsv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_cases_table(tmp_path / "cases.tsv")


def test_a_column_in_capital_letters_is_not_left_out_silently(tmp_path):
    (tmp_path / "cases.tsv").write_text("case\tdomain\timage\tlabel\tsplit\tPatient\n")
    with pytest.raises(ValueError, match="DAR-005: .* has the column Patient, which is not read; expected patient"):
        read_cases_table(tmp_path / "cases.tsv")
