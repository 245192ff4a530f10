"""Functions that are pickled for workers."""

import functools
import linecache
import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sabotnb.blobs import capture, fingerprint_here, table_of, user_error
from sabotnb.errors import FunctionError, UnpicklableFunction

FACTOR = 3


def scaled(x: int) -> int:
    return x * FACTOR


def test_a_function_comes_back_with_what_it_uses():
    offset = 4
    function = capture(lambda x: scaled(x) + offset, "map")
    assert function.load()(2) == 10
    assert (function.name, function.origin.where.split(":")[0]) == ("<lambda>", "test_capturing.py")


def test_origin_has_the_whole_text():
    origin = capture(scaled, "map").origin
    assert origin.code == "def scaled(x: int) -> int:\n    return x * FACTOR"


def defined(text: str, name: str = "f", **known: object):
    namespace = {"__name__": "__main__", **known}
    exec(compile(textwrap.dedent(text), "<prompt>", "exec"), namespace)
    return namespace[name]


def fingerprint(fn) -> str:
    return capture(fn, "map").fingerprint


def test_equal_functions_on_other_lines_are_equal():
    assert capture(defined("def f(x): return x + 1"), "map") == capture(defined("\n\ndef f(x): return x + 1"), "map")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (defined("def f(x): return x + 1"), defined("def f(x): return x + 2")),
        (defined("def f(x): return x + n", n=1), defined("def f(x): return x + n", n=2)),
        (defined("f = lambda x, n=1: x + n"), defined("f = lambda x, n=2: x + n")),
        (defined("def f(x): return [y.a for y in x]"), defined("def f(x): return [y.b for y in x]")),
        (functools.partial(scaled, 1), functools.partial(scaled, 2)),
        (defined("def g(): return 1\ndef f(x): return g()"), defined("def g(): return 2\ndef f(x): return g()")),
        (defined("class f:\n  def go(self): return 1"), defined("class f:\n  def go(self): return 2")),
        (defined("class f:\n  limit = 1"), defined("class f:\n  limit = 2")),
    ],
)
def test_another_text_or_value_is_another_fingerprint(first, second):
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(first) == fingerprint(first)


def test_another_enclosed_value_is_another_fingerprint():
    def enclosing(value):
        return lambda x: x + value

    assert fingerprint(enclosing(1)) == fingerprint(enclosing(1))
    assert fingerprint(enclosing(1)) != fingerprint(enclosing(2))


class Saver:
    """A callback of the user that holds an object that cannot be pickled."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()

    def save(self, batch):
        with self.lock:
            return self.folder, batch


def test_functions_that_stay_here_may_use_anything():
    one, same, other = Saver("a"), Saver("a"), Saver("b")
    assert fingerprint_here(one.save) == fingerprint_here(same.save) != fingerprint_here(other.save)
    assert fingerprint_here(one) == fingerprint_here(same) != fingerprint_here(other)
    assert fingerprint_here([].append) == fingerprint_here([1].append) != fingerprint_here({}.update)


@dataclass(frozen=True, slots=True)
class Slotted:
    limit: int


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (date(2024, 1, 1), date(2025, 1, 1)),
        (Decimal(1), Decimal(2)),
        (Path("a"), Path("b")),
        (np.int64(1), np.int64(2)),
        ((date(2024, 1, 1),), (date(2025, 1, 1),)),
        (Slotted(1), Slotted(2)),
    ],
    ids=repr,
)
def test_functions_that_stay_here_differ_by_constants(first, second):
    assert fingerprint_here(defined("f = lambda: n", n=first)) != fingerprint_here(defined("f = lambda: n", n=second))


def test_contents_of_a_list_do_not_count_here():
    empty, filled = (defined("f = lambda x: seen.append(x)", seen=seen) for seen in ([], [1, 2]))
    assert fingerprint_here(empty) == fingerprint_here(filled)
    assert fingerprint_here(Saver([])) == fingerprint_here(Saver([1])) != fingerprint_here(Saver(()))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (defined("f = lambda x: to_a(x)", to_a=print), defined("f = lambda x: to_b(x)", to_b=print)),
        (defined("f = lambda x: [y + 1 for y in x]"), defined("f = lambda x: [y + 2 for y in x]")),
        (defined("f = lambda x: out(x, n)", out=print, n=1), defined("f = lambda x: out(x, n)", out=print, n=2)),
    ],
)
def test_functions_that_stay_here_differ_by_what_they_use(first, second):
    assert fingerprint_here(first) == fingerprint_here(first) != fingerprint_here(second)


CELLS = """
import collections, dataclasses, decimal, enum, functools, re
import numpy as np, pyarrow as pa
from sabotnb import col, udf

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

@dataclasses.dataclass(frozen=True)
class Rule:
    names: frozenset
    limit: float = 1.5

class Shop:
    open = {"mon", "tue", "wed"}
    @property
    def days(self):
        return len(self.open)

class Corner(Shop):
    pass

Point = collections.namedtuple("Point", "x y")

@functools.lru_cache
def cached(x):
    return x in {"aa", "bb", "cc"}

@udf("double")
def doubled(x):
    return x

def later(x):
    return later(x - 1) if x else {"aa", "bb"}

words = {"aa", "bb", "cc", "dd", "ee"}
code = {word: index for index, word in enumerate(sorted(words))}
scattered = {word: len(word) for word in words}
loop = ["aa"]
loop.append(loop)
rule = Rule(frozenset(words))
corner = Corner()
table = pa.table({"x": [1, 2]})
array = np.arange(5)
expression = col("x") > doubled(col("y"))

functions = {
    "a set in the code": lambda x: x in {"aa", "bb", "cc"},
    "a global set": lambda x: x in words,
    "a dict": lambda x: code[x],
    "a dict in the order of a set": lambda x: scattered[x],
    "nested": lambda x: [(words, x), {"k": words}],
    "an instance of a class of the notebook": lambda x: rule,
    "a class that inherits": lambda x: (corner.days, Corner),
    "an enum": lambda x: Colour.RED,
    "a namedtuple": lambda x: Point(1, x),
    "a list that has itself": lambda x: loop,
    "a pattern": functools.partial(re.sub, re.compile("a|b")),
    "a table": lambda x: table,
    "an array": lambda x: array + decimal.Decimal("1.5"),
    "a cached function": lambda x: cached(x),
    "a function that calls itself": later,
    "an expression": lambda x: expression,
    "a bound method": corner.__init__,
}
from sabotnb.blobs import capture
print(*(f"{name}: {capture(fn, 'map').fingerprint}" for name, fn in functions.items()), sep="\\n")
"""


def test_a_fingerprint_is_the_same_in_every_process():
    run = [sys.executable, "-c", CELLS]
    first, second = (
        subprocess.run(
            run, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    )
    assert first.splitlines() == second.splitlines()
    assert len({line.rpartition(": ")[2] for line in first.splitlines()}) == 17


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a", "b"}, {"a", "c"}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ([1, 2], [2, 1]),
        ([1, [2]], [[1], 2]),
        ((1, 2), [1, 2]),
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("1", 1),
        ("1", b"1"),
        (["a", "b"], ["ab"]),
        (1 << 99, (1 << 99) + 1),
        (Decimal("1.0"), Decimal("1.00")),
        (defined("class g:\n  x = 1\nclass f(g): pass"), defined("class g:\n  x = 2\nclass f(g): pass")),
    ],
)
def test_different_values_are_different_fingerprints(first, second):
    assert fingerprint(lambda: first) != fingerprint(lambda: second)


def test_one_shared_object_equals_two_equal_ones():
    text = "long text"
    again = text[:4] + text[4:]
    number = int("123456789012")
    assert fingerprint(functools.partial(print, text, text)) == fingerprint(functools.partial(print, text, again))
    shared, apart = [number, number], [number, int("123456789012")]
    assert fingerprint(functools.partial(print, shared, shared)) == fingerprint(functools.partial(print, shared, apart))


def test_a_recursive_function_has_a_fingerprint():
    assert fingerprint(defined("def f(n): return 1 if n < 2 else n * f(n - 1)"))


def test_a_value_that_cannot_be_pickled_is_named():
    lock = threading.Lock()
    with pytest.raises(UnpicklableFunction) as raised:
        capture(lambda x: (lock, x), "map_rows")
    assert "<lambda> (test_capturing.py:" in str(raised.value)
    assert (
        "the function of map_rows, cannot be sent to the workers: it uses 'lock' (_thread.lock), which cannot be "
        "pickled. Make it inside the function, from plain data" in str(raised.value)
    )


def test_a_value_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SABOTNB_FUNCTION_BYTES", str(1 << 20))
    prices, small = bytes(2 << 20), b"x"
    with pytest.raises(
        UnpicklableFunction, match=r"has 2\.0 MB pickled, the limit is 1\.0 MB: 'prices', which it uses,"
    ):
        capture(lambda x: (prices, small, x), "map")


def test_a_value_that_is_not_callable_is_refused():
    with pytest.raises(FunctionError, match=r"map takes a function, not 3 \(int\)"):
        capture(3, "map")


def test_modules_of_the_users_folder_travel_by_value(tmp_path: Path):
    (tmp_path / "geo.py").write_text(
        "def north(x):\n    return x + where()\n\ndef where():\n    raise KeyError('pole')\n"
    )
    script = """
        import sys, geo
        from sabotnb.blobs import capture
        sys.stdout.buffer.write(capture(lambda x: geo.north(x), "map").pickled)
    """
    write = [sys.executable, "-c", textwrap.dedent(script)]
    pickled = subprocess.run(write, cwd=tmp_path, capture_output=True, check=True).stdout
    (tmp_path / "geo.py").unlink()
    read = "import sys, pickle; f = pickle.loads(sys.stdin.buffer.read()); print('geo' in sys.modules); f(1)"
    done = subprocess.run([sys.executable, "-c", read], input=pickled, capture_output=True, check=False)
    assert done.stdout.strip() == b"False"
    assert b"KeyError: 'pole'" in done.stderr


def test_a_workers_traceback_shows_cells_and_folds_libraries():
    text = "def f(x):\n    return g(x)\ndef g(x):\n    return pa.array([x]).cast('date32[day]')"
    function = capture(defined(text, pa=pa), "map")
    try:
        function.load()(1.5)
    except pa.ArrowNotImplementedError as raised:
        error = user_error(function, raised, sample="x\n1")
    assert error.user_traceback.splitlines()[1:4] == [
        "    function.load()(1.5)",
        "  <prompt>:2, in f",
        "  <prompt>:4, in g",
    ]
    assert "frames in pyarrow)" in error.user_traceback
    assert (error.function, error.sample) == ("f", "x\n1")


def test_recursion_and_long_texts_are_cut():
    function = capture(defined("def f(x):\n    return f(x + 'long ' * 100) if len(x) < 25_000 else {}[x]"), "map")
    try:
        function.load()("")
    except KeyError as raised:
        error = user_error(function, raised)
    lines = error.user_traceback.splitlines()
    assert lines[3].endswith(" more frames of that line)")
    assert len(lines) == 5
    assert len(lines[4]) < 2100
    assert lines[4].endswith(" characters)")


def cell(number: int, text: str, namespace: dict[str, object]) -> None:
    """Run ``text`` as IPython runs a cell: linecache has its source under a file name that does not exist."""
    filename = f"/tmp/ipykernel_77/{number}.py"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), namespace)


@pytest.mark.parametrize("use", ["clean", "Cleaner()", "functools.partial(clean)"])
def test_sources_of_all_cells_that_a_function_needs_go_along(use: str):
    namespace: dict[str, object] = {"__name__": "__main__", "functools": functools}
    cell(1, "def inverse(x):\n    return 1 / x\n", namespace)
    cell(2, "def clean(x):\n    return inverse(x)\n", namespace)
    cell(3, "class Cleaner:\n    def __call__(self, x):\n        return clean(x)\n", namespace)
    pickled = capture(eval(use, namespace), "map").pickled
    script = """
        import sys, pickle
        from sabotnb.blobs import user_traceback
        f = pickle.loads(sys.stdin.buffer.read())
        try:
            f(0)
        except ZeroDivisionError as error:
            print(user_traceback(error))
    """
    run = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(run, input=pickled, capture_output=True, check=True).stdout.decode()
    assert "2.py:2, in clean\n    return inverse(x)\n  1.py:2, in inverse\n    return 1 / x\nZeroDiv" in done
    assert ("return clean(x)" in done) == (use == "Cleaner()")


def test_tables_are_equal_by_content_not_by_chunks():
    whole = pa.table({"x": [1, 2, 3]})
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert table_of(whole) == table_of(chunked)
    assert table_of(whole) != table_of(pa.table({"x": [1, 2, 4]}))
    assert table_of(whole).rows == 3
