"""Options that several commands share, stated once: a dataclass a group, spread out for typer."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of its groups spread out, as typer reads and calls it."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    spread: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            found = inspect.signature(groups[name]).parameters.values()
            types = get_type_hints(groups[name], include_extras=True)
            known = {one.name for one in spread}
            spread += [one.replace(annotation=types[one.name]) for one in found if one.name not in known]
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            spread.append(parameter.replace(kind=kind, annotation=hints[name]))

    @functools.wraps(command)
    def flat(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given[field.name] for field in dataclasses.fields(group)})
        command(**{name: given[name] for name in hints if name in given})

    flat.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    flat.__annotations__ = {one.name: one.annotation for one in spread}
    return flat
