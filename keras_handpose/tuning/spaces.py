"""What a search may try, as data: spaces of the parameters' values by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from keras_handpose.tuning.parameters import PARAMETERS, Span, Values, checked_values

__all__ = ["SPACES", "Space"]


@dataclass(frozen=True, kw_only=True)
class Space:
    """The networks and trainings that a search may try.

    Args:
        configuration: Where the network's other arguments come from; see `ResidualAttentionRegressor`.
        parameters: For each of `PARAMETERS` that is not left alone, a value, several to choose from, or a `Span`.
        recipe: What else differs from the recipe of the data, as fields of `Recipe`.

    Raises:
        ValueError: A parameter is unknown, or a value does not fit it.

    Example:
        >>> space = SPACES["compact"].changed({"t": [1, 2], "filters": 16})
        >>> space.parameters["t"], space.fixed["filters"]
        ((1, 2), 16)
    """

    configuration: str
    parameters: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = {name: checked_values(name, value) for name, value in self.parameters.items()}
        object.__setattr__(self, "parameters", MappingProxyType({k: values[k] for k in PARAMETERS if k in values}))
        object.__setattr__(self, "recipe", MappingProxyType(dict(self.recipe)))

    @property
    def free(self) -> dict[str, Values]:
        """Parameters that are searched over: a span, or several values in ascending order."""
        return {name: values for name, values in self.parameters.items() if isinstance(values, Span) or len(values) > 1}

    @property
    def fixed(self) -> dict[str, Any]:
        """Parameters of one value."""
        return {name: values[0] for name, values in self.parameters.items() if name not in self.free}

    def changed(self, changes: Mapping[str, Any]) -> Space:
        """Return the space with other values of some parameters, narrower or wider."""
        return replace(self, parameters={**self.parameters, **changes})

    def as_dict(self) -> dict[str, Any]:
        """Return the space as what JSON can hold."""
        parameters = {
            name: {"from": values.low, "to": values.high, "log": values.log}
            if isinstance(values, Span)
            else list(values)
            for name, values in self.parameters.items()
        }
        return {"configuration": self.configuration, "parameters": parameters, "recipe": dict(self.recipe)}


_SHORT = MappingProxyType({"schedule": "cosine", "huber_delta": 0.04})
"""A short training has to come to rest, and should not be led by its worst joints."""

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        # What the paper varies, on its own network and recipe.
        "paper": Space(configuration="paper", parameters={"p": (1, 2), "t": (1, 2, 3), "r": (1, 2)}),
        "compact": Space(
            configuration="compact",
            parameters={
                "p": (0, 1, 2),
                "t": (1, 2),
                "r": (1, 2),
                "filters": (16, 24, 32),
                "stages": (2, 3, 4),
                "poolings": (1, 2, 3),
                "bottleneck": (False, True),
                "components": (20, 30, 45),
                "dropout": Span(0.0, 0.3),
                "learning_rate": Span(3e-4, 3e-3, log=True),
                "weight_decay": (0.0, 1e-6, 1e-5, 1e-4),
                "batch": (32, 64, 128),
                "augmentation": (0.0, 0.5, 1.0),
            },
            recipe=_SHORT,
        ),
        # Networks of a tenth of the arithmetic, whose head costs as much as their body.
        "mobile": Space(
            configuration="compact",
            parameters={
                "p": (0, 1),
                "t": (1, 2),
                "r": 1,
                "filters": (8, 12, 16),
                "stages": (2, 3, 4),
                "poolings": (1, 2),
                "bottleneck": (False, True),
                "maps": (16, 32, 64),
                "hidden": (64, 128, 256),
                "components": (20, 30),
                "learning_rate": Span(3e-4, 3e-3, log=True),
                "weight_decay": (0.0, 1e-6, 1e-5),
                "batch": (32, 64),
                "augmentation": (0.0, 0.5, 1.0),
            },
            recipe=_SHORT,
        ),
    }
)
"""Spaces by name."""
