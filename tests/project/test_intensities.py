"""How `dar-uda init` decides whether scans are in HU, and what window it writes with which reason."""

from pathlib import Path

import pytest
import yaml

from dar_uda.cli.command import main
from dar_uda.data.layouts.case import Case
from dar_uda.project.intensities import choose_intensity
from dar_uda.project.measures import Extent
from dar_uda.project.survey import Facts
from tests.project.scans import fill, labels, save, volume

NAMES = ["--labels", "liver=1,spleen=2", "--budget", "demo"]


def facts(low, high, air=-1000.0):
    """Return what a CT says whose one structure has values from low to high."""
    case = Case("c1", "ct", "c1", Path("c1.nii"), Path("c1_label.nii"))
    none = (0.0, 0.0, 0.0)
    return Facts(case, [], air=air, structures={1: Extent(9, none, none, 9.0, (low, high))})


def crop(folder, number):
    """Write a CT without air, cropped to the inside of its body, and its label."""
    inside = (slice(8, 40), slice(10, 30))
    save(volume("ct", number)[inside], folder / f"image_{number}.nii.gz")
    save(labels()[inside], folder / f"label_{number}.nii.gz")


@pytest.mark.parametrize(
    ("low", "high", "window", "words"),
    [
        (0, 100, [-50, 150], "the window is half of that wider at both ends"),
        # 1100 wide: 550 more at both ends would be -1450 to 750.
        (-900, 200, [-1000, 750], "the window begins at -1000, air, and is half of that wider at the upper end"),
        (-500, 500, [-1000, 1000], "the window is half of that wider at both ends"),
    ],
)
def test_the_reason_says_where_the_window_ends(low, high, window, words):
    choice = choose_intensity([facts(low, high)], {1}, said_hu=False)
    assert choice.value == {"window": window} and words in choice.reason


def test_the_user_says_that_scans_without_air_are_in_hu():
    assert "percentile" in choose_intensity([facts(0, 100, air=30.0)], {1}, said_hu=False).value
    choice = choose_intensity([facts(0, 100, air=30.0)], {1}, said_hu=True)
    assert choice.value == {"window": [-50, 150]} and choice.reason.startswith("In HU: --hu ct.")


def test_ct_of_which_some_are_cropped_to_the_body_needs_the_users_word(tmp_path, capsys):
    ct, mr = fill(tmp_path / "ct", "ct"), fill(tmp_path / "mr", "mr", label=False)
    crop(ct, 2)
    arguments = ["init", f"ct={ct}", f"mr={mr}", "-o", str(tmp_path / "project"), *NAMES]
    assert main(arguments) == 1
    assert "DAR-406" in (text := capsys.readouterr().err) and "give --hu ct" in text
    assert main([*arguments, "--hu", "CT"]) == 1
    assert "DAR-540: --hu CT: expected ct or mr" in capsys.readouterr().err
    assert main([*arguments, "--hu", "ct"]) == 0
    domains = yaml.safe_load((tmp_path / "project" / "task.yaml").read_text())["tasks"]["ct_to_mr"]["domains"]
    # As in test_init.py: organs from 51 to 109, half of 58 more at both ends.
    assert domains["ct"]["intensity"] == {"window": [20, 140]} and "percentile" in domains["mr"]["intensity"]
