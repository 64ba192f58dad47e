"""The one device, and the forms in which callers name it."""

from __future__ import annotations

from typing import Any


class Device:
    """The CPU, with what code reads of a torch.device."""

    type = "cpu"
    index = None

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __eq__(self, other: object) -> bool:
        return is_cpu(other) if other is not None else False

    def __hash__(self) -> int:
        return hash(self.type)


CPU = Device()


def is_cpu(device: Any) -> bool:
    """Whether `device` (a name, a number, a device of torch or of a model, or None) means the CPU."""
    if isinstance(device, int) and not isinstance(device, bool):
        return device == -1
    if isinstance(device, str):
        device = str.__str__(device)  # a subclass may convert and compare as it likes
    elif type(device).__name__.lower() == "device":
        device = str(device)
    return device is None or (type(device) is str and device in ("cpu", "cpu:0"))
