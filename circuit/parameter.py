# SPDX-License-Identifier: GPL-3.0-or-later
"""A number of the model together with where it comes from.

A number without a unit, a source and a status does not load. The tree of these leaves is `circuit.schema.Parameters`,
the values are in configs/parameters.yaml.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from circuit.units import Quantity

STATUSES = ("published", "derived", "fitted", "assumed")
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Model(BaseModel):
    """Base of everything read from YAML: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Parameter[K](Model):
    """A value of kind `K` (see `circuit.units`) with meaning, source and status.

    Attributes
    ----------
    value : K
        A Quantity, or a bare number for fractions, counts and other dimensionless kinds.
    meaning : str
        What it is, in a few words.
    source : str
        A key of configs/references.bib (several with ``;`` between), or ``this model``.
    where : str
        Page, table or figure of the source.
    status : {"published", "derived", "fitted", "assumed"}
        How far to trust it.
    note : str
        For ``fitted`` the target it was fitted to, for ``derived`` the formula; free otherwise.
    """

    value: K
    meaning: Text
    source: Text
    where: str = ""
    status: Literal["published", "derived", "fitted", "assumed"]
    note: str = ""

    @model_validator(mode="after")
    def _explained(self) -> Parameter:
        wanted = {"fitted": "the target it was fitted to", "derived": "the formula it comes from"}.get(self.status)
        if wanted and not self.note.strip():
            raise ValueError(f"has status {self.status}, so its note must name {wanted}")
        return self

    @property
    def si(self) -> float:
        """The value in SI units (see `Quantity.si`); the bare number of a dimensionless kind."""
        return self.value.si if isinstance(self.value, Quantity) else self.value

    def to(self, unit: str) -> float:
        """The value in `unit`; a bare number is in units of 1.

        Raises
        ------
        ValueError
            If the unit is of another dimension.
        """
        if isinstance(self.value, Quantity):
            return self.value.to(unit)
        return self.value if unit == "1" else Quantity(self.value, "1").to(unit)

    @property
    def unit(self) -> str:
        """The canonical unit of the value, ``"1"`` for a bare number."""
        return self.value.unit if isinstance(self.value, Quantity) else "1"
