import nibabel as nib
import numpy as np
import pytest

from dar_uda.command import main


def test_inspect_prints_shape_spacing_and_slice_axis(tmp_path, capsys):
    nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.diag([2.0, 7.5, 2.0, 1.0])), tmp_path / "scan.nii.gz")
    assert main(["inspect", str(tmp_path / "scan.nii.gz")]) == 0
    assert "4 x 6 x 5 voxels of 2 x 7.5 x 2 mm, slice axis 1" in capsys.readouterr().out


def test_a_missing_file_is_one_line_and_a_status(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none.nii.gz")]) == 1
    assert "none.nii.gz" in capsys.readouterr().err


def test_phantom_writes_image_and_label(tmp_path):
    assert main(["phantom", "mr", "3", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mr03_image.nii.gz", "mr03_label.nii.gz"]


def help_of(capsys, *command):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_help_of_every_subcommand_says_what_it_does_and_gives_an_example(capsys):
    listed = [line.split() for line in help_of(capsys).splitlines() if line.startswith("    ") and line[4] != " "]
    assert len(listed) > 5
    for name, first, *_ in listed:
        text = help_of(capsys, name)
        assert f"\n{first.capitalize()} " in text and f"example: dar-uda {name} " in text
