"""The phantoms of a cases table."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from dar_uda.data.phantom import make_phantom

logger = logging.getLogger(__name__)


def make_phantoms(
    cases: Sequence[str],
    domains: Sequence[str],
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    seed: int,
) -> None:
    """Write the phantom of every case, numbered within its domain in the order of the table.

    Args:
        cases: Names, for the log.
        domains: Domain of each case.
        images: Volume file to write for each case.
        labels: Label file to write for each case; "" for a case without a label.
        seed: Seed of the whole table.
    """
    numbers: Counter[str] = Counter()
    for case, domain, image, label in zip(cases, domains, images, labels, strict=True):
        with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            unwanted = Path(scratch) / "label.nii.gz"
            make_phantom(domain, numbers[domain], image, label or unwanted, seed)
        numbers[domain] += 1
        logger.info("Phantom %s (%s), %d of %d", case, domain, numbers.total(), len(cases))
