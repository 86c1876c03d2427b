"""Spaces from the handshake: Gymnasium's where it is installed, otherwise small stand-ins."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

try:
    import gymnasium
    from gymnasium import spaces as _spaces
    from gymnasium.vector.utils import batch_space
except ImportError:
    gymnasium = None


class Space:
    """What the stand-ins share."""

    def __init__(self, shape: Optional[tuple], dtype: Any) -> None:
        self.shape = shape
        self.dtype = None if dtype is None else np.dtype(dtype)
        self._rng = np.random.default_rng()

    def seed(self, seed: Optional[int] = None) -> None:
        """Restart the generator of `sample`."""
        self._rng = np.random.default_rng(seed)

    def __contains__(self, value: Any) -> bool:
        return self.contains(value)


class Box(Space):
    """Arrays within bounds."""

    def __init__(self, low: Any, high: Any, shape: tuple, dtype: Any) -> None:
        super().__init__(tuple(shape), dtype)
        self.low = np.broadcast_to(low, self.shape).astype(self.dtype)
        self.high = np.broadcast_to(high, self.shape).astype(self.dtype)

    def sample(self) -> np.ndarray:
        """Uniform where bounded on both sides, normal elsewhere."""
        if self.dtype.kind in "iub":
            return np.asarray(self._rng.integers(self.low, self.high, endpoint=True), dtype=self.dtype)
        bounded = np.isfinite(self.low) & np.isfinite(self.high)
        low, high = np.where(bounded, self.low, 0.0), np.where(bounded, self.high, 1.0)
        drawn = np.where(bounded, self._rng.uniform(low, high), self._rng.normal(size=self.shape))
        return np.asarray(np.clip(drawn, self.low, self.high), dtype=self.dtype)

    def contains(self, value: Any) -> bool:
        """Is this an array of the shape, within the bounds?"""
        fits = isinstance(value, np.ndarray) and value.shape == self.shape and np.can_cast(value.dtype, self.dtype)
        return bool(fits and np.all(value >= self.low) and np.all(value <= self.high))


class MultiDiscrete(Space):
    """Arrays of whole numbers, each from its own start on."""

    def __init__(self, nvec: Any, start: Any, dtype: Any) -> None:
        self.nvec = np.asarray(nvec)
        super().__init__(self.nvec.shape, dtype)
        self.start = np.broadcast_to(start, self.shape)

    def sample(self) -> np.ndarray:
        """Uniform."""
        return (self.start + self._rng.integers(0, self.nvec)).astype(self.dtype)

    def contains(self, value: Any) -> bool:
        """Is this an integer array of the shape, within the ranges?"""
        fits = isinstance(value, np.ndarray) and value.shape == self.shape and value.dtype.kind in "iu"
        return bool(fits and np.all(value >= self.start) and np.all(value < self.start + self.nvec))


class Discrete(Space):
    """Whole numbers from `start` on."""

    def __init__(self, n: int, start: int, dtype: Any) -> None:
        super().__init__((), dtype)
        self.n, self.start = n, start

    def sample(self) -> int:
        """Uniform."""
        return int(self.start + self._rng.integers(self.n))

    def contains(self, value: Any) -> bool:
        """Is this a whole number in the range?"""
        whole = isinstance(value, (int, np.integer)) or getattr(value, "shape", None) == ()
        return bool(whole and self.start <= int(value) < self.start + self.n)


class MultiBinary(Box):
    """Arrays of 0 and 1."""

    def __init__(self, n: Any) -> None:
        super().__init__(0, 1, (n,) if isinstance(n, int) else tuple(n), np.int8)


class Tuple(Space):
    """Fixed lists of other spaces."""

    def __init__(self, spaces: list) -> None:
        super().__init__(None, None)
        self.spaces = tuple(spaces)

    def seed(self, seed: Optional[int] = None) -> None:
        """Seed every part."""
        for i, space in enumerate(self.spaces):
            space.seed(None if seed is None else seed + i)

    def sample(self) -> tuple:
        """One of each."""
        return tuple(space.sample() for space in self.spaces)

    def contains(self, value: Any) -> bool:
        """Is every part in its space?"""
        fits = isinstance(value, (tuple, list)) and len(value) == len(self.spaces)
        return fits and all(space.contains(part) for space, part in zip(self.spaces, value))


class Dict(Space):
    """Records of other spaces."""

    def __init__(self, spaces: dict) -> None:
        super().__init__(None, None)
        self.spaces = dict(spaces)

    def seed(self, seed: Optional[int] = None) -> None:
        """Seed every part."""
        for i, space in enumerate(self.spaces.values()):
            space.seed(None if seed is None else seed + i)

    def sample(self) -> dict:
        """One of each."""
        return {key: space.sample() for key, space in self.spaces.items()}

    def contains(self, value: Any) -> bool:
        """Is every part in its space?"""
        fits = isinstance(value, dict) and value.keys() == self.spaces.keys()
        return fits and all(space.contains(value[key]) for key, space in self.spaces.items())

    def __getitem__(self, key: str) -> Space:
        return self.spaces[key]


def from_json(json: dict) -> Any:
    """The space that a server described."""
    kind = json["kind"]
    if kind == "Box":
        return _box(json)
    if kind == "Dict":
        parts = {key: from_json(part) for key, part in json["spaces"]}
        return _spaces.Dict(list(parts.items())) if gymnasium else Dict(parts)
    if kind == "Tuple":
        parts = [from_json(part) for part in json["spaces"]]
        return _spaces.Tuple(parts) if gymnasium else Tuple(parts)
    if kind == "Discrete":
        n, start, dtype = json["n"], json.get("start", 0), _dtype(json)
        return _spaces.Discrete(n, start=start) if gymnasium else Discrete(n, start, dtype)
    if kind == "MultiDiscrete":
        nvec, start = np.array(json["nvec"]), np.array(json.get("start", 0))
        dtype = _dtype(json)
        if gymnasium:
            return _spaces.MultiDiscrete(nvec, dtype=dtype, start=np.broadcast_to(start, nvec.shape))
        return MultiDiscrete(nvec, start, dtype)
    if kind == "MultiBinary":
        return _spaces.MultiBinary(json["n"]) if gymnasium else MultiBinary(json["n"])
    return _rest(kind, json)


def _rest(kind: str, json: dict) -> Any:
    if not gymnasium:
        raise NotImplementedError(f"the space {kind} needs Gymnasium: pip install gymnasium")
    if kind == "Text":
        return _spaces.Text(json["maxLength"], min_length=json["minLength"], charset=json["charset"])
    if kind == "OneOf":
        return _spaces.OneOf([from_json(part) for part in json["spaces"]])
    if kind == "Sequence":
        return _spaces.Sequence(from_json(json["space"]), stack=json["stack"])
    if kind == "Graph":
        edges = json["edgeSpace"]
        return _spaces.Graph(from_json(json["nodeSpace"]), None if edges is None else from_json(edges))
    raise NotImplementedError(f"unknown space {kind}")


def _dtype(json: dict) -> np.dtype:
    return np.dtype(json.get("elementDtype") or json["dtype"])


def _bound(bound: Any, dtype: np.dtype, shape: tuple) -> np.ndarray:
    if isinstance(bound, list):
        flat = [_number(value, dtype) for value in np.array(bound, dtype=object).ravel()]
        return np.array(flat, dtype=dtype).reshape(shape)
    return np.full(shape, _number(bound, dtype), dtype=dtype)


def _number(value: Any, dtype: np.dtype) -> Any:
    if isinstance(value, str):
        value = float(value.replace("Infinity", "inf")) if not value.lstrip("-").isdigit() else int(value)
    if isinstance(value, float) and not np.isfinite(value) and dtype.kind in "iu":
        return np.iinfo(dtype).max if value > 0 else np.iinfo(dtype).min
    return value


def _box(json: dict) -> Any:
    dtype, shape = _dtype(json), tuple(json["shape"])
    low, high = _bound(json["low"], dtype, shape), _bound(json["high"], dtype, shape)
    return _spaces.Box(low, high, shape, dtype.type) if gymnasium else Box(low, high, shape, dtype)


def batched(space: Any, n: int) -> Any:
    """The space of `n` stacked elements."""
    if gymnasium:
        return batch_space(space, n)
    if isinstance(space, Box):
        return Box(np.stack([space.low] * n), np.stack([space.high] * n), (n, *space.shape), space.dtype)
    if isinstance(space, Discrete):
        return MultiDiscrete([space.n] * n, [space.start] * n, space.dtype)
    if isinstance(space, MultiDiscrete):
        top = space.start + space.nvec - 1
        return Box(np.stack([space.start] * n), np.stack([top] * n), (n, *space.shape), space.dtype)
    if isinstance(space, Dict):
        return Dict({key: batched(part, n) for key, part in space.spaces.items()})
    return Tuple([batched(part, n) for part in space.spaces])


def actions_to_wire(space: Any, actions: Any) -> Any:
    """A batch of actions with the dtypes of the batched space."""
    if isinstance(actions, dict):
        return {key: actions_to_wire(space[key], value) for key, value in actions.items()}
    parts = getattr(space, "spaces", None)
    if parts is not None and not isinstance(parts, dict):
        return [actions_to_wire(part, value) for part, value in zip(parts, actions)]
    return actions if space.dtype is None else np.asarray(actions, dtype=space.dtype)


def stack_one(space: Any, element: Any) -> Any:
    """One element of a single space as a batch of one."""
    parts = getattr(space, "spaces", None)
    if isinstance(element, dict) and parts is not None:
        return {key: stack_one(parts[key], value) for key, value in element.items()}
    if parts is not None and type(space).__name__ == "Tuple":
        return [stack_one(part, value) for part, value in zip(parts, element)]
    if space.dtype is None or isinstance(element, (str, tuple)):
        return [element]
    return np.asarray(element, dtype=space.dtype)[None]


def row(batch: Any, i: int, space: Any) -> Any:
    """Row `i` of a batch as an element of the single space."""
    parts = getattr(space, "spaces", None)
    kind = type(space).__name__
    if kind == "Dict":
        return {key: row(batch[key], i, part) for key, part in parts.items()}
    if kind == "Tuple":
        return tuple(row(value, i, part) for value, part in zip(batch, parts))
    if kind == "Discrete":
        return batch[i].item()
    return batch[i]
