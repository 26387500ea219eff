from dar_uda.plan.cases import Cases
from dar_uda.plan.figures import Figure
from tests.plan.plans import BOTH, CASES, EXTRAS, LABELED, SAVED, UNSCORED, case, phantoms, plan_of

RUN = "results/phantom"
FIGURES = f"{RUN}/figures"


def figures_of(text="{}", table="summary", cases=CASES):
    plan = plan_of(text, cases)
    return plan.figures.of_table(plan.tables[table])


def test_the_summary_has_figures_of_its_scores_and_of_what_the_run_made():
    assert figures_of() == [
        Figure(f"{FIGURES}/dice-ct-to-mr", "dice", "ct-to-mr"),
        Figure(f"{FIGURES}/differences-ct-to-mr", "differences", "ct-to-mr"),
        Figure(f"{FIGURES}/dice_asd-ct-to-mr", "dice_asd", "ct-to-mr"),
        Figure(f"{FIGURES}/extremes-ct-to-mr", "extremes", "ct-to-mr"),
        Figure(f"{FIGURES}/look_first-ct-to-mr", "look_first", "ct-to-mr"),
        Figure(f"{FIGURES}/overlays-ct-to-mr", "overlays", "ct-to-mr"),
        Figure(f"{FIGURES}/translations-ct-to-mr", "translations", "ct-to-mr"),
        Figure(f"{RUN}/seed-0/styles/ct-to-mr/disentangled-multi/styles", "styles", "ct-to-mr", "multi"),
        Figure(f"{FIGURES}/losses", "losses"),
    ]


def test_another_table_has_figures_of_its_scores_alone():
    paths = [figure.path for figure in figures_of(table="style_study", cases=LABELED)]
    assert paths == [
        f"{FIGURES}/{kind}-{direction}-style_study"
        for direction in ("ct-to-mr", "mr-to-ct")
        for kind in ("dice", "differences", "dice_asd", "extremes")
    ]


def test_saved_probabilities_have_a_figure_of_reliability_behind_those_of_scores():
    kinds = [figure.kind for figure in figures_of(SAVED)]
    kinds_of_scores = ["dice", "differences", "dice_asd", "extremes", "reliability"]
    assert kinds == [*kinds_of_scores, "look_first", "overlays", "translations", "styles", "losses"]
    paths = [figure.path for figure in figures_of(SAVED, "style_study", LABELED) if figure.kind == "reliability"]
    assert paths == [f"{FIGURES}/reliability-{direction}-style_study" for direction in ("ct-to-mr", "mr-to-ct")]


def test_without_a_reference_there_is_no_figure_of_scores():
    kinds = [figure.kind for figure in figures_of(cases=UNSCORED)]
    assert kinds == ["look_first", "overlays", "translations", "styles", "losses"]
    assert figures_of(table="style_study", cases=UNSCORED) == []


def test_differences_are_drawn_where_the_reference_row_and_another_have_scores():
    def kinds(text, cases=CASES):
        return [figure.kind for figure in figures_of(text, cases=cases)]

    assert "differences" in kinds("methods: [source_only, dar_uda]")
    assert "differences" not in kinds("methods: [dar_uda]"), "nothing to compare with"
    unavailable = "methods: [source_only, dar_uda, supervised]\nreference_method: supervised"
    assert "differences" in kinds(unavailable, LABELED)
    assert "differences" not in kinds(unavailable), "without labels of the target, the reference row has no scores"


def test_styles_are_drawn_for_each_way_to_disentangle_and_the_first_seed():
    text = f"methods: [cyclegan_3d, average_style, dar_uda]\nseeds: [7, 3]\n{BOTH}"
    styles = [figure for figure in figures_of(text, cases=LABELED) if figure.kind == "styles"]
    assert styles == [
        Figure(f"{RUN}/seed-7/styles/{direction}/disentangled-{strategy}/styles", "styles", direction, strategy)
        for direction in ("ct-to-mr", "mr-to-ct")
        for strategy in ("multi", "average")
    ]


def test_translations_are_those_of_the_summarys_methods_the_papers_first():
    figures = plan_of("methods: [source_only, synseg_net, cyclegan_3d, average_style, dar_uda]").figures
    assert figures.translations("ct-to-mr") == ["disentangled-multi", "disentangled-average", "cyclegan-single"]
    plain = plan_of("methods: [source_only, supervised, ada_output]", LABELED)
    assert plain.figures.translations("ct-to-mr") == []
    assert figures.translation_of_each("ct-to-mr") == ["disentangled-multi", "cyclegan-single"]
    kinds = [figure.kind for figure in plain.figures.of_table(plain.summary)]
    assert kinds == ["dice", "differences", "dice_asd", "extremes", "look_first", "overlays", "losses"]


def test_the_least_sure_cases_are_those_of_the_reference_rows_method_else_of_the_first():
    def rows(text):
        return [(row.method, row.seed) for row in plan_of(text).figures.look_first_rows("ct-to-mr")]

    assert rows("{methods: [source_only, dar_uda], seeds: [3, 1]}") == [("dar_uda", 3), ("dar_uda", 1)]
    assert rows("methods: [source_only, cyclegan_3d]") == [("source_only", 0)]
    unlabeled = "{methods: [source_only, supervised], reference_method: supervised}"
    assert rows(unlabeled) == [("source_only", 0)], "supervised lacks labels of the target"


def test_overlays_show_the_first_four_labeled_test_cases():
    figures = phantoms().figures
    assert figures.overlay_cases("ct-to-mr") == ["mr08", "mr09", "mr10", "mr11"]
    data = f"{RUN}/data/mr"
    assert figures.overlay_images("ct-to-mr") == [f"{data}/mr{n}_image.nii.gz" for n in ("08", "09", "10", "11")]
    assert figures.overlay_references("ct-to-mr") == [f"{data}/mr{n}_label.nii.gz" for n in ("08", "09", "10", "11")]
    one = plan_of().figures
    assert one.overlay_cases("ct-to-mr") == ["mr3"] and one.overlay_references("ct-to-mr") == ["mr3_label.nii.gz"]


def test_overlays_without_a_label_show_the_first_test_cases():
    figures = plan_of(cases=Cases(tuple(case(f"mr{number}", "test", False) for number in range(6)))).figures
    assert figures.overlay_cases("ct-to-mr") == ["mr0", "mr1", "mr2", "mr3"]
    assert figures.overlay_images("ct-to-mr") == [f"mr{number}.nii.gz" for number in range(4)]
    assert figures.overlay_references("ct-to-mr") == []


def test_overlays_show_the_methods_that_have_what_their_training_needs():
    assert plan_of().figures.overlay_methods("ct-to-mr") == ["source_only", "dar_uda"]
    assert plan_of(cases=LABELED).figures.overlay_methods("ct-to-mr") == ["source_only", "dar_uda", "supervised"]


def test_losses_are_those_of_the_first_seeds_trainings_each_once():
    text = f"methods: [source_only, cyclegan_3d, dar_uda, supervised]\nseeds: [7, 3]\n{BOTH}\n{EXTRAS}"
    seed = f"{RUN}/seed-7"
    histories = plan_of(text.replace("iterations: 1", "iterations: 2"), LABELED).figures.histories()
    assert list(histories)[:2] == ["disentangled", "cyclegan"]
    assert histories["disentangled"] == f"{seed}/translators/disentangled/history.tsv"
    assert histories["cyclegan"] == f"{seed}/translators/cyclegan/history.tsv"
    translations, parts = ("cyclegan-single", "disentangled-multi"), ("", "-self_training_1", "-self_training_2")
    segmenters = {
        f"{made} {training}": f"{seed}/segmenters/{made}/{training}/history.tsv"
        for direction, real in {"ct-to-mr": ("ct", "mr"), "mr-to-ct": ("mr", "ct")}.items()
        for made, training in [
            (real[0], "dar_unet"),
            *((f"{direction}.{volumes}", f"dar_unet-randomized{part}") for volumes in translations for part in parts),
        ]
    }
    assert {name: path for name, path in histories.items() if name not in ("disentangled", "cyclegan")} == segmenters


def test_the_losses_of_candidates_are_drawn_where_weights_are_chosen_and_nothing_that_is_not_trained():
    names = list(plan_of("model_selection: {rule: source_validation}").figures.histories())
    synthetic = "ct-to-mr.disentangled-multi dar_unet"
    assert names == [
        "disentangled",
        "ct dar_unet-candidates",
        f"{synthetic}-candidates",
        *(f"{synthetic}-source_validation-self_training_{number}" for number in (1, 2, 3, 4)),
    ]
