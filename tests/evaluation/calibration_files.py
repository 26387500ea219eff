"""Small files of `measure_calibration`."""

import pandas as pd

from dar_uda.evaluation.calibration import COLUMNS


def write_calibration(path, rows):
    """Write rows `(case, patient, structure, bin, voxels, probability_sum, reference_voxels)`; return the path."""
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, sep="\t", index=False)
    return path
