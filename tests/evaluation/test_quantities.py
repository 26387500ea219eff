"""What numbers mean is said once: schema, documents and the metrics table follow it."""

from pathlib import Path

import yaml

from dar_uda.evaluation.metrics import Score
from dar_uda.evaluation.quantities import COUNTS, METRICS, meanings
from dar_uda.evaluation.summary import COLUMNS
from dar_uda.plan.task import DEFAULT_METRICS

REPOSITORY = Path(__file__).parents[2]


def test_the_schema_allows_the_metrics_and_the_default_is_among_them():
    schema = yaml.safe_load((REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    assert schema["$defs"]["metrics"]["items"]["enum"] == list(METRICS)
    assert set(DEFAULT_METRICS) <= set(METRICS)


def test_every_metric_is_a_field_of_a_score_and_every_count_a_column_with_how_many_it_is_of():
    volumes = {"reference_ml", "predicted_ml"}
    assert {metric.column for metric in METRICS.values()} == set(Score._fields) - volumes
    assert {name for count in COUNTS for name in (count.name, count.of)} <= set(COLUMNS)


def test_the_page_of_outputs_explains_every_metric_and_count():
    text = (REPOSITORY / "docs" / "outputs.md").read_text(encoding="utf-8")
    metrics, summary = (text.partition(f"\n## {title}\n")[2].partition("\n## ")[0] for title in TABLES)
    assert [metric.column for metric in METRICS.values() if f"`{metric.column}`" not in metrics] == []
    assert [count.name for count in COUNTS if f"`{count.name}`" not in summary] == []
    assert ", ".join(f"`{name}`" for name in METRICS) in summary


TABLES = ("metrics/{direction}/{method}.tsv", "tables/summary.tsv")


def test_a_reader_is_told_of_the_metrics_that_are_shown():
    first, *others = meanings(["nsd", "asd"])
    assert first.startswith("NSD, normalized surface Dice:") and "ASD: average" in first and "HD95" not in first
    assert all(count.meaning in first for count in COUNTS) and len(others) == 2
