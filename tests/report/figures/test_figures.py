"""Every figure is drawn from fabricated data, and is no blank page."""

from xml.etree import ElementTree

import matplotlib.image
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dar_uda.data.network_volume import write_image
from dar_uda.evaluation.case_means import read_cases
from dar_uda.evaluation.summary import summarize
from dar_uda.report.figures import scores
from dar_uda.report.figures.overlay import _middle_depth
from dar_uda.report.figures.scores import draw_dice_against_asd, draw_dice_boxes
from dar_uda.report.figures.segmentation import _extremes, draw_extremes, draw_overlays
from dar_uda.report.figures.training import draw_loss_curves
from dar_uda.report.figures.translation import draw_style_scatter, draw_translations
from tests.evaluation.metrics_files import entry, write_metrics

STRUCTURES = ["liver", "right_kidney", "left_kidney", "spleen"]
VALUES = [[6], [2], [3], [1, 4]]
RNG = np.random.default_rng(0)


def assert_drawn(path):
    pixels = matplotlib.image.imread(path)[..., :3]
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert [p.name for p in path.parent.glob(".partial-*")] == []


def write_history(path, names, steps):
    decay = np.exp(-np.linspace(0, 4, steps))[:, None] * np.linspace(0.2, 20, len(names))
    losses = pd.DataFrame((decay + 0.05) * RNG.lognormal(0, 0.3, decay.shape), columns=names)
    losses.insert(0, "step", np.arange(1, steps + 1))
    losses.to_csv(path, sep="\t", index=False)
    return path


def write_codes(folder, slices=300, clusters=6):
    labels = RNG.integers(clusters, size=slices)
    vectors = RNG.normal(size=(clusters, 8))[labels] * 3 + RNG.normal(size=(slices, 8))
    codes = pd.DataFrame(vectors, columns=[f"code_{index}" for index in range(8)])
    table = pd.concat([pd.DataFrame({"case": "t1", "slice": range(slices), "cluster": labels}), codes], axis=1)
    table.to_csv(folder / "codes.tsv", sep="\t", index=False)
    chosen = table.groupby("cluster").head(2).drop(columns="slice").rename(columns={"cluster": "style"})
    chosen.to_csv(folder / "styles.tsv", sep="\t", index=False)
    return folder / "codes.tsv", folder / "styles.tsv"


def body(shape, classes=False):
    """An ellipsoid with four organs, in the order (depth, height, width)."""
    z, y, x = (2 * axis / (size - 1) - 1 for axis, size in zip(np.indices(shape), shape, strict=True))
    image = 0.4 * (x**2 + (y / 0.8) ** 2 + z**2 / 4 < 0.9)
    label = np.zeros(shape, dtype=np.uint8)
    organs = [(-0.4, -0.2, 0.35), (-0.35, 0.4, 0.15), (0.35, 0.4, 0.15), (0.5, -0.1, 0.2)]
    for index, (cx, cy, radius) in enumerate(organs, start=1):
        inside = (x - cx) ** 2 + (y - cy) ** 2 + z**2 < radius**2
        label[inside], image[inside] = index, 0.5 + 0.1 * index
    return label if classes else image


def write_network_volume(path, gain=1.0, noise=0.03):
    image = np.clip(body((24, 64, 64)) * gain + RNG.normal(0, noise, (24, 64, 64)), 0, 1)
    write_image(path, image, np.diag([1.0, 1.0, 3.0, 1.0]))
    return path


def write_axial(path, array, spacing=(1.0, 1.3, 4.0)):
    """Write a (depth, height, width) array as an axial NIfTI, width to the left, height to posterior."""
    nib.save(nib.Nifti1Image(array.T, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])), path)
    return path


def write_mask_of(folder, method, name, classes):
    """Write a prediction into its method's folder; return the folder."""
    (folder / method).mkdir(exist_ok=True)
    write_axial(folder / method / f"{name}.nii.gz", classes)
    return folder / method


def write_case(folder, name):
    """Write image, reference (dataset values) and two predictions of one case."""
    shape = (20, 64, 80)
    classes = body(shape, classes=True)
    values = np.array([0, 6, 2, 3, 1], dtype=np.uint8)[classes]
    image = (1000 * body(shape) + RNG.normal(0, 30, shape)).astype(np.int16)
    return {
        "image": write_axial(folder / f"{name}.nii.gz", image),
        "reference": write_axial(folder / f"{name}-label.nii.gz", values),
        "source_only": write_mask_of(folder, "source_only", name, np.roll(classes, 6, axis=2) * (classes != 3)),
        "dar_uda": write_mask_of(folder, "dar_uda", name, np.roll(classes, 1, axis=1)),
    }


def write_many(path, center):
    rows = []
    for case in range(10):
        for structure in STRUCTURES:
            rows.append((f"c{case}", structure, np.clip(RNG.normal(center, 0.08), 0, 1), 1.5, "ok"))
    rows[0] = ("c0", STRUCTURES[0], None, None, "absent")
    return write_metrics(path, rows)


def overlays(folder, figure, names, references=True):
    cases = [write_case(folder, name) for name in names]
    draw_overlays(
        names,
        [case["image"] for case in cases],
        {method: cases[0][method] for method in ("source_only", "dar_uda")},
        [case["reference"] for case in cases] if references else None,
        STRUCTURES,
        VALUES,
        [figure],
    )


def test_loss_curves_are_drawn_for_every_training(tmp_path):
    names = [f"loss_{index}" for index in range(10)]
    histories = {
        "translator": write_history(tmp_path / "a.tsv", names, 400),
        "segmenter": write_history(tmp_path / "b.tsv", ["dice", "focal"], 1),
    }
    draw_loss_curves(histories, [tmp_path / "losses.png"])
    assert_drawn(tmp_path / "losses.png")


def test_a_history_without_losses_is_refused_by_name(tmp_path):
    (tmp_path / "empty.tsv").write_text("step\n1\n")
    with pytest.raises(ValueError, match=r"empty\.tsv.*\['step'\]"):
        draw_loss_curves({"translator": tmp_path / "empty.tsv"}, [tmp_path / "losses.png"])


def test_style_codes_are_drawn_by_cluster(tmp_path):
    draw_style_scatter(*write_codes(tmp_path), [tmp_path / "styles.png"])
    assert_drawn(tmp_path / "styles.png")


def test_translations_are_drawn_between_source_and_targets(tmp_path):
    source = write_network_volume(tmp_path / "image.nii")
    synthetic = [write_network_volume(tmp_path / f"style-{k}.nii", gain=0.5 + 0.2 * k) for k in range(3)]
    target = [write_network_volume(tmp_path / f"target-{k}.nii", noise=0.1) for k in range(2)]
    draw_translations(source, synthetic, target, [tmp_path / "translations.png"])
    assert_drawn(tmp_path / "translations.png")


@pytest.mark.parametrize("references", [True, False])
def test_overlays_are_drawn_with_and_without_references(tmp_path, references):
    overlays(tmp_path, tmp_path / "overlays.png", ["a", "b"], references)
    assert_drawn(tmp_path / "overlays.png")


def test_the_overlay_shows_the_middle_of_the_first_labeled_range():
    empty, labeled = np.zeros((10, 2, 2), np.uint8), np.zeros((10, 2, 2), np.uint8)
    labeled[[2, 4, 8]] = 1
    assert _middle_depth([empty, labeled], 10) == 5
    assert _middle_depth([empty], 10) == 5
    assert _middle_depth([labeled[:7]], 10) == 3


def test_dice_boxes_are_drawn_for_every_structure_and_direction(tmp_path):
    metrics = []
    for direction in ("ct-to-mr", "mr-to-ct"):
        for method, center in (("source_only", 0.3), ("dar_uda", 0.7), ("supervised", 0.85)):
            if (direction, method) == ("mr-to-ct", "dar_uda"):
                continue
            path = write_many(tmp_path / f"{direction}-{method}.tsv", center)
            metrics.append(entry(method, path, 0, direction))
    draw_dice_boxes(metrics, STRUCTURES, [tmp_path / "dice.png"])
    assert_drawn(tmp_path / "dice.png")


def draw(monkeypatch, module, function, *arguments):
    """Return the figure that a function of a module draws."""
    drawn = []
    monkeypatch.setattr(module, "save_figure", lambda figure, *_: drawn.append(figure))
    function(*arguments)
    return drawn[0]


def write_seeds(folder, dices):
    """Write Dice of one structure by seed and case; return the entries of the files."""
    paths = [
        write_metrics(folder / f"{seed}.tsv", [(case, "liver", dice, 1.0, "ok") for case, dice in cases.items()])
        for seed, cases in enumerate(dices)
    ]
    return [entry("dar_uda", path, seed) for seed, path in enumerate(paths)]


def test_the_mean_under_each_seed_lies_beside_the_box_of_the_cases(tmp_path, monkeypatch):
    metrics = write_seeds(tmp_path, [{"a": 0.2, "b": 0.6}, {"a": 0.4, "b": 0.8}])
    page = draw(monkeypatch, scores, draw_dice_boxes, metrics, ["liver"], [])
    *_, seeds = page.axes[0].lines
    assert list(seeds.get_ydata()) == pytest.approx([0.4, 0.6])
    (dots,) = page.axes[0].collections
    assert dots.get_offsets()[:, 1].tolist() == pytest.approx([0.3, 0.7]), "cases are averaged over the seeds"
    assert [text.get_text() for text in page.legends[0].get_texts()] == ["mean under one seed"]


def test_with_one_seed_there_is_no_mark_of_it(tmp_path, monkeypatch):
    page = draw(monkeypatch, scores, draw_dice_boxes, write_seeds(tmp_path, [{"a": 0.2, "b": 0.6}]), ["liver"], [])
    assert page.legends == [] and "D" not in [line.get_marker() for line in page.axes[0].lines]


def test_a_case_lies_at_its_dice_and_its_asd_and_is_hollow_where_it_has_a_false_negative(tmp_path, monkeypatch):
    rows = [("a", "liver", 0.5, 4, "ok"), ("a", "spleen", 0.7, 2, "ok"), ("b", "liver", 0.8, 1, "ok")]
    rows += [
        (case, structure, 0, None, "false_negative")
        for case, structure in (("b", "spleen"), ("c", "liver"), ("c", "spleen"))
    ]
    metrics = [entry("dar_uda", write_metrics(tmp_path / "dar_uda.tsv", rows))]
    page = draw(monkeypatch, scores, draw_dice_against_asd, metrics, [])
    cases, *legend = page.axes[0].collections
    assert cases.get_offsets().tolist() == [[pytest.approx(0.6), 3], [0.4, 1]]
    assert [bool(color[3]) for color in cases.get_facecolors()] == [True, False], "b is hollow"
    labels = [part.get_label() for part in legend]
    assert labels == ["dar_uda (1 without ASD)", "hollow: a false negative"]


def test_dice_against_asd_is_drawn_into_files(tmp_path):
    metrics = [entry("dar_uda", write_many(tmp_path / "dar_uda.tsv", 0.6))]
    draw_dice_against_asd(metrics, [tmp_path / "dice_asd.png", tmp_path / "dice_asd.svg"])
    assert_drawn(tmp_path / "dice_asd.png")


def test_dice_against_asd_is_drawn_where_no_method_finds_anything(tmp_path):
    path = write_metrics(tmp_path / "m.tsv", [("a", "liver", 0.0, float("nan"), "false_negative")])
    draw_dice_against_asd([entry("source_only", path)], [tmp_path / "dice_asd.svg"])
    assert "source_only (1 without ASD)" in (tmp_path / "dice_asd.svg").read_text()


def extremes(folder, metrics, names):
    """Draw the extremes of these cases; return the SVG."""
    cases = [write_case(folder, name) for name in names]
    images, references = ([case[key] for case in cases] for key in ("image", "reference"))
    figures, masks = [folder / "extremes.png", folder / "extremes.svg"], {"dar_uda": cases[0]["dar_uda"]}
    draw_extremes(metrics, list(names), images, masks, references, STRUCTURES, VALUES, figures)
    assert_drawn(figures[0])
    return figures[1].read_text()


def test_the_worst_and_the_best_case_of_a_method_are_those_of_its_lowest_and_highest_mean_dice(tmp_path):
    dices = {"a": (0.4, 0.6), "b": (0.9, 0.2), "c": (0.55, 0.55)}  # means 0.5, 0.55, 0.55: the last of equals is best
    rows = [(case, s, dice, 1, "ok") for case, pair in dices.items() for s, dice in zip("xy", pair, strict=True)]
    drawn = extremes(tmp_path, [entry("dar_uda", write_metrics(tmp_path / "dar_uda.tsv", rows))], dices)
    assert "dar_uda, worst: a, Dice 0.500<" in drawn and "dar_uda, best: c, Dice 0.550<" in drawn
    assert drawn.count('id="worst-dar_uda"') == 1, "the report links to it"


def test_the_worst_case_over_several_seeds_is_that_of_the_table(tmp_path):
    metrics = write_seeds(tmp_path, [{"a": 0.3, "b": 0.4, "c": 0.9}, {"a": 0.8, "b": 0.5, "c": 0.6}])
    drawn = extremes(tmp_path, metrics, "abc")  # means 0.55, 0.45, 0.75; under the first seed the worst is a
    assert "worst: b, Dice 0.450; seed 0: 0.400<" in drawn and "best: c, Dice 0.750; seed 0: 0.900<" in drawn
    summary = summarize(metrics, [], ["liver"], {}, []).set_index("structure")
    assert summary.loc["mean", "dice_worst_case"] == "b" and summary.loc["mean", "dice_worst"] == pytest.approx(0.45)


def test_a_method_without_any_dice_has_no_worst_case(tmp_path):
    path = write_metrics(tmp_path / "m.tsv", [("a", "liver", None, None, "absent")])
    assert _extremes(read_cases([entry("dar_uda", path)])) == []


def test_the_same_figure_is_the_same_svg_and_says_nothing_of_when_it_was_made(tmp_path):
    codes = write_codes(tmp_path)
    for name in ("one", "two"):
        draw_style_scatter(*codes, [tmp_path / name / "styles.svg"])
    first, second = (tmp_path / name / "styles.svg" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    assert ElementTree.parse(first).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert "<metadata" not in first.read_text(encoding="utf-8")
