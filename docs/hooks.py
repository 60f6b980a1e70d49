"""Hooks of the docs site: the reference of the command line is made from the commands themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

MARK = "<!-- commands -->"
ROOT = Path(__file__).parents[1] / "leaderboards"
BOARDS = {
    "leaderboard": "study",
    "transfer_lgg": "transfer_lgg",
    "train_lgg": "train_lgg",
    "transfer_cheng": "transfer_cheng",
}
"""Page of the site to the run whose leaderboard it is."""


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401 (mkdocs passes page, config and files)
    """Puts the reference in place of its mark."""
    return markdown.replace(MARK, "\n".join(reference())) if MARK in markdown else markdown


def on_post_build(config: Any) -> None:  # noqa: ANN401
    """Puts the leaderboards and the pictures beside the pages."""
    for name, run in BOARDS.items():
        board = ROOT / "records" / run / "leaderboard" / "index.html"
        shutil.copyfile(board, Path(config["site_dir"]) / f"{name}.html")
    for picture in (ROOT / "pictures").glob("*.png"):
        shutil.copyfile(picture, Path(config["site_dir"]) / picture.name)


def reference() -> Iterator[str]:
    """Markdown lines on every command, in the order of `selip --help`."""
    from selip.cli.main import app

    yield from _command(typer.main.get_command(app), "selip")


def _command(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401 (typer carries its own click)
    if hasattr(command, "commands"):
        for word, part in command.commands.items():
            yield from _command(part, f"{name} {word}")
        return
    yield from (f"## {name}", "", command.help or "", "", "| argument or option | is | default |", "|:--|:--|:--|")
    yield from (_row(parameter) for parameter in command.params)
    yield ""


def _row(parameter: Any) -> str:  # noqa: ANN401
    flags = ", ".join(f"`{flag}`" for flag in parameter.opts) if parameter.param_type_name == "option" else ""
    name = flags or f"`{parameter.name.upper()}`"
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    default = (
        "required" if parameter.required else "" if parameter.default in (None, False, "") else f"`{parameter.default}`"
    )
    return f"| {name} | {text} | {default} |"
