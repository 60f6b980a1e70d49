"""Text and cells that LaTeX sets as they are."""

from __future__ import annotations

import unicodedata

from leaderboards.tables.cells import Cell

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
    "→": r"$\rightarrow$", "−": "$-$", "–": "--", "—": "---", "×": r"$\times$", "±": r"$\pm$", "≥": r"$\geq$",
    "≤": r"$\leq$", "λ": r"$\lambda$", "·": r"$\cdot$", "…": r"\ldots{}", "“": "``", "”": "''", "’": "'", "✓": "yes",
}  # fmt: skip


def escape_latex(text: str) -> str:
    """Text on one line that pdfLaTeX sets as it is; a character that it may not know loses its accent or is a "?"."""
    return "".join(_SPECIAL.get(character) or _ascii(character) for character in " ".join(text.split()))


def latex_cell(cell: Cell) -> str:
    """A cell's text and, smaller, its interval; bold where the cell is strong."""
    text = escape_latex(cell.text)
    shown = rf"\textbf{{{text}}}" if cell.strong else text
    return rf"{shown} {{\scriptsize {escape_latex(cell.interval)}}}" if cell.interval else shown


def _ascii(character: str) -> str:
    if " " <= character <= "~":
        return character
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(_SPECIAL.get(one, one) for one in plain) or "?"
