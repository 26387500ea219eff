"""One patient of the phantom: which tissue lies at each point of an abdomen, before any scanner sees it.

Shapes are placed in mm of a reference anatomy: x grows to the patient's left, y to anterior, z to superior. The
origin lies just before the spine, at the level of the upper poles of the kidneys. Structures are implicit shapes in
bent coordinates, painted in turn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

TISSUES = (
    "air", "fat", "visceral_fat", "muscle", "lung", "cortical_bone", "marrow", "canal", "artery", "vein",
    "liver", "hepatic_vessel", "lesion", "right_kidney", "left_kidney", "spleen", "renal_sinus",
    "gallbladder", "stomach_wall", "stomach_content", "gas", "pancreas", "heart", "bowel_wall",
    "bowel_fluid", "bowel_food", "bowel_contrast", "bowel_solid", "collection",
)  # fmt: skip
CODE = {name: np.uint8(code) for code, name in enumerate(TISSUES)}
LABELS = {"liver": 1, "hepatic_vessel": 1, "lesion": 1, "right_kidney": 2, "left_kidney": 3, "spleen": 4}
BOWEL_CONTENTS = (
    "bowel_solid", "bowel_solid", "bowel_food", "bowel_food", "bowel_fluid", "bowel_contrast", "gas",
)  # fmt: skip


def build_anatomy(points: Floats, rng: np.random.Generator, has_collection: bool = False) -> NDArray[np.uint8]:
    """Return one random patient's tissue codes (indices into TISSUES), of shape (x, y, z).

    Args:
        points: World coordinates in mm, RAS, of shape (3, x, y, z).
        rng: Decides the patient; a generator in the same state gives the same patient on any grid.
        has_collection: Whether the patient has a large collection of fluid, which spares the four organs.
    """
    to_left = np.array([-1, 1, 1], np.float32)[:, None, None, None]
    canvas = Canvas(deform(points * to_left, rng), rng)
    cavity = paint_trunk(canvas)
    paint_spine(canvas)
    paint_bowel(canvas, cavity)
    paint_stomach_and_pancreas(canvas, cavity)
    paint_spleen(canvas, cavity)
    paint_liver(canvas, cavity)
    paint_kidneys(canvas)
    paint_great_vessels(canvas)
    paint_chest(canvas, cavity)
    if has_collection:
        paint_collection(canvas, cavity)
    return canvas.tissue


def label_tissues(tissue: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the label map: 1 liver (vessels and lesions too), 2 right kidney, 3 left kidney, 4 spleen."""
    table = np.array([LABELS.get(name, 0) for name in TISSUES], np.uint8)
    return table[tissue]


def deform(points: Floats, rng: np.random.Generator) -> Floats:
    """Return the coordinates of (3, ...) points in the reference anatomy: scaled, then bent by a few mm."""
    scale = rng.uniform(0.93, 1.07, (3, 1, 1, 1)).astype(np.float32)
    bent = points / scale
    for _ in range(4):
        direction = rng.normal(size=3)
        wave = (2 * np.pi / rng.uniform(130, 280)) * direction / np.linalg.norm(direction)
        shift = rng.normal(size=3)
        shift *= rng.uniform(3, 6) / np.linalg.norm(shift)
        phase = np.tensordot(wave.astype(np.float32), points, axes=1) + np.float32(rng.uniform(0, 2 * np.pi))
        bent += shift.astype(np.float32)[:, None, None, None] * np.sin(phase)
    return bent


@dataclass
class Canvas:
    """The tissue map under the brush.

    Attributes:
        points: Reference coordinates in mm, of shape (3, x, y, z).
        rng: Source of every jitter.
    """

    points: Floats
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.tissue = np.zeros(self.points.shape[1:], np.uint8)

    def paint(self, mask: Mask, name: str) -> None:
        """Overwrite the tissue where the mask is true."""
        self.tissue[mask] = CODE[name]

    def is_tissue(self, *names: str) -> Mask:
        """Return where one of the named tissues lies now."""
        return np.isin(self.tissue, [CODE[name] for name in names])

    def near(self, center: tuple, sd: float) -> tuple:
        """Return the center moved by a normal jitter (sd in mm, cut at two sd)."""
        return tuple(np.asarray(center) + sd * np.clip(self.rng.normal(size=3), -2, 2))

    def about(self, sizes: tuple, spread: float = 0.1) -> tuple:
        """Return the sizes times one common and one own factor within the spread."""
        common = self.rng.uniform(1 - spread, 1 + spread)
        return tuple(common * np.asarray(sizes) * self.rng.uniform(1 - spread / 2, 1 + spread / 2, len(sizes)))

    def ellipsoid(self, center: tuple, radii: tuple, tilt: tuple = (0, 0, 0), power: float = 2) -> Floats:
        """Return the relative radius of a superellipsoid: 1 on its surface, 0 at its center.

        Args:
            center, radii: In mm.
            tilt: Rotation about x, y, z in degrees.
            power: 2 for an ellipsoid, more for a box with round corners.
        """
        x, y, z = self.points
        unturn = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix().T
        unturn = (unturn / np.reshape(radii, (3, 1))).astype(np.float32)
        offset = unturn @ np.asarray(center, np.float32)
        level = np.zeros_like(x)
        for row, start in zip(unturn, offset, strict=True):
            along = row[0] * x + row[1] * y + row[2] * z - start
            level += along * along if power == 2 else np.abs(along) ** np.float32(power)
        return np.sqrt(level) if power == 2 else level ** np.float32(1 / power)

    def tube(self, corners: list[tuple], radius: float) -> Floats:
        """Return the distance to a line through the corners, relative to the radius (both in mm)."""
        nearest = np.full(self.tissue.shape, np.inf, np.float32)
        for start, stop in zip(corners[:-1], corners[1:], strict=True):
            begin, span = np.float32(start), np.float32(stop) - np.float32(start)
            offset = self.points - begin[:, None, None, None]
            share = np.clip(np.tensordot(span, offset, axes=1) / np.float32(span @ span), 0, 1)
            offset -= span[:, None, None, None] * share
            nearest = np.minimum(nearest, np.einsum("cxyz,cxyz->xyz", offset, offset))
        return np.sqrt(nearest) / np.float32(radius)


def blend(first: Floats, second: Floats, width: float) -> Floats:
    """Return the smooth minimum of two relative radii: a union whose seam is rounded over the width."""
    overlap = np.maximum(width - np.abs(first - second), 0) / width
    return np.minimum(first, second) - overlap * overlap * np.float32(width / 4)


def paint_trunk(canvas: Canvas) -> Mask:
    """Paint body fat, abdominal wall and ribs; return the mask of the cavity inside the wall."""
    rng = canvas.rng
    x, y, z = canvas.points
    half_width, half_depth, power = (
        rng.uniform(158, 172),
        rng.uniform(108, 120),
        np.float32(rng.uniform(2.2, 2.5)),
    )
    fat, wall = rng.uniform(9, 23), rng.uniform(10, 14)
    level = (np.abs(x / half_width) ** power + np.abs(y / half_depth) ** power) ** (1 / power) + np.float32(1e-6)
    depth = np.hypot(x, y) * (1 / level - 1)
    canvas.paint(depth > 0, "fat")
    canvas.paint((depth > 0) & (depth < 2), "muscle")
    canvas.paint(depth > fat, "muscle")
    cavity = depth > fat + wall
    canvas.paint(cavity, "visceral_fat")
    turn = (z + 0.35 * y + rng.uniform(0, 26)) / np.float32(rng.uniform(25, 30))
    ribs = (np.abs(turn - np.round(turn)) < 0.2) & (np.abs(depth - fat - wall + 4) < 4) & (z > -35 - 0.3 * y)
    canvas.paint(ribs, "cortical_bone")
    return cavity


def paint_spine(canvas: Canvas) -> None:
    """Paint back muscles, psoas, vertebrae with discs, and the spinal canal."""
    rng = canvas.rng
    _, y, z = canvas.points
    for side in (-1, 1):
        canvas.paint(canvas.ellipsoid((37 * side, -76, 0), (34, 20, 900), power=2.6) < 1, "muscle")
        canvas.paint(canvas.ellipsoid((33 * side, -46, -90), (17, 18, 85), (0, -7 * side, 0)) < 1, "muscle")
    body = canvas.ellipsoid((0, -44, 0), (23 * rng.uniform(0.9, 1.1), 18, 900), power=2.4)
    turn = (z + rng.uniform(0, 36)) / np.float32(rng.uniform(33, 38))
    disc = np.abs(turn - np.round(turn)) < 0.13
    arch = canvas.ellipsoid((0, -69, 0), (17, 13, 900))
    spinous = canvas.ellipsoid((0, -88, 0), (5, 15, 900))
    canvas.paint(((arch < 1) | (spinous < 1)) & ~disc, "cortical_bone")
    canvas.paint(body < 1, "cortical_bone")
    canvas.paint(body < 0.86, "marrow")
    canvas.paint((body < 1) & disc, "muscle")
    canvas.paint((canvas.ellipsoid((0, -68, 0), (9, 7.5, 900)) < 1) & (y < -58), "canal")


def paint_bowel(canvas: Canvas, cavity: Mask) -> None:
    """Paint loops of small bowel with varied contents, and the colon along both flanks."""
    rng = canvas.rng
    x, y, z = canvas.points
    top = rng.uniform(-5, 25) - 0.15 * x + rng.uniform(-0.2, 0.2) * y
    region = cavity & (z < top) & (y > -35 - 0.1 * np.abs(x)) & canvas.is_tissue("visceral_fat")
    squeeze = np.float32((1, 1, 0.75))
    seeds = rng.uniform((-135, -45, -190), (135, 100, 40), (rng.integers(50, 90), 3)) * squeeze
    distance, owner = cKDTree(seeds).query(canvas.points[:, region].T * squeeze, k=2, workers=1)
    contents = rng.choice([CODE[name] for name in BOWEL_CONTENTS], len(seeds))
    radius = rng.uniform(15, 32, len(seeds))[owner[:, 0]]
    painted = np.where(distance[:, 0] < radius, contents[owner[:, 0]], CODE["bowel_wall"])
    thin = distance[:, 1] - distance[:, 0] < rng.uniform(2, 5)
    painted[thin] = CODE["bowel_wall"]
    painted[distance[:, 0] > radius + 3] = CODE["visceral_fat"]
    canvas.tissue[region] = painted
    flanks = ([(-104, 5, -150), (-96, 15, -62)], [(108, -22, -150), (108, -12, -40), (86, 30, 5)])
    for corners in flanks:
        colon = canvas.tube([canvas.near(corner, 5) for corner in corners], rng.uniform(17, 25))
        content = rng.choice(BOWEL_CONTENTS)
        canvas.paint((colon < 1) & cavity, "bowel_wall")
        canvas.paint((colon < 0.82) & cavity, content)
        if content != "gas":
            canvas.paint((colon < 0.82) & cavity & (y > corners[0][1] + rng.uniform(4, 20)), "gas")


def paint_stomach_and_pancreas(canvas: Canvas, cavity: Mask) -> None:
    """Paint a stomach with a fluid level under gas, and a pancreas from duodenum to spleen."""
    rng = canvas.rng
    y = canvas.points[1]
    fundus = canvas.ellipsoid(canvas.near((62, 12, 45), 7), canvas.about((40, 44, 36), 0.2), (20, 0, 20))
    antrum = canvas.tube([canvas.near((58, 45, 15), 6), canvas.near((8, 55, -12), 6)], rng.uniform(19, 30))
    stomach = blend(fundus, antrum, 0.4)
    canvas.paint((stomach < 1) & cavity, "stomach_wall")
    canvas.paint((stomach < 0.86) & cavity, "stomach_content")
    canvas.paint((stomach < 0.86) & cavity & (y > rng.uniform(25, 75)), "gas")
    path = [(-38, 8, -32), (-10, 10, -8), (30, -4, 2), (78, -22, 14)]
    canvas.paint(canvas.tube([canvas.near(corner, 3) for corner in path], rng.uniform(10, 14)) < 1, "pancreas")


def paint_spleen(canvas: Canvas, cavity: Mask) -> None:
    """Paint a crescent under the left ribs, hollowed towards the stomach."""
    rng = canvas.rng
    tilt = (rng.uniform(10, 40), rng.uniform(-12, 12), rng.uniform(-28, -5))
    center = canvas.near((101, -26, 22), 5)
    spleen = canvas.ellipsoid(center, canvas.about((34, 45, 52), 0.14), tilt, power=2.3)
    hollow = canvas.ellipsoid(np.add(center, (-50, 22, rng.uniform(-10, 10))), canvas.about((32, 42, 60)))
    canvas.paint((spleen < 1) & (hollow > 1) & cavity, "spleen")


def paint_liver(canvas: Canvas, cavity: Mask) -> None:
    """Paint both lobes, their vessels, the gallbladder and, in some patients, a few lesions."""
    rng = canvas.rng
    right_tilt = (0, rng.uniform(-22, -8), rng.uniform(-10, 10))
    right = canvas.ellipsoid(canvas.near((-70, 0, 14), 4), canvas.about((69, 82, 71)), right_tilt, power=2.3)
    left_tilt = (0, rng.uniform(-18, 0), rng.uniform(-20, -5))
    left = canvas.ellipsoid(canvas.near((-8, 48, 34), 6), canvas.about((70, 36, 35), 0.2), left_tilt)
    hilum = canvas.ellipsoid(canvas.near((-25, -8, -30), 6), canvas.about((32, 34, 42), 0.15), (0, 20, 0))
    solid = canvas.is_tissue("muscle", "cortical_bone", "marrow")
    liver = (blend(right, left, 0.35) < 1) & (hilum > 1) & cavity & ~solid
    canvas.paint(liver, "liver")
    for _ in range(rng.choice((0, 0, 1, 3))):
        lesion = canvas.ellipsoid(canvas.near((-75, 5, 20), 28), canvas.about((11, 11, 11), 0.4))
        canvas.paint((lesion < 1) & liver, "lesion")
    paint_hepatic_vessels(canvas, liver)
    bladder_radii = canvas.about((15, 20, 26), 0.25)
    canvas.paint(canvas.ellipsoid(canvas.near((-50, 42, -26), 6), bladder_radii, (-35, 0, 0)) < 1, "gallbladder")


def paint_hepatic_vessels(canvas: Canvas, liver: Mask) -> None:
    """Paint the portal tree from the hilum and the hepatic veins from the dome."""
    root, outlet = canvas.near((-30, 8, 2), 3), canvas.near((-22, -18, 66), 2)
    portal_right, portal_left = canvas.near((-75, 18, 12), 4), canvas.near((-20, 45, 32), 4)
    branches = [
        ([root, portal_right, canvas.near((-105, 35, 5), 4)], 4.5),
        ([portal_right, canvas.near((-98, -30, 14), 4)], 4),
        ([root, portal_left, canvas.near((22, 52, 38), 4)], 4),
    ]
    tips = [(-100, -10, 40), (-75, 40, 48), (-15, 55, 52), (-95, -45, 30)]
    branches += [([outlet, canvas.near(tip, 6)], canvas.rng.uniform(3, 5)) for tip in tips]
    for corners, radius in branches:
        canvas.paint((canvas.tube(corners, radius) < 1) & liver, "hepatic_vessel")


def paint_kidneys(canvas: Canvas) -> None:
    """Paint two beans in a thin, patchy coat of fat, alike but for their side and position."""
    rng = canvas.rng
    for side, name, height in ((-1, "right_kidney", -46), (1, "left_kidney", -38)):
        center = canvas.near((side * 68, -38, height), 4)
        radii = canvas.about((29, 27, 51), 0.1)
        tilt = (rng.uniform(-14, -2), side * rng.uniform(4, 16), side * rng.uniform(20, 45))
        kidney = canvas.ellipsoid(center, radii, tilt, power=2.2)
        inwards = np.add(center, (-side * 25, 11, rng.uniform(-5, 5)))
        sinus = canvas.ellipsoid(inwards, canvas.about((19, 11, 22), 0.2), (0, 0, -side * 30))
        neighbors = canvas.is_tissue("liver", "spleen", "bowel_wall", *BOWEL_CONTENTS)
        canvas.paint((kidney < rng.uniform(1.02, 1.16)) & neighbors, "visceral_fat")
        canvas.paint(kidney < 1, name)
        canvas.paint(sinus < 1, "renal_sinus")


def paint_great_vessels(canvas: Canvas) -> None:
    """Paint aorta, vena cava, renal, splenic and portal vessels."""
    rng = canvas.rng
    aorta, cava = canvas.near((13, -15, 0), 2), canvas.near((-19, -16, 0), 2)
    canvas.paint(canvas.ellipsoid(aorta, (*canvas.about((11, 11)), 900)) < 1, "artery")
    canvas.paint(canvas.ellipsoid(cava, (*canvas.about((14, 10), 0.2), 900)) < 1, "vein")
    for side, trunk in ((-1, cava), (1, aorta)):
        hilum = canvas.near((side * 45, -30, -44), 3)
        canvas.paint((canvas.tube([(*trunk[:2], -30), hilum], 4.5) < 1) & ~canvas.is_tissue("liver"), "vein")
    portal = [canvas.near((84, -15, 18), 4), (20, -2, 6), (-14, 8, -6), (-30, 8, 2)]
    canvas.paint((canvas.tube(portal, rng.uniform(4.5, 6.5)) < 1) & ~canvas.is_tissue("spleen", "liver"), "vein")


def paint_chest(canvas: Canvas, cavity: Mask) -> None:
    """Paint the heart and the lung bases that hang around the dome of the liver."""
    rng = canvas.rng
    x, y, z = canvas.points
    free = cavity & canvas.is_tissue("visceral_fat", "stomach_wall", "stomach_content", "gas")
    canvas.paint(free & (z > rng.uniform(66, 80) - 18 * ((x / 130) ** 2 + (y / 85) ** 2)), "lung")
    heart = canvas.ellipsoid(canvas.near((18, 30, 108), 5), canvas.about((62, 44, 30)))
    canvas.paint((heart < 1) & canvas.is_tissue("lung", "visceral_fat"), "heart")


def paint_collection(canvas: Canvas, cavity: Mask) -> None:
    """Paint a collection of fluid among the bowel, below the liver and behind the abdominal wall."""
    collection = canvas.ellipsoid(canvas.near((10, 50, -60), 6), canvas.about((66, 36, 48)))
    displaced = canvas.is_tissue(
        "visceral_fat", "gas", "stomach_wall", "stomach_content", "bowel_wall", *BOWEL_CONTENTS
    )
    canvas.paint((collection < 1) & cavity & displaced, "collection")
