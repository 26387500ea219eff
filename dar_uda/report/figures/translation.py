"""What the translator learned: the map of the styles, and synthetic slices between real ones."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dar_uda.data.network_volume import LEVELS, open_image
from dar_uda.figures.style import color_of, hide_ticks, new_figure, plain_frame, save_figure

DEPTHS = (0.3, 0.5, 0.7)  # of a volume: the rows of the translations


def draw_style_scatter(codes: str | Path, styles: str | Path, figures: Sequence[str | Path], stamp: str = "") -> None:
    """Draw the style codes of all target slices in their two principal components, and the chosen ones.

    Args:
        codes: TSV `case slice cluster code_0 ...`, one row per target slice.
        styles: TSV `case style code_0 ...`, one row per synthetic volume.
        figures: Output files, PNG or SVG.
        stamp: What it says of the run, in small type.
    """
    from sklearn.decomposition import PCA

    slices, chosen = pd.read_csv(codes, sep="\t"), pd.read_csv(styles, sep="\t")
    columns = [column for column in slices if column.startswith("code_")]
    pca = PCA(n_components=2).fit(slices[columns].to_numpy())
    points, picks = (pca.transform(table[columns].to_numpy()) for table in (slices, chosen))
    page = new_figure(7.5, 5.5)
    axes = page.subplots()
    for index, cluster in enumerate(sorted(slices["cluster"].unique())):
        members = points[slices["cluster"].to_numpy() == cluster]
        label = f"cluster {cluster} ({len(members)} slices)"
        axes.scatter(*members.T, s=14, color=color_of(index), alpha=0.6, linewidths=0, label=label)
    label = f"chosen styles ({len(chosen[columns].drop_duplicates())})"
    axes.scatter(*picks.T, s=130, marker="*", facecolor="white", edgecolor="black", linewidths=0.9, label=label)
    shares = pca.explained_variance_ratio_
    axes.set_xlabel(f"first component ({shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second component ({shares[1]:.0%})")
    axes.set_title("Style codes of the target slices", loc="left", fontweight="bold", fontsize=10)
    plain_frame(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    save_figure(page, figures, stamp)


def draw_translations(
    source: str | Path,
    synthetic: list[str | Path],
    target: list[str | Path],
    figures: Sequence[str | Path],
    stamp: str = "",
) -> None:
    """Draw slices of a source volume, of its synthetic volumes, and of real target volumes beside them.

    Args:
        source: Image on the network grid.
        synthetic: The same case in each style, and as CycleGAN translates it, on the same grid: the folder above that
            of the case is the translation's.
        target: Images of the target domain; their slices come from the same relative depth.
        figures: Output files, PNG or SVG: rows at 30, 50 and 70 % of the depth; columns source, styles, targets.
        stamp: What it says of the run, in small type.
    """
    paths = [source, *synthetic, *target]
    titles = ["source", *map(_title, synthetic), *["real target"] * len(target)]
    page = new_figure(1.6 * len(paths) + 0.4, 1.6 * len(DEPTHS) + 0.4)
    grid = page.subplots(len(DEPTHS), len(paths), squeeze=False)
    for column, (path, title) in enumerate(zip(paths, titles, strict=True)):
        volume = open_image(path)
        for row, depth in enumerate(DEPTHS):
            axes = grid[row, column]
            pixels = volume[int(depth * len(volume))] / LEVELS
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=1)
            hide_ticks(axes)
        grid[0, column].set_title(title, fontsize=9, fontweight="normal" if path in synthetic else "bold")
    for row, depth in enumerate(DEPTHS):
        grid[row, 0].set_ylabel(f"{depth:.0%} depth", fontsize=8)
    save_figure(page, figures, stamp)


def _title(volume: str | Path) -> str:
    path = Path(volume)
    return "CycleGAN" if path.parents[1].name.startswith("cyclegan") else path.stem.replace("-", " ")
