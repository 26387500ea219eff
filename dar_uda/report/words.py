"""What the page says of methods, choices and figures to a reader who has not read the paper."""

from dataclasses import dataclass

TRAINING_SETS = {
    "{source}": "Trained on the labeled source scans as they are.",
    "{target}": "Trained on labels of the target, which adaptation does without: what would be reached with them.",
    "disentangled-multi": "Trained on source scans that the translator redrew in several styles of the target.",
    "disentangled-uncorrected": "Trained on source scans that the translator redrew in several styles of the target, "
    "slice by slice.",
    "disentangled-average": "Trained on source scans that the translator redrew in the mean style of the target.",
    "cyclegan-single": "Trained on source scans that CycleGAN translated to the target, in one way.",
    "synseg_net": "SynSeg-Net: CycleGAN and segmentation network trained together.",
    "cycada-single": "Trained on source scans that CyCADA translated to the target: CycleGAN that keeps what a network "
    "trained on the source sees.",
    "cycada": "CyCADA: trained on such translated scans, then so that another network cannot tell its scores of the "
    "two domains apart.",
    "sifa": "SIFA: translation and segmentation trained together with a shared encoder, against networks that tell the "
    "domains of images and masks apart.",
    "ada_output": "AdaOutput: trained so that another network cannot tell its masks of the two domains apart.",
}
EXTERNAL = "Masks of another program, read from files."
RANDOMIZED = "The intensities of its training volumes are changed at random."
SELF_TRAINED = (
    "Self-training iterations: {}. Each learns from the previous training's own masks of the unlabeled target scans."
)
PROTOCOLS = {
    "clean": "test scans are taken whole. Labels of the target are read for the scores alone, and by methods that say "
    "so below",
    "paper": "as the paper's reference code treats volumes: test cases are cropped by their labels, so numbers are "
    "higher than on whole scans",
}
MODEL_SELECTION = {
    "last": "the last of each training",
    "source_validation": "chosen without labels of the target",
    "target_oracle": "ORACLE: chosen by the target's test labels, which nobody has in practice",
}


@dataclass(frozen=True)
class Caption:
    """Title of a kind of figure, what it shows, and what to look at."""

    title: str
    shows: str
    look: str


CAPTIONS = {
    "dice": Caption(
        "Dice of every test case",
        "A panel per structure, a box per method, a dot per case. The line in the box is the median, the box holds the "
        "middle half of the cases. With several seeds, a case is the mean over them, and each diamond beside a box is "
        "the mean under one seed.",
        "High and short boxes are good. A dot far below its box is a case on which the method failed. Diamonds that "
        "lie far apart: another training of the same method gives another result.",
    ),
    "differences": Caption(
        "Differences to one method, patient by patient",
        "Each dot is one patient: the metric under this method minus that under the method that the axis names, means "
        "over structures and seeds. Pale lines join the dots of the same patient. A diamond is the mean over the "
        "patients, and the bar is its interval, as in the table of differences. Methods have the colors of the boxes.",
        "A bar that contains 0: the difference can be chance. Dots on both sides of 0: the method is better for some "
        "patients and worse for others.",
    ),
    "dice_asd": Caption(
        "Dice against ASD",
        "Each marker is one test case; both values are means over its structures. The distance is linear up to 1 mm, "
        "then logarithmic. Hollow: a false negative; the mask of a structure is empty, and the distance leaves it out.",
        "Good cases lie at the lower right. A case with a high Dice and a large distance has voxels far off the organ.",
    ),
    "extremes": Caption(
        "Worst and best case of each method",
        "By the mean Dice of the case over structures and seeds, as in the tables. Color is the mask of the first "
        "seed, whose own Dice follows where there are several; dashed white is the reference, over its middle slice. "
        "A picture without color: nothing was found on this slice.",
        "Compare the two outlines. One slice is not the case: open the volume before you judge it.",
    ),
    "reliability": Caption(
        "Reliability",
        "A panel per structure, a line per method, all test cases and seeds. Of the voxels to which a method gives "
        "about this probability: the fraction that the reference has. Below: how many voxels those are, on a "
        "logarithmic axis. Voxels count near the structure, and wherever its probability is above 1/15.",
        "A line on the diagonal means that probabilities can be taken at their word. Below it the method is too sure "
        "that the structure is there, above it too sure that it is not. Points of few voxels move by chance.",
    ),
    "look_first": Caption(
        "Look at these first",
        "The three test cases with the lowest expected Dice of a structure, found without labels: a slice through that "
        "structure, first seed, without and with the mask. A picture without color: nothing was found on this slice.",
        "Is the structure whole, and in its place? Other masks can be wrong too: a network may be sure of a mistake.",
    ),
    "overlays": Caption(
        "Masks of all methods",
        "The first test cases (at most four), first seed: the reference, if there is one, then the mask of each "
        "method, over one slice. A picture without color: nothing was found on this slice.",
        "Look for organs that are absent, cut, or found in the wrong place.",
    ),
    "translations": Caption(
        "Translations",
        "A labeled source scan, the same scan redrawn in styles of the target, and real scans of the target, at three "
        "depths.",
        "The anatomy must be that of the source, the contrast that of the target. An organ that moves or vanishes "
        "makes its label wrong. What is blurred away here no network can learn.",
    ),
    "styles": Caption(
        "Styles of the target",
        "Each dot is the style code of one target slice, in two principal components; color is its cluster. Stars are "
        "the styles in which the source is redrawn: one, where it is the mean.",
        "Several stars should be spread over the dots: in one corner they mean synthetic volumes that look alike.",
    ),
    "losses": Caption(
        "Losses",
        "Each training of the first seed over its steps; the bold line is smoothed, the thin one is not. Of a "
        "segmentation network `main_output` is the output that predicts, `loss` the sum of all its outputs. Of a "
        "translator, `reconstruction` and `cycle` say how much of a slice is lost on the way there, or there and back; "
        "`adversarial` and `discriminators` are two networks against each other, one draws, one tells real from drawn.",
        "A loss that still falls at the end asks for more steps. Losses of the translator's networks against each "
        "other need not fall.",
    ),
}


def words_of_method(
    training_set: str, network: str, *, is_2d: bool, randomized: bool, self_training_iterations: int
) -> str:
    """Return what a method is, in sentences, from its definition in the config; `is_2d`: its network is 2D."""
    kind = training_set if training_set in TRAINING_SETS else training_set.partition(".")[2]
    sentences = [TRAINING_SETS[kind], f"Network: {network} ({'2D, slice by slice' if is_2d else '3D'})."]
    if randomized:
        sentences.append(RANDOMIZED)
    if self_training_iterations:
        sentences.append(SELF_TRAINED.format(self_training_iterations))
    return " ".join(sentences)
