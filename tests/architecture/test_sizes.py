"""What is small can be read at once. Complexity is ruff's (C901); sizes are counted here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from tests.support.checkout import ROOT, parse, source_files

FUNCTION_LINES_MAX: Final = 60
FILE_LINES_MAX: Final = 400


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return (node.end_lineno or node.lineno) - first + 1


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {_lines(node)} lines"
        for path in source_files()
        for node in _functions(parse(path))
        if _lines(node) > FUNCTION_LINES_MAX
    ]
    assert too_long == []


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files()
    }
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_decorators_and_nested_functions_count_as_lines() -> None:
    source = "@first\n@second\ndef outer():\n    def inner():\n        pass\n    return inner\n"
    assert [_lines(node) for node in _functions(ast.parse(source))] == [6, 2]
