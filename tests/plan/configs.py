"""Configs of the project, with what a user writes over them."""

from functools import cache
from pathlib import Path

import yaml

from dar_uda.plan.config import Config, read_config

REPOSITORY = Path(__file__).parents[2]


@cache
def config_of(text: str = "{}") -> Config:
    """Return the config of a run whose only config file holds `text`."""
    return read_config(REPOSITORY, yaml.safe_load(text), {"mine.yaml": text})
