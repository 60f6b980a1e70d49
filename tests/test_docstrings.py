"""Docstrings begin with a verb or the thing itself: no riddle for a first line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path for room in ("selip", "baselines", "benchmarks", "leaderboards") for path in (ROOT / room).rglob("*.py")
]
QUESTIONS = ("What", "Whether", "Where", "How", "Who", "Which")


def questions(source):
    """First lines that begin with a question word."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, documented))
    first = [(ast.get_docstring(node) or "").split("\n")[0] for node in nodes]
    return [line for line in first if line.split(" ")[0] in QUESTIONS]


def test_a_question_is_seen_wherever_it_stands():
    source = """'How it is.'\nclass A:\n  'Whether.'\n  def f(self):\n    'What it does.'\n    'Where.'\n"""
    assert questions(source) == ["How it is.", "What it does."]
    assert questions("'Whatever.'\ndef f():\n  'Return what is there.'\n") == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_docstring_begins_with_a_verb_or_the_thing_itself(path):
    assert not questions(path.read_text())
