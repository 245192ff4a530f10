"""Explains calls with wrong arguments: what the method takes, and what to write for another library's argument."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from sabotnb.errors import InvalidUse
from sabotnb.foreign.argument_hints import KEYWORDS, MISSING, OPTIONS, POSITIONAL, SOURCE_KEYWORDS, SOURCES
from sabotnb.text_limits import ARGUMENT, within

_UNIT_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(rf"(\d+)({'|'.join(_UNIT_SECONDS)})")

P = ParamSpec("P")
R = TypeVar("R")


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap ``function``, so that a call with wrong arguments raises an InvalidUse that lists the right ones."""

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            # A call whose arguments do not bind creates no frame, so its traceback ends in this one.
            bound_nothing = error.__traceback__ is not None and error.__traceback__.tb_next is None
            if not bound_nothing or isinstance(error, InvalidUse):
                raise  # from the body of the function, not from the call
            raise _explanation(function, args, kwargs) or error from None

    return called


def _explanation(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> InvalidUse | None:
    signature = inspect.signature(function)
    receiver = [name for name in signature.parameters if name in ("self", "cls")]
    parameters = [parameter for name, parameter in signature.parameters.items() if name not in receiver]
    called = _called(function, is_method=bool(receiver))
    takes = f"It takes {', '.join(map(_written, parameters))}" if parameters else "It takes no arguments"
    open_keywords = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    unknown = [] if open_keywords else [name for name in kwargs if name not in named]
    if unknown:
        first = args[len(receiver)] if len(args) > len(receiver) else "1h"
        advice = _instead(function.__name__, unknown[0], kwargs[unknown[0]], named, first)
        return InvalidUse(f"{called} has no argument {unknown[0]!r}. {takes}{advice}")
    places = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    given = len(args) - len(receiver)
    if given > len(places):
        advice = f". Write {POSITIONAL[function.__name__]}" if function.__name__ in POSITIONAL else ""
        return InvalidUse(f"{called} got {given} positional arguments, and takes {len(places)}. {takes}{advice}")
    taken = {parameter.name for parameter in places[:given]} | set(kwargs)
    missing = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.name not in taken and _is_one(parameter)
    ]
    if missing:
        advice = f". Write {MISSING[function.__name__]}" if function.__name__ in MISSING else ""
        return InvalidUse(f"{called} needs {' and '.join(missing)}. {takes}{advice}")
    return None


def _called(function: Callable[..., Any], *, is_method: bool) -> str:
    return f".{function.__name__}()" if is_method else f"sb.{function.__name__}()"


def _is_one(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _written(parameter: inspect.Parameter) -> str:
    """A parameter as it is written in a call: ``n=5``, ``*columns``, ``path``."""
    if not _is_one(parameter):
        return str(parameter.replace(annotation=parameter.empty))
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}"


def _instead(method: str, keyword: str, value: Any, named: set[str], first: Any) -> str:
    """Advice to write instead of ``keyword=value``; empty if there is none."""
    if code := _code(method, keyword, value, named, first):
        return f". Write {code}"
    import difflib

    near = difflib.get_close_matches(keyword, named, n=1, cutoff=0.6)
    return f". Did you mean {near[0]}={_short(value)}?" if near else ""


def _code(method: str, keyword: str, value: Any, named: set[str], first: Any) -> str | None:
    if method == "filter":
        return f".filter(col({keyword!r}) == {_short(value)})"
    if method == "rename":
        swapped = isinstance(value, Mapping)  # pandas: rename(columns={'x': 'z'})
        return f".rename({value!r})" if swapped else f".rename({{{keyword!r}: {_short(value)}}})"
    if method in SOURCES:
        option = next((option for option, names in OPTIONS.items() if keyword in names and option in named), None)
        begun = f"sb.Stream.{method}('data.{method.removeprefix('from_')}'"
        if option is not None:
            return f"{begun}, {option}={_short(value)})"
        if keyword in SOURCE_KEYWORDS:
            return begun + SOURCE_KEYWORDS[keyword]
        if method == "from_csv":
            return f"sb.Stream.from_pandas(pd.read_csv('data.csv', {keyword}={_short(value)}))"
    code = KEYWORDS.get(method, {}).get(keyword)
    return code and _filled(code, first, value)


def _filled(code: str, first: Any, value: Any) -> str:
    """``code`` with the arguments of the call in it."""
    shorter, longer = sorted((first, value), key=_seconds) if _seconds(first) and _seconds(value) else ("5m", "1h")
    filled = {"longer": longer, "shorter": shorter, "value": value}
    return re.sub(r"\{(longer|shorter|value)\}", lambda found: _short(filled[found[1]]), code)


def _seconds(duration: Any) -> float:
    """The length of a duration of one unit; 0 for anything else."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    return int(found[1]) * _UNIT_SECONDS[found[2]] if found else 0


def _short(value: Any) -> str:
    return within(repr(value), ARGUMENT)
