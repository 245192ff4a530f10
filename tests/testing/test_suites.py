"""The conformance suites as users import them."""

import subprocess
import sys

import pytest

from sabotnb import testing

UNUSED = "import sys, sabotnb.testing; print({'pytest', 'hypothesis'} & sys.modules.keys())"


def test_other_tools_load_neither_pytest_nor_hypothesis():
    done = subprocess.run([sys.executable, "-c", UNUSED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("name", ["KeyedStateSuite", "RecoverySuite", "SourceSuite", "TransportSuite"])
def test_suites_have_tests_to_inherit(name):
    suite = getattr(testing, name)
    assert [method for method in vars(suite) if method.startswith("test_")]


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'Suite'; it has Advance, CheckpointedRun, Crash"):
        testing.Suite  # noqa: B018
