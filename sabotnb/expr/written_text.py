"""Advice for expressions that users pass as text where a column name is expected."""

from __future__ import annotations

import ast
from collections.abc import Collection

_CONNECTED = {ast.And: ast.BitAnd, ast.Or: ast.BitOr}


def as_code(text: str, names: Collection[str]) -> str:
    """Return how to write ``text`` as code if it is an expression over columns ``names``; empty for other text."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    if not isinstance(tree, ast.Compare | ast.BinOp | ast.BoolOp | ast.UnaryOp | ast.Call | ast.Attribute):
        return ""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if not used & {*names, "col", "sb"}:
        return ""
    code = ast.unparse(ast.fix_missing_locations(_Columns(names).visit(tree)))
    return f"text is the name of a column; write the expression itself: {code}. "


class _Columns(ast.NodeTransformer):
    """Replace names of columns by ``col(name)``, and ``and``, ``or``, ``not`` by ``&``, ``|``, ``~``."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self._names:
            return node
        return ast.Call(ast.Name("col", ast.Load()), [ast.Constant(node.id)], [])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        made, *rest = node.values
        for value in rest:
            made = ast.BinOp(made, _CONNECTED[type(node.op)](), value)
        return made

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return ast.UnaryOp(ast.Invert(), node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a function of a column, as in SQL, by a method of it."""
        of_column = any(isinstance(arg, ast.Name) and arg.id in self._names for arg in node.args[:1])
        self.generic_visit(node)
        if not of_column or not isinstance(node.func, ast.Name):
            return node
        return ast.Call(ast.Attribute(node.args[0], node.func.id, ast.Load()), node.args[1:], node.keywords)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        is_field = isinstance(node.value, ast.Name) and node.value.id in self._names
        self.generic_visit(node)
        if not is_field:
            return node
        field = ast.Attribute(ast.Attribute(node.value, "struct", ast.Load()), "field", ast.Load())
        return ast.Call(field, [ast.Constant(node.attr)], [])
