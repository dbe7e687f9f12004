"""Files and lines of files that a page says to write, and writing them."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import ROOT


@dataclass(frozen=True)
class Block:
    """A file to write, or lines to add to one below the line where a key stands."""

    file: str
    under: str | None
    text: str

    def write(self, folder: Path) -> None:
        path = folder / self.file
        if self.under is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text)
            return
        lines = path.read_text().splitlines(keepends=True)
        (at,) = [
            number
            for number, line in enumerate(lines)
            if re.fullmatch(rf"\s*{re.escape(self.under)}:( {{)?", line.rstrip())
        ]
        path.write_text("".join([*lines[: at + 1], self.text, *lines[at + 1 :]]))


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page whose first line names a file."""
    text = (ROOT / page).read_text()
    found = re.findall(
        r"^```\w+\n# ([\w./-]+\.\w+)(?:, under (\S+))?\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    return [Block(file, under or None, body) for file, under, body in found]
