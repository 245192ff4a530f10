"""Functions and classes of the user inside expressions."""

import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabotnb import expr
from sabotnb.errors import FunctionError, TypeMismatch, UserFunctionError
from sabotnb.expr import aggregate, aggregates, col, root_name, udf, when

BATCH = pa.record_batch({"x": [1.0, None, -4.0], "s": pa.array(["a", None, "a"]).dictionary_encode()})


@udf("double")
def doubled(x: pa.Array) -> pa.Array:
    return pc.multiply(x, 2)


@udf(int, engine="row")
def length(s: str | None) -> int | None:
    return None if s is None else len(s)


@udf(float, engine="row")
def root(x: float | None) -> float | None:
    if x is not None and x < 0:
        raise ValueError(f"no root of {x}")
    return x


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (doubled(col("x")), [2.0, None, -8.0]),
        (doubled(col("x") + 1) > 0, [True, None, False]),
        (length(col("s")), [1, None, 1]),
        (when(col("x") > 0).then(root(col("x"))).otherwise(0), [1.0, 0.0, 0.0]),
        (udf(pa.string_view())(lambda s: s.cast(pa.string_view()))(col("s")) == "a", [True, None, True]),
        (udf("double")(pc.run_end_encode)(col("x")), [1.0, None, -4.0]),
        (udf("string")(lambda _: pa.scalar("same"))(col("x")).str.upper().str.slice(0, 2), ["SA"] * 3),
    ],
    ids=str,
)
def test_engines(one: expr.Expr, values: list[object]):
    assert expr.evaluate(one, BATCH).to_pylist() == values
    assert expr.evaluate(one, BATCH.slice(0, 0)).to_pylist() == []


@udf("double")
def above_the_least(x: pa.Array) -> pa.Array:
    return pc.subtract(x, pc.min(x).as_py() + 0.0)  # of no values there is no least one


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (when(col("x") > 9).then(above_the_least(col("x"))).otherwise(0), [0.0, 0.0, 0.0]),
        (col("s").is_null() & col("s").is_not_null() & (above_the_least(col("x")) > 0), [False] * 3),
        (col("s").is_null() | col("s").is_not_null() | (above_the_least(col("x")) > 0), [True] * 3),
    ],
    ids=["when", "and", "or"],
)
def test_a_function_is_not_called_for_no_rows(one: expr.Expr, values: list[object]):
    assert expr.evaluate(one, BATCH).to_pylist() == values
    assert expr.evaluate(above_the_least(col("x")), BATCH.slice(0, 0)).to_pylist() == []


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
def test_numba_compiles_a_function_of_numbers():
    @udf("double", engine="numba")
    def fee(price, quantity):
        return price * quantity if price > 0 else 0.5

    batch = pa.record_batch({"p": [2.0, None, -1.0], "q": [3, 4, 5]})
    assert expr.evaluate(fee(col("p"), col("q")), batch).to_pylist() == [6.0, None, 0.5]
    assert expr.evaluate(fee(col("p"), col("q")), batch.slice(0, 0)).to_pylist() == []


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
def test_numba_says_what_it_cannot_compile():
    @udf("int64", engine="numba")
    def opened(x):
        return compile(x)

    with pytest.raises(
        UserFunctionError, match=r"opened \(.*\) cannot be compiled by numba: Untyped global name 'compile'"
    ):
        expr.evaluate(opened(col("i")), pa.record_batch({"i": [1]}))
    with pytest.raises(
        TypeMismatch, match="opened is compiled by numba, which takes numbers, and its argument 1 is string"
    ):
        expr.bind(opened(col("s")), pa.schema({"s": pa.string()}))


@pytest.mark.parametrize("engine", ["arrow", "row", "numba"])
def test_a_call_with_other_arguments_is_refused_when_written(engine):
    if engine == "numba":
        pytest.importorskip("numba")
    half = udf("double", engine=engine)(lambda x: x / 2)
    with pytest.raises(FunctionError, match=r"\(x\) is called with 2 columns: too many positional arguments; pass one"):
        half(col("x"), col("x"))


def test_on_plain_values_it_is_the_function_itself():
    assert root(4.0) == 4.0
    assert length.__name__ == "length"


def test_a_row_that_raises_is_shown():
    with pytest.raises(UserFunctionError) as raised:
        expr.evaluate(root(col("x")), BATCH)
    error = raised.value
    assert str(error).startswith("root (test_user_functions.py:")
    assert "raised ValueError: no root of -4.0  test_user_functions.py:" in str(error)
    assert isinstance(error.__cause__, ValueError)
    assert error.sample == "argument 0\n-4.0"
    assert error.user_traceback.endswith("ValueError: no root of -4.0")


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x: x.slice(1), "gave 2 values for 3 rows; it must give one for each"),
        (lambda x: x.cast("string"), "declares double, but returned string; cast its result, or declare that type"),
        (lambda x: ["a"] * len(x), "declares double, but returned something else"),
        (lambda x: x.no_such_thing, "raised AttributeError"),
    ],
)
def test_a_wrong_result(fn, message: str):
    with pytest.raises(UserFunctionError) as raised:
        expr.evaluate(udf("double")(fn)(col("x")), BATCH)
    assert message in str(raised.value)


def test_json_names_the_function_by_its_sha256():
    one = doubled(col("x")) + 1
    functions = {function.sha256: function for function in expr.functions(one)}
    data = json.loads(json.dumps(expr.to_json(one)))
    assert expr.same(expr.from_json(data, functions), one)
    assert expr.evaluate(expr.from_json(data, functions), BATCH).to_pylist() == [3.0, None, -7.0]


def test_udf_is_refused_when_it_is_written(tmp_path: Path):
    with pytest.raises(FunctionError, match="there is no engine 'c'"):
        udf("double", engine="c")
    with pytest.raises(FunctionError, match=r"@sb\.udf\('double'\)"):
        udf(lambda x: x)
    with (tmp_path / "log").open("w") as log:
        logged = udf("double")(lambda x: log.write("x") or x)
        with pytest.raises(FunctionError, match=r"it uses 'log' \(_io.TextIOWrapper\), which cannot be pickled"):
            logged(col("x"))


def test_an_aggregate_class():
    @aggregate
    class Product:
        returns = "double"

        def __init__(self) -> None:
            self.value = 1.0

        def update(self, values: pa.Array) -> None:
            self.value *= pc.product(values).as_py() or 1.0

        def merge(self, other: "Product") -> None:
            self.value *= other.value

        def result(self) -> float:
            return self.value

    (one,) = aggregates(Product(col("x")).alias("p"))
    assert (one.fn, one.arg, one.function.name) == ("custom", col("x").node, "Product")
    made = one.function.load()()
    made.update(pa.array([2.0, 3.0]))
    assert made.result() == 6.0


def test_an_aggregate_class_that_lacks_a_method():
    with pytest.raises(FunctionError, match="Half cannot aggregate without merge, result"):

        @aggregate
        class Half:
            returns = "double"

            def update(self, values: pa.Array) -> None: ...


def test_aggregations_say_how_they_are_written():
    assert repr(col("x").quantile(0.9)) == "col('x').quantile(q=0.9)"
    assert repr(col("x").first(by="t")) == "col('x').first(by=col('t'))"
    assert repr(expr.count()) == "sb.count()"
    assert root_name((col("x") / 2).mean()) == "x"
    assert repr(col("x") + expr.count()) == "col('x') + sb.count()"
