"""Whether the files of a case fit together, told from their headers."""

from dar_uda.data.dicom import series_order
from dar_uda.data.labels import check_label_grid
from dar_uda.data.layouts.case import Case
from dar_uda.data.png_labels import png_of_slices
from dar_uda.data.volume import read_grid, read_label_grid


def problem_of(case: Case) -> str | None:
    """Return why a case cannot be used; None where its scan and label can be read and share a grid."""
    try:
        grid = read_grid(case.image)
        if case.label is None:
            return None
        if not case.label.is_dir():
            check_label_grid(grid, read_label_grid(case.label, case.image), case.name, case.label)
        elif not case.image.is_dir():
            return f"its label {case.label} is a folder, its scan a file: PNG labels go with DICOM folders (DAR-187)"
        else:
            png_of_slices(case.label, case.image, series_order(case.image)[0])
    except (ValueError, OSError) as error:
        return str(error)
    return None
