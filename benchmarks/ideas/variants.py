"""What is tried: a variant is the run's budget but for what it names."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Variant:
    """A segmenter, and what it is trained on; None: as the budget has it.

    Attributes:
        attention: Whether the network has its attention, QAM and VAM.
        volumes: The synthetic training sets, or `source` or `target`, the real ones.
        steps: Of the first training, as a multiple of the budget's.
        batch_size: Patches per step.
        side: In-plane side of a patch, and of a window in prediction, pixels.
        learning_rate: Of the first training.
        source_fraction: Of patches from untranslated source volumes.
        intensity: `narrow` as shipped, `wide`, or `rich`, like nnU-Net's.
        geometry: `flipped` as published, `upright`, or `bent`, which is the budgets' `upright`: displaced further,
            and stretched along the slices.
        gin: Fraction of patches seen through a random convolution.
        gin_form: `clip` to [0, 1] as shipped, or `range`.
        contrast: Fraction of patches whose structures change their contrast.
        background_classes: Intervals of the background's intensities that do so too.
        parts: Fraction of patches in which parts of structures have other intensities.
        consistency: Weight of the KL divergence between two looks of each patch, which then are the batch.
        deep: Weight of each output's loss over that of the next finer one.
        ema_decay: Of the averaged network.
        iterations: Steps of each self-training iteration.
        rate: Of the self-training iterations.
        pseudo_label_fraction: Of their patches.
        after: The variant whose first training this one takes, by name.
        after_iteration: Which of its iterations, where not its first training.
        teachers: Variants whose first trainings label the target in the first iteration, by the mean of their
            probabilities; () : the one that goes on alone, as in later iterations.
        ignores: Whether voxels in which teachers differ teach nothing.
        guided: Radius of a guided filter of probabilities by the scan, pixels; 0: none. Of pseudo-labels and masks.
    """

    attention: bool = True
    volumes: tuple[str, ...] = ("disentangled-multi",)
    steps: float = 1.0
    batch_size: int | None = None
    side: int | None = None
    learning_rate: float | None = None
    source_fraction: float | None = None
    intensity: str = "narrow"
    geometry: str = "flipped"
    gin: float | None = None
    gin_form: str = "clip"
    contrast: float | None = None
    background_classes: int = 0
    parts: float = 0.0
    consistency: float = 0.0
    deep: float = 1.0
    ema_decay: float | None = None
    iterations: tuple[int, ...] = ()
    rate: float = 2.0e-3
    pseudo_label_fraction: float = 0.5
    after: str = ""
    after_iteration: int = 0
    teachers: tuple[str, ...] = ()
    ignores: bool = False
    guided: int = 0

    @property
    def settings(self) -> str:
        """What differs from the budget, as text."""
        given = {entry.name: (getattr(self, entry.name), entry.default) for entry in fields(self)}
        return "; ".join(f"{name} {value}" for name, (value, shipped) in given.items() if value != shipped)


SHIPPED = Variant()
PLAIN = Variant(gin=0, contrast=0, source_fraction=0)
SHORT = Variant(steps=0.6)
BACKGROUND = {"contrast": 0.5, "background_classes": 5}
DIVERSE = {"intensity": "wide", "geometry": "upright", "gin": 0.2, "gin_form": "range", "ema_decay": 0.99, **BACKGROUND}
SOURCE = {"volumes": ("source",), "source_fraction": 0}
PLAIN_SOURCE = {**SOURCE, "gin": 0.0, "contrast": 0.0}
CYCLEGAN = ("cyclegan-single",)
BOTH = ("disentangled-multi", "cyclegan-single")
BENT = replace(SHORT, geometry="bent", guided=4)
BENT_BOTH, BENT_CYCLEGAN = replace(BENT, volumes=BOTH), replace(BENT, volumes=CYCLEGAN)
BENT_MIXED = replace(BENT, volumes=("cyclegan-single", "disentangled-average"))
BENT_ALL = replace(BENT, volumes=("cyclegan-single", "disentangled-average", "disentangled-multi"))

CHANGES = {
    "flipped": {"geometry": "flipped"},
    "upright": {"geometry": "upright"},
    "rich": {"intensity": "rich"},
    "wide": {"intensity": "wide"},
    "gin": {"gin": 0.5, "gin_form": "range"},
    "no_gin": {"gin": 0.0},
    "no_contrast": {"contrast": 0.0},
    "no_source": {"source_fraction": 0.0},
    "plain": {"gin": 0.0, "contrast": 0.0, "source_fraction": 0.0},
    "background": BACKGROUND,
    "halved": {"deep": 0.5},
    "no_attention": {"attention": False},
    "long": {"steps": 1.2},
    "longer": {"steps": 2.4},
    "single": {"batch_size": 1, "steps": 1.2},
    "single_fast": {"batch_size": 1, "steps": 1.2, "learning_rate": 1.0e-2},
    "twins": {"consistency": 2.0},
}
"""One change at a time, of a first training or of self-training iterations."""

DEMO = replace(SHIPPED, geometry="bent", guided=2)

VARIANTS = {
    "demo": DEMO,
    "demo_iterated": replace(DEMO, iterations=(80, 80), after="demo"),
    "demo_single": replace(DEMO, batch_size=1, steps=1.5),
    "demo_cyclegan": replace(DEMO, volumes=CYCLEGAN),
    "demo_cyclegan_iterated": replace(DEMO, volumes=CYCLEGAN, iterations=(80, 80), after="demo_cyclegan"),
    "demo_both": replace(DEMO, volumes=BOTH),
    "demo_both_iterated": replace(DEMO, volumes=BOTH, iterations=(80, 80), after="demo_both"),
    "shipped": SHIPPED,
    "shipped_iterated": replace(SHIPPED, iterations=(250,), after="shipped"),
    "plain": PLAIN,
    "average": replace(PLAIN, ema_decay=0.99),
    "wide": replace(SHIPPED, intensity="wide"),
    "upright": replace(SHIPPED, geometry="upright"),
    "gin": replace(SHIPPED, gin=0.2),
    "gin_range": replace(SHIPPED, gin=0.2, gin_form="range"),
    "contrast": replace(SHIPPED, contrast=0.3),
    "background": replace(SHIPPED, **BACKGROUND),
    "source_mixed": replace(SHIPPED, source_fraction=0.25),
    "diverse": replace(SHIPPED, **DIVERSE),
    "diverse_iterated": replace(SHIPPED, **DIVERSE, iterations=(125, 125), after="diverse"),
    "short": SHORT,
    "short_wide": replace(SHORT, intensity="wide"),
    "short_diverse": replace(SHORT, **DIVERSE),
    "short_diverse_iterated": replace(SHORT, **DIVERSE, iterations=(120, 120), after="short_diverse"),
    "short_iterated": replace(SHORT, iterations=(120, 120), after="short"),
    "short_diverse_twins": replace(SHORT, **DIVERSE | {"gin": 0.5}, consistency=2.0),
    "short_diverse_cyclegan": replace(SHORT, **DIVERSE, volumes=CYCLEGAN),
    "short_diverse_both": replace(SHORT, **DIVERSE, volumes=BOTH),
    "short_diverse_both_iterated": replace(
        SHORT, **DIVERSE, volumes=BOTH, iterations=(120, 120), after="short_diverse_both"
    ),
    "short_cyclegan": replace(SHORT, volumes=CYCLEGAN),
    "short_guided": replace(SHORT, guided=4, after="short"),
    "shipped_guided": replace(SHIPPED, guided=2, after="shipped"),
    "short_guided_iterated": replace(SHORT, guided=4, iterations=(120, 120), after="short"),
    "short_iterated_further_guided": replace(SHORT, guided=4, after="short_iterated_further", after_iteration=6),
    "short_cyclegan_guided": replace(SHORT, volumes=CYCLEGAN, guided=4, after="short_cyclegan"),
    "short_cyclegan_guided_iterated": replace(
        SHORT, volumes=CYCLEGAN, guided=4, iterations=(120, 120), after="short_cyclegan"
    ),
    "short_both_guided_iterated": replace(SHORT, volumes=BOTH, guided=4, iterations=(120, 120), after="short_both"),
    "short_both": replace(SHORT, volumes=BOTH),
    "short_iterated_on": replace(SHORT, iterations=(120, 120), after="short_iterated", after_iteration=2),
    "short_iterated_further": replace(SHORT, iterations=(120, 120), after="short_iterated_on", after_iteration=4),
    "short_iterated_mostly": replace(SHORT, iterations=(120, 120), after="short", pseudo_label_fraction=0.75),
    "short_iterated_diverse": replace(SHORT, **DIVERSE, iterations=(120, 120), after="short"),
    "short_iterated_upright": replace(SHORT, geometry="upright", iterations=(120, 120), after="short"),
    "short_iterated_background": replace(SHORT, **BACKGROUND, iterations=(120, 120), after="short"),
    "short_iterated_wide": replace(SHORT, intensity="wide", iterations=(120, 120), after="short"),
    "bent": BENT,
    "bent_unguided": replace(BENT, guided=0, after="bent"),
    "bent_unguided_iterated": replace(BENT, guided=0, iterations=(120, 120), after="bent"),
    "bent_unguided_on": replace(
        BENT, guided=0, iterations=(120, 120), after="bent_unguided_iterated", after_iteration=2
    ),
    "bent_unguided_parts": replace(BENT, guided=0, parts=0.5),
    "bent_unguided_parts_iterated": replace(
        BENT, guided=0, parts=0.5, iterations=(120, 120), after="bent_unguided_parts"
    ),
    "bent_iterated": replace(BENT, iterations=(120, 120), after="bent"),
    "bent_long": replace(BENT, steps=1.2),
    "bent_iterated_fast": replace(BENT, iterations=(120, 120), rate=5.0e-3, after="bent"),
    "bent_fast_on": replace(BENT, iterations=(120, 120), rate=5.0e-3, after="bent_iterated_fast", after_iteration=2),
    "bent_doubled_unguided": replace(BENT, steps=2.0, guided=0),
    "bent_doubled_unguided_iterated": replace(
        BENT, steps=2.0, guided=0, iterations=(120, 120, 120, 120), after="bent_doubled_unguided"
    ),
    "bent_on": replace(BENT, iterations=(120, 120), after="bent_iterated", after_iteration=2),
    "bent_source": replace(BENT, **PLAIN_SOURCE),
    "bent_target": replace(BENT, **PLAIN_SOURCE | {"volumes": ("target",)}),
    "bent_source_randomized": replace(BENT, **SOURCE),
    "bent_average": replace(BENT, volumes=("disentangled-average",)),
    "bent_average_iterated": replace(
        BENT, volumes=("disentangled-average",), iterations=(120, 120, 120, 120), after="bent_average"
    ),
    "bent_average_unguided": replace(BENT, volumes=("disentangled-average",), guided=0),
    "bent_average_unguided_iterated": replace(
        BENT,
        volumes=("disentangled-average",),
        guided=0,
        iterations=(120, 120, 120, 120),
        after="bent_average_unguided",
    ),
    "bent_cyclegan_unguided": replace(BENT_CYCLEGAN, guided=0),
    "bent_cyclegan_unguided_iterated": replace(
        BENT_CYCLEGAN, guided=0, iterations=(120, 120, 120, 120), after="bent_cyclegan_unguided"
    ),
    "bent_further": replace(BENT, iterations=(120, 120, 120, 120), after="bent_on", after_iteration=4),
    "bent_both": BENT_BOTH,
    **{f"bent_both_{name}": replace(BENT_BOTH, **change) for name, change in CHANGES.items()},
    **{
        f"bent_both_iterated_{name}": replace(BENT_BOTH, iterations=(120, 120), after="bent_both", **change)
        for name, change in (
            CHANGES | {"mostly": {"pseudo_label_fraction": 0.75}, "ignoring": {"ignores": True}}
        ).items()
        if "steps" not in change and "attention" not in change
    },
    "bent_both_on": replace(BENT_BOTH, iterations=(120, 120), after="bent_both_iterated", after_iteration=2),
    "bent_cyclegan_on": replace(
        BENT_CYCLEGAN, iterations=(120, 120), after="bent_cyclegan_iterated", after_iteration=2
    ),
    "bent_both_iterated": replace(BENT_BOTH, iterations=(120, 120), after="bent_both"),
    "bent_cyclegan": BENT_CYCLEGAN,
    "bent_cyclegan_single": replace(BENT_CYCLEGAN, batch_size=1, steps=1.2),
    "bent_cyclegan_small": replace(BENT_CYCLEGAN, side=64, steps=1.8),
    "bent_cyclegan_small_single": replace(BENT_CYCLEGAN, side=64, batch_size=1, steps=3.6),
    "bent_both_small": replace(BENT_BOTH, side=64, steps=1.8),
    "bent_both_smaller": replace(BENT_BOTH, side=80, steps=1.2),
    "bent_cyclegan_halved": replace(BENT_CYCLEGAN, deep=0.5),
    "bent_mixed": BENT_MIXED,
    "bent_mixed_iterated": replace(BENT_MIXED, iterations=(120, 120), after="bent_mixed"),
    "bent_all": BENT_ALL,
    "bent_cyclegan_iterated": replace(BENT_CYCLEGAN, iterations=(120, 120), after="bent_cyclegan"),
    **{
        f"short_iterated_bent_{name}": replace(SHORT, geometry="bent", iterations=(120,), after="short", **change)
        for name, change in {
            "rich": {"intensity": "rich"},
            "wide": {"intensity": "wide"},
            "background": BACKGROUND,
            "gin": {"gin": 0.5, "gin_form": "range"},
            "plain": {"gin": 0.0, "contrast": 0.0},
            "mostly": {"pseudo_label_fraction": 0.75},
            "halved": {"deep": 0.5},
            "cyclegan": {"volumes": CYCLEGAN},
        }.items()
    },
    "short_iterated_bent": replace(SHORT, geometry="bent", iterations=(120, 120), after="short"),
    "short_bent": replace(SHORT, geometry="bent"),
    "short_bent_iterated": replace(SHORT, geometry="bent", iterations=(120, 120), after="short_bent"),
    "short_upright": replace(SHORT, geometry="upright"),
    "short_upright_iterated": replace(SHORT, geometry="upright", iterations=(120, 120), after="short_upright"),
    "short_cyclegan_iterated": replace(SHORT, volumes=CYCLEGAN, iterations=(120, 120), after="short_cyclegan"),
    "short_iterated_halved": replace(SHORT, deep=0.5, iterations=(120, 120), after="short"),
    "short_iterated_long": replace(SHORT, iterations=(240,), after="short"),
    "diverse_then_shipped": replace(SHORT, iterations=(120, 120), after="short_diverse"),
    "consensus": replace(
        SHORT,
        volumes=BOTH,
        source_fraction=0,
        iterations=(120, 120),
        after="short",
        teachers=("short", "short_cyclegan"),
        ignores=True,
    ),
    "no_attention": replace(SHIPPED, steps=0.9, attention=False),
    "no_attention_diverse": replace(SHIPPED, **DIVERSE, steps=0.9, attention=False),
    "source": replace(PLAIN, **SOURCE),
    "source_diverse": replace(SHIPPED, **DIVERSE | SOURCE | {"gin": 0.5}),
    "short_source_diverse": replace(SHORT, **DIVERSE | SOURCE | {"gin": 0.5}),
    "bent_source_diverse": replace(BENT, **DIVERSE | SOURCE | {"gin": 0.5, "geometry": "bent"}),
    "bent_source_rich": replace(BENT, **BACKGROUND, **SOURCE, intensity="rich", gin=0.5, gin_form="range"),
    "bent_source_gin": replace(BENT, **SOURCE, gin=0.5, gin_form="range", contrast=0.0),
    "bent_source_background": replace(BENT, **BACKGROUND, **SOURCE, gin=0.0),
    "published": replace(PLAIN, steps=0.6),
}
