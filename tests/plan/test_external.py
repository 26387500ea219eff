"""External rows: what the config may say of them, and which tables have them in which directions."""

import pytest

from dar_uda.plan import descriptions
from dar_uda.plan.cases import Case, Cases
from dar_uda.plan.errors import PlanError
from dar_uda.plan.external_files import files_of
from dar_uda.plan.tables import Row, Unavailable
from tests.plan.configs import config_of
from tests.plan.plans import BOTH, LABELED, UNSCORED, case, plan_of

NNUNET = 'external: {nnunet: "masks/{case}.nii.gz"}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with masks of one of the two MR test cases of `LABELED`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "mr4.nii.gz").touch()
    return tmp_path


def external_of(entry):
    return config_of(f"external: {{ready: {entry}}}").external["ready"]


def test_a_path_alone_has_the_values_of_the_target_and_no_directions():
    config = config_of('external: {ready: "/data/{direction}/{case}.nii.gz"}\ntasks: {phantom: {labels: {liver: 6}}}')
    row = config.external["ready"]
    assert row.path("ct-to-mr", "mr4") == "/data/ct-to-mr/mr4.nii.gz"
    assert (row.labels, row.directions) == ((), ())
    assert row.label_values(config.task, "ct-to-mr") == config.task.domains["mr"].label_values


def test_labels_give_structures_their_values_in_the_order_of_the_task():
    row = external_of('{masks: "{case}.mha", labels: {spleen: 1, liver: [5, 7-8]}, directions: [ct-to-mr]}')
    config = config_of()
    assert config.task.structures == ("liver", "right_kidney", "left_kidney", "spleen")
    assert row.label_values(config.task, "ct-to-mr") == [[5, 7, 8], [], [], [1]]
    assert row.directions == ("ct-to-mr",)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            '"/data/all.nii.gz"',
            r"DAR-051: The masks of external row ready are '/data/all.nii.gz'; expected a path with",
        ),
        ('"/data/{seed}/{case}.nii"', r"DAR-051: The masks of external row ready are '/data/{seed}/{case}.nii'"),
        (
            '{masks: "{case}.nii", labels: {heart: 1}}',
            "DAR-052: labels of external row ready names heart; expected structures of the task: liver, right_kidney",
        ),
        (
            '{masks: "{case}.nii", labels: {liver: 1, spleen: [1, 2]}}',
            "DAR-015: Label value 1 of external row ready stands for liver and spleen",
        ),
        (
            '{masks: "{case}.nii", directions: [ct-to-pet]}',
            "DAR-010: Unknown direction 'ct-to-pet' of external row ready; known: ct-to-mr, mr-to-ct",
        ),
        ("{labels: {liver: 1}}", r"DAR-001[\s\S]*config.external.ready"),
        ("{masks: '{case}.nii', mask: 1}", r"DAR-001[\s\S]*config.external.ready"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused_by_name(entry, message):
    with pytest.raises(PlanError, match=message):
        external_of(entry)


def test_a_name_of_a_method_or_one_that_leaves_its_folder_is_refused():
    with pytest.raises(PlanError, match="DAR-050: The external row dar_uda has the name of a method"):
        config_of('external: {dar_uda: "{case}.nii.gz"}')
    with pytest.raises(PlanError, match=r"DAR-001[\s\S]*'../x' does not match"):
        config_of('external: {"../x": "{case}.nii.gz"}')


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Dar_UDA"], "Dar_UDA has the name of a method, capital and small"),
        (["nnunet", "nnUNet"], "nnunet has the name of external row nnUNet, capital"),
        (["Reference"], "Reference has the name of the references' row"),
    ],
)
def test_names_that_another_row_has_in_other_letters_are_refused(names, message):
    entries = ", ".join(f"{name}: '{{case}}.nii.gz'" for name in names)
    with pytest.raises(PlanError, match=f"DAR-050: The external row {message}"):
        config_of(f"external: {{{entries}}}")


def test_protocol_paper_which_crops_by_labels_takes_no_row():
    text = 'task: abdomen\nexternal: {nnunet: "{case}.nii.gz", other: "{case}.mha"}'
    with pytest.raises(PlanError, match=r"DAR-059: Protocol `paper` crops .* rows nnunet, other, .*: take `clean`"):
        config_of(f"protocol: paper\n{text}")
    assert list(config_of(text).external) == ["nnunet", "other"]


@pytest.mark.usefixtures("folder")
def test_a_direction_of_the_run_without_a_file_says_so():
    """mr4 alone has a file: mr-to-ct has none, which counts where the run has that direction."""
    plan = plan_of(f"{BOTH}\nmethods: [source_only]\n{NNUNET}", LABELED)
    reason = "no file of its `masks` for a case such as ct4"  # in report and tables: names no path
    assert plan.summary.unavailable == (Unavailable("mr-to-ct", "nnunet", reason),)
    assert [row.direction for row in plan.summary.external] == ["ct-to-mr"]
    one = plan_of(f"methods: [source_only]\n{NNUNET}", LABELED)
    assert one.tables["comparison"].external and not one.tables["comparison"].unavailable
    named = 'external: {nnunet: {masks: "masks/{case}.nii.gz", directions: [ct-to-mr]}}'
    assert plan_of(f"{BOTH}\nmethods: [source_only]\n{named}", LABELED).summary.unavailable == ()


def test_a_file_that_would_serve_both_directions_is_refused(folder):
    same = (Case("p1", domain, "test", f"{domain}.nii", f"{domain}_label.nii") for domain in ("ct", "mr"))
    cases = Cases((*LABELED.all, *same))
    (folder / "masks" / "p1.nii.gz").touch()
    with pytest.raises(PlanError, match=r"DAR-057: .*nnunet: masks/p1.nii.gz would be .* ct-to-mr and mr-to-ct"):
        plan_of(NNUNET, cases)
    one = 'external: {nnunet: {masks: "masks/{case}.nii.gz", directions: [ct-to-mr]}}'
    assert [row.direction for row in plan_of(one, cases).tables["comparison"].external] == ["ct-to-mr"]


def test_a_link_to_nothing_counts_as_a_file(folder):
    (folder / "masks" / "mr5.nii.gz").symlink_to(folder / "moved.nii.gz")
    assert plan_of(NNUNET, LABELED).external_files("nnunet", "ct-to-mr")["mr5"] == "masks/mr5.nii.gz"


@pytest.mark.usefixtures("folder")
def test_a_machine_without_the_files_needs_directions():
    with pytest.raises(PlanError, match=r"DAR-058: .*nnunet has no file on this machine.* `directions` in its entry"):
        plan_of('external: {nnunet: "no/{case}.nii.gz"}', LABELED, has_files=False)
    assert plan_of(NNUNET, LABELED, has_files=False).summary.external, "it has a file"


@pytest.mark.usefixtures("folder")
def test_the_summary_and_comparison_have_a_row_where_a_test_case_has_a_file():
    plan = plan_of(f"methods: [source_only]\nseeds: [3, 1]\n{NNUNET}", LABELED)
    row = Row("ct-to-mr", "nnunet", 3, is_external=True)
    summary = plan.summary
    assert summary.scored == (Row("ct-to-mr", "source_only", 3), Row("ct-to-mr", "source_only", 1), row)
    assert summary.predicted == summary.masked == summary.scored[:2] and summary.external == (row,)
    assert [method.name for method in summary.methods] == ["source_only"]
    comparison = plan.tables["comparison"]
    assert {str(direction) for direction in comparison.directions} == {"ct-to-mr", "mr-to-ct"}
    assert comparison.external == (row,), "no CT test case has a file"
    assert plan.tables["style_study"].external == ()
    assert list(plan.external_files("nnunet", "ct-to-mr")) == ["mr4"], "mr5 has no file"


@pytest.mark.usefixtures("folder")
def test_a_table_that_names_a_row_has_it_at_that_place():
    tables = "tables: {mine: {methods: [nnunet, source_only], directions: first, reference_method: nnunet}}"
    table = plan_of(f"{tables}\n{NNUNET}", LABELED).tables["mine"]
    assert [row.method for row in table.scored] == ["nnunet", "source_only"] and table.reference == "nnunet"


def test_directions_of_the_config_count_and_their_files_are_asked_for(folder):
    one = 'external: {nnunet: {masks: "masks/{case}.nii.gz", directions: [mr-to-ct]}}'
    with pytest.raises(PlanError, match=r"DAR-053: .*nnunet has no mask .* direction mr-to-ct: .* masks/ct4.nii.gz"):
        plan_of(one, LABELED)
    assert plan_of(one, LABELED, has_files=False).summary.external == (), "the run has the direction ct-to-mr"
    both = one.replace("[mr", "[ct-to-mr, mr")
    with pytest.raises(PlanError, match=r"DAR-053: .* in direction mr-to-ct: .* masks/ct4.nii.gz"):
        plan_of(both, LABELED)
    (folder / "masks" / "ct4.nii.gz").touch()
    assert plan_of(one, LABELED).tables["comparison"].external == (Row("mr-to-ct", "nnunet", 0, True),)


@pytest.mark.usefixtures("folder")
def test_a_pattern_that_finds_nothing_is_refused_with_the_first_path():
    with pytest.raises(PlanError, match=r"DAR-053: .* in direction ct-to-mr or mr-to-ct: found no file such as no/mr4"):
        plan_of('external: {nnunet: "no/{case}.nii.gz"}', LABELED)


def test_masks_of_the_run_itself_are_refused(folder):
    path = folder / "results" / "phantom" / "seed-0" / "predictions" / "ct-to-mr" / "dar_uda"
    path.mkdir(parents=True)
    (path / "mr4.nii.gz").touch()
    pattern = "results/phantom/seed-0/predictions/{direction}/dar_uda/{case}.nii.gz"
    with pytest.raises(PlanError, match="DAR-054: External row nnunet: .* is a result of the workflow"):
        plan_of(f'external: {{nnunet: "{pattern}"}}', LABELED)
    assert plan_of(f'run: other\nexternal: {{nnunet: "{pattern}"}}', LABELED).summary.external


def test_the_files_of_the_second_direction_are_checked_too(folder):
    path = folder / "results" / "phantom" / "mr-to-ct"
    path.mkdir(parents=True)
    (path / "ct4.nii.gz").touch()
    with pytest.raises(PlanError, match=r"DAR-054: External row nnunet: results/phantom/mr-to-ct/ct4.nii.gz is a res"):
        plan_of('external: {nnunet: "results/phantom/{direction}/{case}.nii.gz"}', LABELED)


def test_a_file_whose_name_snakemake_would_replace_is_refused(folder):
    (folder / "masks <a>").mkdir()
    (folder / "masks <a>" / "mr4.nii.gz").touch()
    with pytest.raises(PlanError, match=r"DAR-054: External row nnunet: .*holds <a>"):
        plan_of('external: {nnunet: "masks <a>/{case}.nii.gz"}', LABELED)


def test_paths_count_from_the_working_directory(folder):
    row = config_of(f'external: {{nnunet: "{folder}/masks/{{case}}.nii.gz"}}').external["nnunet"]
    assert files_of(row, "ct-to-mr", ["mr4", "mr5"]) == {"mr4": "masks/mr4.nii.gz"}


@pytest.mark.usefixtures("folder")
def test_without_test_labels_masks_are_read_all_the_same_and_the_row_says_why_it_is_empty():
    plan = plan_of(f"methods: [source_only]\n{NNUNET}", UNSCORED)
    assert plan.summary.scored == () and [entry.method for entry in plan.summary.unavailable] == [
        "source_only",
        "nnunet",
    ]
    assert "results/phantom/seed-0/predictions/ct-to-mr/nnunet" in plan.requested()


@pytest.mark.usefixtures("folder")
def test_figures_show_a_row_except_where_they_need_its_training():
    text = f"methods: [source_only]\ninference: {{save_probabilities: true}}\n{NNUNET}"
    plan = plan_of(text, LABELED)
    assert plan.figures.overlay_methods("ct-to-mr") == ["source_only", "nnunet"]
    assert [row.method for row in plan.drawn("", "ct-to-mr")] == ["source_only", "nnunet"]
    assert [row.method for row in plan.predicted("", "ct-to-mr")] == ["source_only"]
    assert all("nnunet" not in name for name in plan.figures.histories())
    words = descriptions.methods_in_words(plan.summary, plan.config)
    assert list(words) == ["source_only", "nnunet"] and words["nnunet"] == {"training_set": "", "note": ""}


@pytest.mark.usefixtures("folder")
def test_pages_and_report_say_which_structures_are_in_no_mask():
    """Of the structures liver, right_kidney, left_kidney and spleen, `labels` names two, or three, or is absent."""
    two = descriptions_of("{liver: 5, spleen: 1}")
    assert two == "right_kidney, left_kidney are not in its labels, with Dice 0"
    assert descriptions_of("{liver: 5, right_kidney: 2, spleen: 1}") == "left_kidney is not in its labels, with Dice 0"
    plan = plan_of(NNUNET, LABELED)
    assert "nnunet" not in descriptions.method_notes(plan.summary, plan.config)


@pytest.mark.usefixtures("folder")
def test_a_row_trained_on_target_labels_is_a_ceiling_as_supervised_is():
    text = 'upper: {masks: "masks/{case}.nii.gz", ceiling: true}, lower: {masks: "masks/{case}.nii.gz", ceiling: false}'
    plan = plan_of(f"methods: [source_only, supervised]\nexternal: {{{text}}}", LABELED)
    assert descriptions.ceilings(plan.summary, plan.config) == ["supervised", "upper"]
    assert descriptions.run_facts(plan.summary, plan.config, plan.cases)["ceilings"] == ["supervised", "upper"]
    notes = descriptions.external_notes(plan.summary, plan.config)
    assert notes == {"upper": "trained on labels of the target", "lower": ""}
    assert descriptions.gap_bounds(plan.summary) == {}, "the gap is that between source_only and supervised"


def descriptions_of(labels):
    """Return the note of an external row with these labels, the same of pages and report."""
    plan = plan_of(f'external: {{ready: {{masks: "masks/{{case}}.nii.gz", labels: {labels}}}}}', LABELED)
    notes = descriptions.method_notes(plan.summary, plan.config)
    assert descriptions.methods_in_words(plan.summary, plan.config)["ready"]["note"] == notes["ready"]
    return notes["ready"]


def test_no_other_rule_takes_the_name_of_a_row():
    text = 'external: {nnunet: {masks: "masks/{case}.nii.gz", directions: [ct-to-mr]}}'
    plan = plan_of(text, LABELED, has_files=False)
    assert plan.wildcard_constraints()["method"] == r"(?!(nnunet)\b)[A-Za-z][A-Za-z0-9_]*"
    assert plan.external_pattern() == "nnunet"
    assert plan_of().external_pattern() == "(?!)" and plan_of().wildcard_constraints()["method"] == (
        "[A-Za-z][A-Za-z0-9_]*"
    )


@pytest.mark.usefixtures("folder")
def test_cases_of_the_target_decide_what_a_direction_is_asked_for():
    """Domain ct has no test case here, so that no file of mr-to-ct is expected."""
    plan = plan_of(NNUNET, Cases((case("ct1", "train", True), case("mr4", "test", True))))
    assert [row.direction for row in plan.summary.external] == ["ct-to-mr"]
