"""Lets the tests import the decoder's modules, which stand beside them, and makes each vault once a run."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import household
from stage import Stage

HOMES = {
    "small": household.small,
    "medium": household.medium,
    "busy": household.busy,
    "large": household.large,
}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], household.Household]:
    """The vault of this name."""

    @cache
    def made(name: str) -> household.Household:
        return HOMES[name](tmp_path_factory.mktemp(name))

    return made


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))
