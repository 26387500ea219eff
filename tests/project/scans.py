"""Small scans of a made-up body with two organs, in HU or not, and their labels."""

import nibabel as nib
import numpy as np

SHAPE, SPACING = (48, 40, 24), (6.0, 6.0, 6.0)
LIVER, SPLEEN = (slice(12, 22), slice(12, 24), slice(6, 16)), (slice(28, 36), slice(14, 22), slice(8, 16))


def volume(kind, number=0):
    """Return a scan of the kind `ct` (air -1000, tissue 40, organs 60 and 100) or `mr` (0, 300, 500 and 700)."""
    air, tissue, liver, spleen = {"ct": (-1000, 40, 60, 100), "mr": (0, 300, 500, 700)}[kind]
    array = np.full(SHAPE, air, np.int16)
    array[6:42, 8:32] = tissue
    array[LIVER], array[SPLEEN] = liver, spleen
    noise = np.random.default_rng(number + 100 * (kind == "mr")).integers(-9, 10, SHAPE)
    return (array + noise).clip(min=-1024 if kind == "ct" else 0).astype(np.int16)


def labels(liver=1, spleen=2):
    array = np.zeros(SHAPE, np.uint8)
    array[LIVER], array[SPLEEN] = liver, spleen
    return array


def save(array, path, spacing=SPACING, unit="mm"):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag([*spacing, 1.0]))
    image.header.set_xyzt_units(unit)
    nib.save(image, path)


def fill(folder, kind, count=2, label=True, values=(1, 2)):
    """Write `image_1.nii.gz` and, with labels, `label_1.nii.gz` and so on; return the folder."""
    for number in range(1, count + 1):
        save(volume(kind, number), folder / f"image_{number}.nii.gz")
        if label:
            save(labels(*values), folder / f"label_{number}.nii.gz")
    return folder
