"""Style bank: the target's style codes, their clusters, and the codes each source volume is drawn in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans

from dar_uda.jobs.files import write_beside
from dar_uda.preprocessing.slices import open_slices
from dar_uda.training.device import prepare_device
from dar_uda.training.randomness import generator_for
from dar_uda.translation.slices import to_network_range
from dar_uda.translation.translator import Side, Translator

BATCH = 32


def encode_styles(
    weights: str | Path,
    slices: str | Path,
    table: str | Path,
    codes: str | Path,
    styles: str | Path,
    domain: Side,
    strategy: Literal["multi", "average"],
    clusters: int,
    source_cases: Sequence[str],
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Encode the target's slices, cluster the codes and choose the codes for every source volume.

    Args:
        slices: The target's stack.
        table: Its rows: `case slice depth`.
        codes: Output, TSV: `case slice cluster code_0 ...`, central two thirds of each volume's slices.
        styles: Output, TSV: `case style code_0 ...`, the styles each source case is to be drawn in.
        domain: Which of the translator's domains the target is.

    Raises:
        ValueError: Fewer slices than clusters.
    """
    where = prepare_device(device, threads)
    rows = central_slices(pd.read_csv(table, sep="\t", dtype={"case": str}, keep_default_na=False))
    vectors = _encode(Translator.load(weights, where), domain, open_slices(slices)[rows.index], where)
    labels = cluster_codes(vectors, clusters if strategy == "multi" else 1, seed)
    encoded = pd.concat(
        [rows[["case", "slice"]].reset_index(drop=True).assign(cluster=labels), _columns(vectors)], axis=1
    )
    chosen = choose_styles(vectors, labels, source_cases, strategy, seed)
    for path, frame in ((codes, encoded), (styles, chosen)):
        with write_beside(path) as temporary:
            frame.to_csv(temporary, sep="\t", index=False, float_format="%.9g")


def central_slices(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the central two thirds of each volume's slices."""
    return table[(table["slice"] >= table["depth"] / 6) & (table["slice"] < table["depth"] * 5 / 6)]


def cluster_codes(vectors: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Return the k-means cluster of each code (n, style_dim)."""
    if len(vectors) < clusters:
        raise ValueError(
            f"DAR-222: {len(vectors)} target slices cannot make {clusters} style clusters; lower styles.clusters"
        )
    return KMeans(clusters, n_init=10, random_state=seed).fit_predict(vectors)


def choose_styles(
    vectors: np.ndarray, labels: np.ndarray, source_cases: Sequence[str], strategy: str, seed: int
) -> pd.DataFrame:
    """Return the styles of every source case: a draw from each cluster (multi), or the mean of all codes (average)."""
    rows = []
    for case in source_cases:
        for style in range(labels.max() + 1):
            members = np.flatnonzero(labels == style)
            drawn = vectors[generator_for(seed, "style", case, style).choice(members)]
            rows.append([case, style, *(vectors.mean(axis=0) if strategy == "average" else drawn)])
    return pd.DataFrame(rows, columns=["case", "style", *_columns(vectors).columns])


def _columns(vectors: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(vectors, columns=[f"code_{index}" for index in range(vectors.shape[1])])


@torch.no_grad()
def _encode(translator: Translator, domain: Side, slices: np.ndarray, device: torch.device) -> np.ndarray:
    batches = (slices[start : start + BATCH] for start in range(0, len(slices), BATCH))
    encoder = translator.style[domain]
    codes = [encoder(to_network_range(batch)[:, None].to(device)) for batch in batches]
    return torch.cat(codes).double().cpu().numpy()
