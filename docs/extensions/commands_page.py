"""The command line, each command with its help, as the program itself prints it."""

from __future__ import annotations

import argparse
import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import paragraph, section

from iclbench.__main__ import command_line

WIDTH = "88"


class Commands(SphinxDirective):
    """``{commands} questions`` or ``{commands} stages``: what people ask, what rules call."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section a command."""
        os.environ["COLUMNS"] = WIDTH
        stages = self.arguments[0] == "stages"
        return [
            self._section(name, parser, about)
            for name, (parser, about) in commands().items()
            if ("--usage" in parser._option_string_actions) == stages
        ]

    def _section(self, name: str, parser: argparse.ArgumentParser, about: str) -> nodes.section:
        found = section(self, f"command {name}", [nodes.literal(text=f"iclbench {name}")])
        found += paragraph(f"{about[:1].upper()}{about[1:]}.")
        text = parser.format_help().replace("python -m iclbench", "iclbench")
        found += nodes.literal_block(text, text, language="none")
        return found


def commands() -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """Return each command's parser, and the line of help that the list of commands has."""
    (choices,) = (
        action
        for action in command_line()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    lines = {each.dest: each.help or "" for each in choices._choices_actions}
    return {name: (parser, lines[name]) for name, parser in choices.choices.items()}


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
