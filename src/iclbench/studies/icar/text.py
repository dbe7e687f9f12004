"""Is text first-order autoregressive? Windows of a text that no linear map can reproduce."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field
from typing_extensions import override

from iclbench.files import JobError
from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.records import left_out, make_rows
from iclbench.streams import stream

CHUNK = 1000
FILES = ("model.safetensors", "tokenizer.json")
BLANK_LINE = re.compile(r"\n\s*\n")
TOKEN = re.compile(r"\w+|[^\w\s]")
MARKS = str.maketrans("", "", '"*')


def built_in_text() -> str:
    """Return the English prose in the topics of Python's own documentation.

    Prose is a paragraph that ends in a full stop and is neither a session nor a grammar. In it
    quotation marks and asterisks are the typesetting of code and emphasis.
    """
    from pydoc_data.topics import topics

    paragraphs = [part for _, topic in sorted(topics.items()) for part in BLANK_LINE.split(topic)]
    prose = [
        part
        for part in paragraphs
        if part.rstrip().endswith(".") and not ("::=" in part or ">>>" in part)
    ]
    return "\n\n".join(prose)


def rollout_errors(
    windows: Float[np.ndarray, "batch size d"],
) -> Float[np.ndarray, " batch"]:
    """Return the mean square error of each window under the linear map fitted to it.

    W is the least-squares map of minimum norm with W s_t = s_{t+1} in the window; from s_1 on it is
    rolled out, and the error is averaged over the window's tokens and d coordinates. All of it
    happens in the span of the tokens, so that their Gram matrix K suffices: on coefficients c of
    sum_t c_t s_t, W is the pseudo-inverse of K without its last line and column, times the other
    lines of K, shifted down by one.
    """
    size, dim = windows.shape[1:]
    K = windows @ windows.mT
    W = np.zeros_like(K)
    W[:, 1:] = np.linalg.pinv(K[:, :-1, :-1], rtol=1e-10, hermitian=True) @ K[:, :-1]
    state = np.zeros((len(K), size, 1))
    state[:, 0] = 1
    total = np.zeros(len(K))
    for t in range(size):
        error = state.copy()
        error[:, t] -= 1
        total += (error.mT @ K @ error)[:, 0, 0]
        state = W @ state
    return np.maximum(total, 0) / (size * dim)


class Text(Measurement):
    """Windows of a text, original and with all tokens shuffled, that a linear map cannot reproduce.

    A window of 5 tokens gives 4 equations s_{t+1} = W s_t in many dimensions. They have no solution
    only if a token comes twice with different successors, which is what this counts (derived). So
    random unit vectors, one a word type, do as well as learned embeddings: that is the encoder
    ``random``, where a seed draws the vectors and the permutation. The encoder ``gpt2`` takes
    GPT-2's input embeddings, scaled to unit norm, from a local folder; without one it is left out.

    Rows of the method ``random`` or ``gpt2``, with ``_no_marks`` where those are dropped,
    ``reference`` being ``original`` or ``shuffled``:
    ``inconsistent``, the number of windows with error above ``cut``; ``inconsistent_fraction``; and
    of seed 0 their errors, ``window_error``, by rank (``position``).

    Source: Sander et al. 2024 (arXiv 2402.05787), Fig. 4. There the text is Moby Dick, sentences
    cut after their second full stop; we cut nothing.
    """

    kind: Literal["icar_text"] = Field(
        description="windows of a text that no linear map reproduces, original and shuffled"
    )
    encoder: Literal["random", "gpt2"] = Field(
        default="random", description="what stands for a token: a random vector, or GPT-2's"
    )
    text: str | None = Field(
        default=None,
        description="a file in UTF-8; by default prose of Python's documentation, which differs "
        "between its versions",
    )
    drop_marks: bool = Field(
        default=False,
        description="whether the characters \" and * are dropped from the text: in Python's "
        "documentation they are typesetting, and pairs of them decide how it compares",
    )
    embeddings: str | None = Field(
        default=None,
        description="for gpt2: a folder with model.safetensors (wte.weight) and tokenizer.json",
    )
    dim: int = Field(default=1280, ge=1, le=100_000, description="d of random vectors")
    size: int = Field(default=5, ge=3, le=100, description="tokens in a window")
    windows: int = Field(
        default=10_000, ge=1, le=10**7, description="number of windows, fewer if the text ends"
    )
    cut: float = Field(default=1e-12, gt=0, description="errors up to this count as zero")

    @property
    @override
    def files(self) -> dict[str, Path]:
        found = {name: Path(self.embeddings, name) for name in FILES if self.embeddings}
        if self.text is not None:
            return found | {"text": Path(self.text)}
        built_in = find_spec("pydoc_data.topics")
        assert built_in is not None
        assert built_in.origin is not None
        return found | {"pydoc_data.topics": Path(built_in.origin)}

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the counts of both orders of every seed.

        Raises:
            JobError: If the text or the embeddings cannot be read, or the text has no window.
        """
        method = f"{self.encoder}_no_marks" if self.drop_marks else self.encoder
        labels = {**labels, "method": method, "family": "reference", "seed": 0}
        if self.encoder == "gpt2" and self.embeddings is None:
            yield left_out(labels, "needs GPT-2's embeddings: set embeddings to a local folder")
            return
        tokens, table = self._encoded()
        count = min(self.windows, len(tokens) // self.size)
        if count == 0:
            raise JobError(f"the text has {len(tokens)} tokens, fewer than a window of {self.size}")
        tokens = tokens[: count * self.size]
        for seed in range(self.seeds):
            vectors = table
            if vectors is None:
                rng = stream(*names, "vectors", seed)
                vectors = rng.standard_normal((tokens.max() + 1, self.dim))
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            orders = {
                "original": tokens,
                "shuffled": stream(*names, "order", seed).permutation(tokens),
            }
            for order, chosen in orders.items():
                errors = self._errors(chosen.reshape(count, self.size), vectors)
                wrong = np.sort(errors[errors > self.cut])
                same: dict[str, Any] = {"reference": order, "iterate": self.size, "n": count}
                at = {**labels, "seed": seed}
                yield make_rows(at, metric="inconsistent", value=len(wrong), **same)
                yield make_rows(
                    at, metric="inconsistent_fraction", value=len(wrong) / count, **same
                )
                if seed == 0:
                    same["position"] = np.arange(len(wrong))
                    yield make_rows(at, metric="window_error", value=wrong, **same)

    def _errors(
        self, windows: Int[np.ndarray, "count size"], vectors: Float[np.ndarray, "type d"]
    ) -> Float[np.ndarray, " count"]:
        parts = [windows[start : start + CHUNK] for start in range(0, len(windows), CHUNK)]
        return np.concatenate([rollout_errors(vectors[part]) for part in parts])

    def _encoded(self) -> tuple[Int[np.ndarray, " tokens"], Float[np.ndarray, "type d"] | None]:
        text = built_in_text() if self.text is None else _read(Path(self.text))
        text = text.translate(MARKS) if self.drop_marks else text
        if self.encoder == "random":
            words = TOKEN.findall(text)
            types = {word: index for index, word in enumerate(dict.fromkeys(words))}
            return np.array([types[word] for word in words], dtype=int), None
        assert self.embeddings is not None
        tokens, vectors = _gpt2(text, Path(self.embeddings))
        kept, tokens = np.unique(tokens[: self.windows * self.size], return_inverse=True)
        vectors = vectors[kept].astype(float)
        return tokens, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"text: {path}: {error}; give a text file in UTF-8") from error


def _gpt2(text: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from safetensors import SafetensorError, safe_open

    try:
        from tokenizers import Tokenizer  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise JobError(
            "GPT-2's tokens need the package tokenizers, which is not installed; run "
            "`pip install tokenizers`, or remove embeddings"
        ) from error
    for name in ("tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise JobError(
                f"embeddings: {folder / name}: no such file; give a folder with both "
                "tokenizer.json and model.safetensors of GPT-2"
            )
    tokens = np.array(Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids)
    try:
        with safe_open(folder / "model.safetensors", framework="numpy") as file:
            names = file.keys()
            return tokens, file.get_tensor(next(key for key in names if key.endswith("wte.weight")))
    except (SafetensorError, StopIteration) as error:
        raise JobError(
            f"embeddings: {folder / 'model.safetensors'}: no tensor wte.weight can be read from "
            f"it ({error}); give GPT-2's own file"
        ) from error
