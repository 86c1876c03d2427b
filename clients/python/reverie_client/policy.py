"""A policy on a Reverie (or stock openpi) policy server."""

from __future__ import annotations

import time
import uuid
from typing import Any, Optional

from .connection import Connection, ConnectionLost, RemoteError


class PolicyClient:
    """Asks for one decision at a time, each with a deadline; comes back after a lost connection."""

    def __init__(
        self,
        url: str,
        *,
        token: Optional[str] = None,
        timeout: float = 1.0,
        connect_timeout: float = 5.0,
        session_id: Optional[str] = None,
    ) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._id = session_id or str(uuid.uuid4())
        self._seq = 0
        self._episode = 0
        self._connection: Optional[Connection] = None
        self.metadata: dict = {}
        self._numbered = False
        self._connect()

    def infer(self, observation: dict) -> dict:
        """The server's reply, `actions` in it.

        Raises TimeoutError when it is late (a late reply is never taken for the next one), ConnectionLost, or
        RemoteError when the policy failed.
        """
        if self._connection is None:
            self._connect()
        self._seq += 1
        control = {"session_id": self._id, "episode": self._episode, "seq": self._seq} if self._numbered else {}
        try:
            self._connection.send({**observation, **control})
            return self._reply(time.monotonic() + self._timeout)
        except TimeoutError:
            # A stock server numbers nothing: only a new connection keeps its late reply away from the next question.
            if not self._numbered:
                self.close()
            raise
        except ConnectionLost:
            self.close()
            raise

    def reset(self) -> None:
        """The next observation begins a new episode."""
        self._episode += 1

    def close(self) -> None:
        """Disconnect; the next `infer` connects again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _reply(self, deadline: float) -> dict:
        while True:
            reply = self._connection.receive(max(0.0, deadline - time.monotonic()))
            if self._numbered and reply.get("seq") != self._seq:
                continue
            if reply.get("op") == "error":
                raise RemoteError(str(reply.get("code")), str(reply.get("message")))
            return reply

    def _connect(self) -> None:
        connection = Connection(self._url, self._token, self._connect_timeout)
        try:
            self.metadata = connection.receive(self._connect_timeout)
            self._numbered = "reverie" in self.metadata
            if self._numbered:
                connection.send({"op": "hello", "session_id": self._id})
                session = connection.receive(self._connect_timeout)
                self._seq = max(self._seq, int(session["last_seq"]))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
