"""Whether the files of a case fit together, told from their headers."""

from dar_uda.data.geometry import check_same_grid
from dar_uda.data.layouts.case import Case
from dar_uda.data.png_labels import png_files
from dar_uda.data.volume import read_grid


def problem_of(case: Case) -> str | None:
    """Return why a case cannot be used; None where its scan and label can be read and share a grid."""
    try:
        grid = read_grid(case.image)
        if case.label is None:
            return None
        if not case.label.is_dir():
            check_same_grid(grid, read_grid(case.label), case.name)
            return None
    except (ValueError, OSError) as error:
        return str(error)
    if not case.image.is_dir():
        return f"its label {case.label} is a folder, its scan a file: PNG labels go with DICOM folders"
    slices, files = grid.shape[2], len(png_files(case.label))
    return None if slices == files else f"{case.label} holds {files} PNG files for {slices} slices"
