"""The base of every typed setting: unknown keys are errors, values are fixed, numbers finite."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Settings read from YAML.

    Subclasses document every field with ``Field(description=…)``: the JSON schema for editors is
    generated from them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
    )
