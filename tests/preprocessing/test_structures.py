import numpy as np
import pandas as pd
import pytest

from dar_uda.data.network_volume import write_label
from dar_uda.preprocessing.structures import mean_volumes, measure_structures, single_structures

NAMES = ["liver", "kidney", "spleen"]


@pytest.fixture
def measured(tmp_path):
    """Measure some of three label maps: class 1 of 150 voxels, class 2 of 8, class 3 nowhere."""
    whole = np.zeros((1, 20, 20), np.uint8)
    whole[0, 2:17, 2:12] = 1
    whole[0, 2:4, 15:19] = 2
    parted, speckled = whole.copy(), whole.copy()
    parted[0, 8, 15] = 2
    speckled[0, 18, 18] = 1
    for name, label in {"whole": whole, "parted": parted, "speckled": speckled}.items():
        write_label(tmp_path / f"{name}.nii", label, np.diag([10, 20, 4, 1]))

    def measured(*names):
        measure_structures([tmp_path / f"{name}.nii" for name in names], NAMES, tmp_path / "ct.tsv")
        return tmp_path / "ct.tsv"

    return measured


def test_a_structure_is_single_where_every_label_map_has_it_in_one_component(measured):
    assert single_structures(measured("whole")) == [1, 2], "class 3 is in no label map"
    assert single_structures(measured("whole", "parted")) == [1], "2 is 8 voxels and 1"
    assert single_structures(measured("speckled")) == [1, 2], "1 voxel of 151 is less than 1 %"


def test_the_table_has_mean_volumes_and_least_fractions(measured):
    path = measured("whole", "parted", "speckled")
    table = pd.read_csv(path, sep="\t")
    assert list(table) == ["structure", "voxel_mm", "largest_fraction"] and list(table["structure"]) == NAMES
    assert mean_volumes(path) == pytest.approx([4 * (150 + 150 + 151) / 3, 4 * (8 + 9 + 8) / 3, 0]), "slices of 4 mm"
    assert table["largest_fraction"].tolist() == pytest.approx([150 / 151, 8 / 9, np.nan], nan_ok=True)


def test_a_table_of_another_version_is_refused(tmp_path):
    (tmp_path / "ct.tsv").write_text("structure\tvoxels\tlargest_share\nliver\t3\t1\n")
    with pytest.raises(ValueError, match="^DAR-280: .*ct.tsv has the columns structure, voxels, largest_share; expec"):
        single_structures(tmp_path / "ct.tsv")
