"""Finds the call that a user typed around a missing name, in the source of the running line.

An attribute is looked up before its arguments are evaluated, so they are only known from the source text, or if there
is none, as for ``python -c``, from the instructions that follow the lookup.
"""

from __future__ import annotations

import ast
import dis
import linecache
from collections.abc import Iterator
from itertools import islice
from types import FrameType

from sabotnb.blobs import user_frame


def typed_call(name: str) -> ast.Call | None:
    """The call ``something.name(...)`` that the user's code is about to make; None if it cannot be found."""
    frame = user_frame()
    if frame is None or not dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("LOAD_"):
        return None  # getattr() and hasattr() look up a name without a call in the source
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    if not source:
        return _compiled_call(frame, name)
    try:
        return _call_at(frame, name, source)
    except (SyntaxError, ValueError):  # the source changed since it was compiled, or is not Python
        return None


def strings_in(call: ast.Call) -> tuple[str, ...]:
    """The strings among the arguments: ``"x"``, ``["x", "y"]``, and those in ``col("x") + 1``."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return tuple(text for value in values for text in _strings(value))


def numbers_in(call: ast.Call) -> tuple[int | float, ...]:
    """The numbers among the positional arguments."""
    values = (value.value for value in call.args if isinstance(value, ast.Constant))
    return tuple(value for value in values if isinstance(value, int | float) and not isinstance(value, bool))


def function_in(call: ast.Call) -> str:
    """The name in the first argument, such as that of a function; empty if the argument is not a name."""
    first = call.args[0] if call.args else None
    return ast.unparse(first) if isinstance(first, ast.Name | ast.Attribute) else ""


def wants_descending(call: ast.Call) -> bool:
    """True if an option of ``call`` asks for descending order, under any of its names."""
    return any(
        isinstance(option.value, ast.Constant) and option.value.value is (option.arg not in ("ascending", "asc"))
        for option in call.keywords
        if option.arg in ("ascending", "asc", "descending", "desc", "reverse")
    )


def arguments_of(call: ast.Call) -> str:
    """The arguments of ``call`` as code."""
    bare = ast.Call(ast.Name("f"), call.args, call.keywords)
    return ast.unparse(bare).removeprefix("f(").removesuffix(")")


def _compiled_call(frame: FrameType, name: str) -> ast.Call | None:
    """The call that follows in the bytecode, if all its arguments are positional constants."""
    values: list[ast.expr] = []
    following = (
        instruction for instruction in dis.get_instructions(frame.f_code) if instruction.offset > frame.f_lasti
    )
    for instruction in following:
        if instruction.opname == "LOAD_CONST":
            values.append(ast.Constant(instruction.argval))
        elif instruction.opname in ("PRECALL", "CALL"):  # Python 3.11 has both, later ones only the second
            return ast.Call(ast.Name(name), values, []) if values and instruction.arg == len(values) else None
        elif instruction.opname not in ("CACHE", "PUSH_NULL"):
            return None
    return None


def _call_at(frame: FrameType, name: str, source: str) -> ast.Call | None:
    _, line, _, column = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return next((call for call in calls if _names(call.func, name, line, column)), None)


def _names(function: ast.expr, name: str, line: int | None, column: int | None) -> bool:
    is_named = isinstance(function, ast.Attribute) and function.attr == name
    return is_named and (function.end_lineno, function.end_col_offset) == (line, column)


def _strings(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.List | ast.Tuple):
        for element in value.elts:
            yield from _strings(element)
    elif isinstance(value, ast.Constant):
        if isinstance(value.value, str):
            yield value.value
    else:
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and _is_col(node.func) and node.args:
                yield from _strings(node.args[0])


def _is_col(function: ast.expr) -> bool:
    return getattr(function, "id", getattr(function, "attr", "")) == "col"
