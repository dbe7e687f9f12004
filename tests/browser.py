"""Pages as a browser shows them."""

import html
import json
import re
import shutil
import subprocess

import pytest

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def looked_at(page, folder, script, width=1280):
    """Run a script on a page in a browser; return what it leaves in ``told``, and the console.

    The script may wait for what it does to be shown.
    """
    tell = f"""<script>window.addEventListener("load", () => setTimeout(async () => {{
        const told = {{}};
        const wait = (time) => new Promise((go) => setTimeout(go, time));
        {script}
        const said = document.createElement("pre");
        said.id = "told";
        said.textContent = JSON.stringify(told);
        document.body.append(said);
    }}, 200));</script></body>"""
    path = folder / "page.html"
    before, end, after = page.read_text().rpartition("</body>")
    assert end
    path.write_text(before + tell + after)
    found = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'browser'}",
            f"--window-size={width},1000",
            "--virtual-time-budget=5000",
            "--enable-logging=stderr",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    console = [line for line in found.stderr.splitlines() if "CONSOLE" in line]
    told = re.search(r'<pre id="told">(.*?)</pre>', found.stdout, re.DOTALL)
    assert told, found.stderr
    return json.loads(html.unescape(told[1])), console
