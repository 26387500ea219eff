"""The GPU table of the documents: cells worked out by hand, and that both documents hold it."""

from pathlib import Path

import pytest

from benchmarks.gpu.rows import FIGURES
from benchmarks.gpu.table import BEGIN, DOCUMENTS, END, fill, fraction_of_floor, gpu_table

ROOT = Path(__file__).parents[1]
CEILINGS = {"task": "ceilings", "state": "ok", "bfloat16_tflops": 800.0, "copy_tbps": 3.5}
VERSIONS = {
    **{"task": "versions", "state": "ok", "card": "a card", "driver": "580", "python": "3.12"},
    **{"torch": "2.11", "cuda": "13.0", "cudnn": 91900},
}


def test_the_share_of_the_floor_is_that_of_products_or_of_bytes_whichever_take_longer():
    # 8 TFLOP at 800 TFLOP/s take 10 ms, 49 GB at 3.5 TB/s 14 ms: of 56 ms a quarter.
    assert fraction_of_floor("segmenter_step", {"ours": 0.056, "flop": 8e12}, CEILINGS) == pytest.approx(0.25)
    assert fraction_of_floor("segmenter_step", {"ours": 0.040, "flop": 16e12}, CEILINGS) == pytest.approx(0.5)
    assert fraction_of_floor("gan_step", {"ours": 0.040, "flop": 8e12}, CEILINGS) == pytest.approx(0.25)
    assert fraction_of_floor("gan_step", {"ours": 0.040, "flop": 8e12}, None) is None


def test_cells_are_measured_where_a_row_has_them():
    step = {"literal": 0.4, "ours": 0.056, "flop": 8e12}
    row = {"task": "segmenter_step", "state": "ok", "figures": {"segmenter_step": step}}
    lines = gpu_table([VERSIONS, CEILINGS, row]).splitlines()
    assert lines[0] == "Card: a card. Driver: 580. Versions: Python 3.12, torch 2.11, CUDA 13.0, cuDNN 91900."
    assert lines[4] == "| DAR-UNet step, 2 x 32 x 256 x 256 | s | 0.4 | 0.056 | 0.14 | 0.25 | yes | 0.25 |"
    assert lines[-1].count("not measured") == 5
    assert len(lines) == 4 + len(FIGURES)


def test_the_documents_hold_the_table_and_a_document_without_its_place_is_named(tmp_path):
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        copy = tmp_path / document.name
        copy.write_text(text, encoding="utf-8")
        fill(copy, text.partition(BEGIN)[2].partition(END)[0].strip("\n"))
        assert copy.read_text(encoding="utf-8") == text
        if "Card: not measured" in text:
            assert gpu_table([]) in text
    (tmp_path / "other.md").write_text("no place")
    with pytest.raises(ValueError, match="other.md"):
        fill(tmp_path / "other.md", "a table")
