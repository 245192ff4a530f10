"""The words gate finds each kind of violation, and nothing in a checkout without any."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CLEAN = {
    "sabotnb/graph/__init__.py": 'from sabotnb.graph.specs import Filter\n\n__all__ = ["Filter"]\n',
    "sabotnb/graph/specs.py": '"""Specs."""\n\n\nclass Filter:\n    """A filter."""\n',
    "sabotnb/operators/__init__.py": '"""Operators."""\n',
    "sabotnb/operators/filter.py": "from sabotnb.graph import Filter\n\n\nclass FilterOperator:\n    spec: Filter\n",
    "docs/glossary.md": '| `Filter` | graph | keeps rows; the page says "for ever" in quotes |\n',
}

PLANTED = {
    "a banned word in a docstring": (
        {"sabotnb/graph/specs.py": '"""Made anew."""\n\n\nclass Filter: ...\n'},
        "sabotnb/graph/specs.py:1: 'anew' is not plain English",
    ),
    "a class name where a verb was": (
        {"sabotnb/graph/runs.py": 'def run():\n    """TimedRun a case once."""\n'},
        "sabotnb/graph/runs.py:2: 'TimedRun' is not a verb; begin with one",
    ),
    "a banned word in a kernel": (
        {"sabotnb/native/_table.pxd": "# Made anew.\n"},
        "sabotnb/native/_table.pxd:1: 'anew'",
    ),
    "a translated inversion in a message": (
        {"sabotnb/graph/errors.py": 'TEXT = f"{value!r} is no name of an operator"\n'},
        "sabotnb/graph/errors.py:1: 'is no name' is not plain English",
    ),
    "a banned word in a comment": (
        {"sabotnb/graph/edges.py": "# whoever reads this\n"},
        "sabotnb/graph/edges.py:1: 'whoever' is not plain English",
    ),
    "a banned preposition in a notebook": (
        {"notebooks/01.ipynb": '"inside of"\n'},
        "notebooks/01.ipynb:1: 'inside of'",
    ),
    "a translated plural": ({"docs/page.md": "These are no paths.\n"}, "docs/page.md:1: 'are no paths'"),
    "a verb of another language": ({"Makefile": "# mends the index\n"}, "Makefile:1: 'mends'"),
    "a participle of another language": ({"README.md": "It is given up.\n"}, "README.md:1: 'given up'"),
    "a vague name of an element": (
        {"sabotnb/cluster/roster.py": "IDS = [one.id for one in ()]\n"},
        "sabotnb/cluster/roster.py:1: 'one' does not say what it holds",
    ),
    "a vague name of a parameter": (
        {"sabotnb/task/steps.py": "def run(found): ...\n"},
        "sabotnb/task/steps.py:1: 'found' does not say what it holds",
    ),
    "logic in a face": (
        {"sabotnb/operators/__init__.py": "def run(): ...\n"},
        "sabotnb/operators/__init__.py:1: move run out of the face of sabotnb.operators",
    ),
    "a banned word over two spaces": ({"docs/page.md": "It runs for  ever.\n"}, "docs/page.md:1: 'for  ever'"),
    "a banned word in a message of the front end": (
        {"widgets/src/app.ts": "const text = 'nobody listens'\n"},
        "widgets/src/app.ts:1: 'nobody'",
    ),
    "a class name twice": (
        {"sabotnb/plan/filters.py": "class Filter: ...\n"},
        "sabotnb/plan/filters.py:1: the class name 'Filter' is taken by sabotnb/graph/specs.py:4",
    ),
    "a file name twice": (
        {"sabotnb/plan/specs.py": ""},
        "sabotnb/plan/specs.py:1: the file name 'specs' is taken by sabotnb/graph/specs.py:1",
    ),
    "an import past a face": (
        {"sabotnb/operators/filter.py": "from sabotnb.graph.specs import Filter\n"},
        "sabotnb/operators/filter.py:1: import Filter from sabotnb.graph, not from sabotnb.graph.specs",
    ),
    "a shared class without an entry": (
        {"docs/glossary.md": "no classes\n"},
        "Filter of sabotnb.graph is shared and missing from docs/glossary.md",
    ),
}


@pytest.fixture(scope="module")
def gate():
    spec = importlib.util.spec_from_file_location("words_gate", ROOT / ".ci" / "words.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["words_gate"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["words_gate"]


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_nothing_is_found_where_nothing_is_wrong(gate, tmp_path):
    assert gate.violations(write(tmp_path, CLEAN)) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_found(gate, tmp_path, planted):
    files, expected = PLANTED[planted]
    (found,) = gate.violations(write(tmp_path, CLEAN | files))
    assert expected in found


def test_an_exception_needs_a_reason(gate, tmp_path):
    files = CLEAN | {"sabotnb/plan/filters.py": "class Filter: ...\n"}
    write(tmp_path, files | {".ci/words.toml": '[repeated-class]\nFilter = ""\n'})
    assert len(gate.violations(tmp_path)) == 1
    write(tmp_path, {".ci/words.toml": '[repeated-class]\nFilter = "the spec and what users write"\n'})
    assert gate.violations(tmp_path) == []
