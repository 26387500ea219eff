"""What a scanner makes of the phantom's tissues: CT in HU, fat-suppressed T2 MR in several scanner styles."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from dar_uda.data.phantom_anatomy import TISSUES

Floats = NDArray[np.float32]
Spacing = tuple[float, float, float]

# Middle and half range between patients, in HU.
HU = {
    "air": (-1000, 0), "fat": (-105, 6), "visceral_fat": (-98, 6), "muscle": (56, 6), "lung": (-820, 30),
    "cortical_bone": (450, 60), "marrow": (260, 30), "canal": (25, 5), "artery": (160, 15),
    "vein": (134, 12), "liver": (104, 11), "hepatic_vessel": (134, 12), "lesion": (55, 20),
    "kidney": (205, 15), "spleen": (116, 11), "renal_sinus": (-30, 25), "gallbladder": (10, 6),
    "stomach_wall": (75, 10), "stomach_content": (45, 35), "gas": (-900, 20), "pancreas": (96, 12),
    "heart": (135, 15), "bowel_wall": (82, 12), "bowel_fluid": (18, 10), "bowel_food": (75, 25),
    "bowel_contrast": (260, 40), "bowel_solid": (112, 14),
}  # fmt: skip

# Shares of the signal of free fluid, which is 1; T2_SPREAD is their relative spread between patients.
T2 = {
    "air": 0.0, "fat": 0.15, "visceral_fat": 0.11, "muscle": 0.16, "lung": 0.04, "cortical_bone": 0.05,
    "marrow": 0.2, "canal": 0.95, "artery": 0.06, "vein": 0.13, "liver": 0.36, "hepatic_vessel": 0.15,
    "lesion": 0.75, "kidney": 0.58, "spleen": 0.7, "renal_sinus": 0.34, "gallbladder": 1.0,
    "stomach_wall": 0.35, "stomach_content": 0.85, "gas": 0.02, "pancreas": 0.38, "heart": 0.22,
    "bowel_wall": 0.32, "bowel_fluid": 0.85, "bowel_food": 0.42, "bowel_contrast": 0.24,
    "bowel_solid": 0.5,
}  # fmt: skip
T2_SPREAD = 0.06
COLLECTION_HU, COLLECTION_T2 = 12, 2.6
"""Of a collection of watery fluid, which decays slower than bile, and lies near the coil."""


@dataclass(frozen=True)
class MrStyle:
    """How one MR scanner renders the same abdomen.

    Attributes:
        signals: Shares of the fluid's signal that differ from T2.
        gamma: Exponent of the scanner's tone curve; below 1 flattens the bright end.
        gain: Range of the intensity of fluid, in the file's units.
        bias: Standard deviation of the logarithm of the coil field.
        noise: Standard deviation of the noise, as a share of the fluid's signal.
        blur: Standard deviation of the in-plane blur in mm.
        thickness: Factor on the slice spacing.
    """

    signals: dict[str, float] = field(default_factory=dict)
    gamma: float = 1.0
    gain: tuple[float, float] = (700, 1100)
    bias: float = 0.10
    noise: float = 0.02
    blur: float = 1.6
    thickness: float = 1.0


MR_STYLES = {
    "standard": MrStyle(),
    "bright_liver": MrStyle(
        {"liver": 0.42, "hepatic_vessel": 0.2, "muscle": 0.22, "kidney": 0.54}, gain=(400, 700), blur=2.0
    ),
    "strong_bias": MrStyle({"spleen": 0.76, "liver": 0.33}, gain=(900, 1500), bias=0.2, noise=0.025),
    "sharp_noisy": MrStyle(
        {"fat": 0.24, "visceral_fat": 0.19, "kidney": 0.65}, gain=(250, 450), noise=0.045, blur=0.9
    ),
    "rare": MrStyle(
        {
            "liver": 0.46, "hepatic_vessel": 0.7, "vein": 0.6, "artery": 0.5, "spleen": 0.42,
            "kidney": 0.62, "fat": 0.36, "visceral_fat": 0.26, "muscle": 0.24, "marrow": 0.36,
            "pancreas": 0.46, "bowel_wall": 0.42,
        },
        gamma=0.85, gain=(1100, 1500), bias=0.15, noise=0.035, blur=2.4, thickness=1.2,
    ),
}  # fmt: skip


def scan_ct(tissue: NDArray[np.uint8], points: Floats, spacing: Spacing, rng: np.random.Generator) -> Floats:
    """Return a CT in HU of tissue codes (x, y, z) at world points (3, x, y, z), on the patient table."""
    values = {name: rng.uniform(middle - half, middle + half) for name, (middle, half) in HU.items()}
    image = _paint_values(tissue, values | {"collection": COLLECTION_HU})
    x, y, _ = points
    table = (np.abs(y + 134 - x**2 / 700) < 2.5) & (np.abs(x) < 190) & (tissue == 0)
    image[table] = -150
    image += (tissue > 0) * np.float32(6) * smooth_field(tissue.shape, spacing, 22, rng)
    image = _blur(image, spacing, in_plane=rng.uniform(0.8, 1.5))
    noise = _blur(rng.standard_normal(tissue.shape, np.float32), spacing, in_plane=0.9, through=0)
    image += noise * np.float32(rng.uniform(8, 16) / noise.std())
    return np.clip(image, -1024, 3071)


def scan_mr(tissue: NDArray[np.uint8], style: MrStyle, spacing: Spacing, rng: np.random.Generator) -> Floats:
    """Return an MR of tissue codes (x, y, z) in arbitrary units, as the style's scanner shows it."""
    values = {name: signal * rng.normal(1, T2_SPREAD) for name, signal in (T2 | style.signals).items()}
    image = _paint_values(tissue, values | {"collection": COLLECTION_T2})
    image *= 1 + np.float32(0.07) * smooth_field(tissue.shape, spacing, 18, rng)
    image = np.maximum(image, 0) ** np.float32(style.gamma)
    image = _blur(image, spacing, in_plane=style.blur)
    image *= np.exp(np.float32(style.bias) * smooth_field(tissue.shape, spacing, 170, rng))
    real, imaginary = np.float32(style.noise) * rng.standard_normal((2, *tissue.shape), np.float32)
    return np.float32(rng.uniform(*style.gain)) * np.hypot(image + real, imaginary)


def smooth_field(shape: tuple, spacing: Spacing, scale: float, rng: np.random.Generator) -> Floats:
    """Return a random field of about zero mean and unit spread that varies over `scale` mm."""
    extent = np.asarray(shape) * spacing
    knots = np.maximum(np.ceil(extent / scale).astype(int), 1) + 1
    coarse = rng.standard_normal(knots, np.float32)
    fine = zoom(coarse, np.asarray(shape) / knots, order=2, mode="nearest", grid_mode=False)
    return (fine - fine.mean()) / max(float(fine.std()), 1e-6)


def _paint_values(tissue: NDArray[np.uint8], values: dict[str, float]) -> Floats:
    """Return the value of each voxel's tissue; both kidneys have the value called "kidney"."""
    names = ["kidney" if name.endswith("kidney") else name for name in TISSUES]
    return np.array([values[name] for name in names], np.float32)[tissue]


def _blur(image: Floats, spacing: Spacing, in_plane: float, through: float = 0.42) -> Floats:
    """Blur by `in_plane` mm in x and y and, for the thickness of the slices, by `through` slices in z."""
    return gaussian_filter(image, (in_plane / spacing[0], in_plane / spacing[1], through), truncate=3)
