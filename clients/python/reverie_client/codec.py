"""msgpack with NumPy arrays, in the encoding that openpi made common."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import numpy as np

_KINDS = frozenset("biufU")


def _encode(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in _KINDS:
        raise TypeError(f"arrays of dtype {value.dtype} do not cross the wire")
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} does not cross the wire")


def _decode(value: dict) -> Any:
    if b"__ndarray__" in value:
        dtype = _dtype(value[b"dtype"])
        shape = tuple(value[b"shape"])
        data = value[b"data"]
        if any(axis < 0 for axis in shape) or math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"{len(data)} bytes do not fill shape {shape} of {dtype}")
        return np.ndarray(buffer=data, dtype=dtype, shape=shape)
    if b"__npgeneric__" in value:
        return _dtype(value[b"dtype"]).type(value[b"data"])
    return value


def _dtype(name: Any) -> np.dtype:
    dtype = np.dtype(name)
    if dtype.kind not in _KINDS:
        raise ValueError(f"arrays of dtype {dtype} do not cross the wire")
    return dtype


def pack(value: Any) -> bytes:
    """Encode one message. Raises TypeError for what has no form on the wire."""
    return msgpack.packb(value, default=_encode)


def unpack(data: bytes) -> Any:
    """Decode one message. Arrays are read-only views of `data`. Raises ValueError when it is malformed."""
    return msgpack.unpackb(data, object_hook=_decode)
