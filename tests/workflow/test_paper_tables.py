"""The paper's tables for real, on a tiny phantom: every rival and every ablation, both ways, up to the pages."""

import pandas as pd
import pytest
from tiny_run import prepare


@pytest.mark.slow
def test_every_row_of_the_papers_tables_is_filled(tmp_path):
    run = prepare(tmp_path, cases={"ct": ("train", "test"), "mr": ("train", "test")})
    status, text = run("comparison", "style_study", "architecture_study")
    assert status == 0, text
    rows = {"comparison": 2 * 14, "style_study": 2 * 6, "architecture_study": 6}
    for table, count in rows.items():
        summary = pd.read_csv(run.result(f"tables/{table}.tsv"), sep="\t")
        assert len(summary) == count * 5 and (summary["n"] == 1).all()
        for suffix in ("md", "tex", "html"):
            page = run.result(f"tables/{table}.{suffix}").read_text()
            assert "Task phantom, protocol clean, budget tiny, seed 0." in page
        report = run.result(f"report-{table}.html").read_text(encoding="utf-8")
        directions = summary["direction"].nunique()
        assert report.count('<table aria-label="Scores">') == directions and report.count("<svg") == 4 * directions
    assert "s per step" in run.result("tables/architecture_study.md").read_text()
    trained = {path.parent.parent.name for path in run.result("seed-0/segmenters").rglob("weights.safetensors")}
    assert trained == {
        *("ct", "mr"),
        *(
            f"{direction}.{made}"
            for direction in ("ct-to-mr", "mr-to-ct")
            for made in (
                "synseg_net",
                "ada_output",
                "cyclegan-single",
                "disentangled-average",
                "disentangled-multi",
                "cycada-single",
                "cycada",
                "sifa",
            )
        ),
    }
    assert len(list(run.result("seed-0/translators").iterdir())) == 4
