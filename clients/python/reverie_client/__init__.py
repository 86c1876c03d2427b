"""Reverie's environments and policies over WebSocket."""

from .codec import pack, unpack
from .connection import ConnectionLost, RemoteError
from .env import RemoteEnv
from .policy import PolicyClient
from .session import EnvironmentLost
from .vector import RemoteVectorEnv

__all__ = [
    "ConnectionLost",
    "EnvironmentLost",
    "PolicyClient",
    "RemoteEnv",
    "RemoteError",
    "RemoteVectorEnv",
    "pack",
    "unpack",
]
