"""How the site is built; `make docs` does it, and the tests do with warnings as errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "iclbench"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "claims_tables",
    "commands_page",
    "python_pages",
    "settings_pages",
]
exclude_patterns = ["_build"]
highlight_language = "none"  # a block says its language, or has none

html_theme = "furo"
html_title = "iclbench"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
# No font, script or picture comes from elsewhere: the site can be read without a network.
html_theme_options = {"footer_icons": []}

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_attr_annotations = False  # shapes are no markup
napoleon_use_ivar = True  # fields of a tuple have no page entry of their own
napoleon_use_rtype = False
