import pytest

from dar_uda.plan.paths import Paths, ending_of, table_of

PATHS = Paths.of_run("mine")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PATHS.folder, ""),
        (PATHS.checks, "/checks.txt"),
        (PATHS.region, "/region.json"),
        (PATHS.structures("ct"), "/structures/ct.tsv"),
        (PATHS.grid_ceiling("ct"), "/grid_ceiling/ct.tsv"),
        (PATHS.logs, "/logs"),
        (PATHS.benchmarks, "/benchmarks"),
        (PATHS.seed(3), "/seed-3"),
        (PATHS.case("ct", "a", "image.nii"), "/cases/ct/a/image.nii"),
        (PATHS.tta_inconsistency_table, "/tables/tta_inconsistency.tsv"),
        (PATHS.confidence_table, "/tables/confidence.tsv"),
        (PATHS.adaptation_table, "/tables/adaptation.tsv"),
        (PATHS.calibration_table, "/tables/calibration.tsv"),
        (PATHS.usage, "/tables/usage.tsv"),
        (PATHS.slices("ct"), "/slices/ct.npy"),
        (PATHS.slices("mr", "tsv"), "/slices/mr.tsv"),
        (PATHS.translator(3, "cyclegan"), "/seed-3/translators/cyclegan"),
        (PATHS.styles("3", "ct-to-mr", "disentangled-multi"), "/seed-3/styles/ct-to-mr/disentangled-multi"),
        (
            PATHS.synthetic(3, "ct-to-mr", "disentangled-multi", "ct1"),
            "/seed-3/synthetic/ct-to-mr/disentangled-multi/ct1",
        ),
        (PATHS.training(3, "ct", "dar_unet"), "/seed-3/segmenters/ct/dar_unet"),
        (
            PATHS.training(3, "ct-to-mr.disentangled-multi", "dar_unet-randomized-target_oracle-self_training_2"),
            "/seed-3/segmenters/ct-to-mr.disentangled-multi/dar_unet-randomized-target_oracle-self_training_2",
        ),
        (PATHS.predictions(3, "ct-to-mr", "dar_uda"), "/seed-3/predictions/ct-to-mr/dar_uda"),
        (PATHS.metrics(3, "ct-to-mr", "dar_uda"), "/seed-3/metrics/ct-to-mr/dar_uda.tsv"),
        (PATHS.tta_inconsistency(3, "ct-to-mr", "dar_uda"), "/seed-3/tta_inconsistency/ct-to-mr/dar_uda.tsv"),
        (PATHS.confidence(3, "ct-to-mr", "dar_uda"), "/seed-3/confidence/ct-to-mr/dar_uda.tsv"),
        (PATHS.calibration(3, "ct-to-mr", "dar_uda"), "/seed-3/calibration/ct-to-mr/dar_uda.tsv"),
        (PATHS.chunk(3, "ct-to-mr", "dar_uda", "mr1"), "/seed-3/chunks/ct-to-mr/dar_uda/mr1"),
        (PATHS.table("summary"), "/tables/summary.tsv"),
        (PATHS.table("comparison", "md"), "/tables/comparison.md"),
        (PATHS.figure("losses"), "/figures/losses"),
        (PATHS.report("summary"), "/report.html"),
        (PATHS.report("comparison"), "/report-comparison.html"),
    ],
)
def test_a_file_of_a_run_has_its_documented_path(path, expected):
    assert path == f"results/mine{expected}"


def test_paths_count_from_the_runs_folder_where_none_is_given():
    assert (Paths().checks, Paths().versions) == ("checks.txt", "versions.tsv")
    assert Paths().metrics("*", "*", "*") == "seed-*/metrics/*/*.tsv"


def test_several_files_have_a_path_each():
    assert PATHS.cases("ct", ["a", "b"], "grid.json") == [
        "results/mine/cases/ct/a/grid.json",
        "results/mine/cases/ct/b/grid.json",
    ]
    assert PATHS.table_files("mine") == [
        f"results/mine/tables/mine.{suffix}" for suffix in ("tsv", "md", "tex", "html")
    ]


@pytest.mark.parametrize(("table", "ending"), [("summary", ""), ("style_study", "-style_study")])
def test_the_ending_of_a_table_reads_back(table, ending):
    assert ending_of(table) == ending and table_of(ending) == table
