#!/usr/bin/env python3
"""The words gate: one word for one thing, standard names, and no import past a package's face.

Usage: ``.ci/words.py [ROOT]``. Prints each violation as ``file:line: what is wrong`` and exits with 1 if there is any.
Exceptions, each with its reason, are in ``.ci/words.toml``.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

BANNED = re.compile(r"\b(anew|for\s+ever|whoever|inside\s+of|nobody)\b", re.IGNORECASE)
TRANSLATED = re.compile(r"(?<!there )\b(?:is|are) no (?!longer\b)\w+|\bmend(?:s|ed|ing)?\b|\bgiven up\b", re.IGNORECASE)
"""Inversions and verbs of another language: "5 is no path" for "5 is not a path"."""
RENAMED = re.compile(r"[A-Z][a-z]+[A-Z]\w* (?:the|a|an|all|each|every|its)\b")
QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”")
CHECKED = (
    "sabotnb",
    "tests",
    "docs",
    "notebooks",
    "widgets/src",
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    "pyproject.toml",
)
"""Folders and files whose words are looked at."""
VAGUE = {"one", "found", "place", "thing", "piece", "lot", "said", "told", "former"}
"""Words that say nothing of the value that they name."""
NAMED = ("api", "cluster", "execution", "exchange", "task", "connectors", "storage")
"""Packages whose values have names of the field; add a package when its names are done."""
PROSE = (".py", ".pyx", ".pyi", ".pxd", ".ts", ".tsx", ".md", ".ipynb", ".toml", ".sh")


@dataclass(frozen=True)
class Module:
    """One Python file of the package."""

    path: Path
    name: str

    @property
    def package(self) -> str:
        """The top-level package below ``sabotnb``; empty for single modules such as ``errors``."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 2 or (self.path.name == "__init__.py" and len(parts) == 2) else ""

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.path.read_text())


@dataclass(frozen=True)
class Checkout:
    """The files of a checkout, and the exceptions that it allows."""

    root: Path

    @cached_property
    def allowed(self) -> dict[str, dict[str, str]]:
        """Reasons by rule and name."""
        file = self.root / ".ci" / "words.toml"
        return tomllib.loads(file.read_text()) if file.exists() else {}

    @cached_property
    def modules(self) -> list[Module]:
        """Every Python module of the package."""
        return [Module(file, self._name(file)) for file in sorted((self.root / "sabotnb").rglob("*.py"))]

    @cached_property
    def names(self) -> set[str]:
        """Dotted names of all modules, kernels included."""
        kernels = {self._name(file) for file in (self.root / "sabotnb").rglob("*.pyx")}
        return {module.name for module in self.modules} | kernels

    def _name(self, file: Path) -> str:
        parts = file.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def allows(self, rule: str, name: str) -> bool:
        """True if ``.ci/words.toml`` has a reason for ``name``."""
        return bool(self.allowed.get(rule, {}).get(name, "").strip())

    def where(self, file: Path, line: int) -> str:
        """``file:line`` relative to the checkout."""
        return f"{file.relative_to(self.root)}:{line}"


def banned_words(checkout: Checkout) -> Iterator[str]:
    """Words that read as translated, outside double quotes, in source, docs and messages."""
    for folder in CHECKED:
        top = checkout.root / folder
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            name = str(file.relative_to(checkout.root))
            if (file.suffix not in PROSE and file.name != "Makefile") or checkout.allows("banned", name):
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                prose = QUOTED.sub("", line) if file.suffix == ".md" else line
                for word in (*BANNED.findall(prose), *TRANSLATED.findall(prose)):
                    yield f"{checkout.where(file, number)}: {word!r} is not plain English here; see docs/glossary.md"


def renamed_verbs(checkout: Checkout) -> Iterator[str]:
    """Docstrings that begin with a class name where a verb was, as after a careless rename: ``TimedRun a case``."""
    for module in checkout.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if RENAMED.match(text):
                    line = node.body[0].lineno
                    yield f"{checkout.where(module.path, line)}: {text.split()[0]!r} is not a verb; begin with one"


def repeated_names(checkout: Checkout) -> Iterator[str]:
    """Public class names and base names of files that occur twice in the package."""
    classes: dict[str, list[str]] = defaultdict(list)
    files: dict[str, list[str]] = defaultdict(list)
    for module in checkout.modules:
        if module.path.name != "__init__.py" and module.package != "native":
            files[module.path.stem].append(checkout.where(module.path, 1))
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and module.package != "native" and not node.name.startswith("_"):
                classes[node.name].append(checkout.where(module.path, node.lineno))
    for kind, found in (("class", classes), ("file", files)):
        for name, places in found.items():
            if len(places) > 1 and not checkout.allows(f"repeated-{kind}", name):
                yield f"{places[1]}: the {kind} name {name!r} is taken by {places[0]}"


def imports(checkout: Checkout) -> Iterator[tuple[Module, ast.ImportFrom, str]]:
    """Imports of another package: the module, the statement, and the package that it names."""
    for module in checkout.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sabotnb."):
                package = str(node.module).split(".")[1]
                if package != module.package and module.name != "sabotnb":
                    yield module, node, package


def exports(checkout: Checkout) -> dict[str, set[str]]:
    """What the face of each package exports: the names in its ``__all__``."""
    found: dict[str, set[str]] = {}
    for module in checkout.modules:
        if module.path.name == "__init__.py" and module.name.count(".") == 1:
            for node in module.tree.body:
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                    found[module.package] = set(ast.literal_eval(node.value))
    return found


def past_faces(checkout: Checkout) -> Iterator[str]:
    """Imports of a name from inside another package, although that package's face exports it."""
    faces = exports(checkout)
    for module, node, package in imports(checkout):
        if str(node.module).count(".") < 2:
            continue
        for alias in node.names:
            if alias.name in faces.get(package, ()):
                where = checkout.where(module.path, node.lineno)
                yield f"{where}: import {alias.name} from sabotnb.{package}, not from {node.module}"


def missing_from_glossary(checkout: Checkout) -> Iterator[str]:
    """Classes that another package imports, and that ``docs/glossary.md`` does not name."""
    glossary = checkout.root / "docs" / "glossary.md"
    known = set(re.findall(r"`(\w+)`", glossary.read_text())) if glossary.exists() else set()
    classes = {node.name for module in checkout.modules for node in module.tree.body if isinstance(node, ast.ClassDef)}
    reported = set()
    for module, node, package in imports(checkout):
        for alias in node.names:
            if alias.name in classes - known - reported and not alias.name.startswith("_"):
                reported.add(alias.name)
                where = checkout.where(module.path, node.lineno)
                yield f"{where}: {alias.name} of sabotnb.{package} is shared and missing from docs/glossary.md"


def logic_in_faces(checkout: Checkout) -> Iterator[str]:
    """Functions and classes in an ``__init__`` file, but for ``__getattr__`` and ``__dir__``, which lazy names need."""
    for module in checkout.modules:
        if module.path.name == "__init__.py":
            for node in module.tree.body:
                is_code = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                if is_code and node.name not in ("__getattr__", "__dir__"):
                    where = checkout.where(module.path, node.lineno)
                    yield f"{where}: move {node.name} out of the face of {module.name} into a module"


def vague_names(checkout: Checkout) -> Iterator[str]:
    """Variables and parameters with names that say nothing, in the packages whose names are done."""
    for module in checkout.modules:
        folder = str(module.path.parent.relative_to(checkout.root))
        if module.package not in NAMED or checkout.allows("vague-name", folder):
            continue
        for node in ast.walk(module.tree):
            is_target = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            called = node.id if is_target else node.arg if isinstance(node, ast.arg) else ""
            if called in VAGUE:
                where = checkout.where(module.path, node.lineno)
                yield f"{where}: {called!r} does not say what it holds; use the noun of the value"


RULES = (banned_words, vague_names, logic_in_faces, renamed_verbs, repeated_names, past_faces, missing_from_glossary)


def violations(root: Path) -> list[str]:
    """Everything that is wrong in the checkout at ``root``."""
    checkout = Checkout(root)
    return [line for rule in RULES for line in rule(checkout)]


if __name__ == "__main__":
    found = violations(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    print("\n".join(found) or "the words gate is green")
    sys.exit(bool(found))
