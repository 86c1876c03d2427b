"""One environment session: numbered calls, answered once, across lost connections and restarted servers."""

from __future__ import annotations

import random
import time
import uuid
from typing import Any, Optional

from .codec import pack
from .connection import Connection, ConnectionLost, RemoteError


class EnvironmentLost(ConnectionLost):
    """The server no longer has the environment; a new one is open in its place, not reset yet."""


class EnvSession:
    """Opens an environment and makes one call at a time."""

    def __init__(self, url: str, opening: dict, token: Optional[str], timeout: float, session_id: Optional[str]) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout
        self._opening = opening
        self._id = session_id or str(uuid.uuid4())
        self._seq = 0
        self._connection: Optional[Connection] = None
        self._model: Any = None
        self._greeted = False
        self._unopened = True
        last_seq = self._connect()
        self._seq = max(self._seq, last_seq)
        self.facts = self._open()

    def call(self, endpoint: str, body: dict) -> dict:
        """Make a call and wait for the answer.

        Raises EnvironmentLost, TimeoutError, ConnectionLost when the server stays away, or RemoteError.
        """
        self._seq += 1
        message = pack({**body, "endpoint": endpoint, "session_id": self._id, "seq": self._seq})
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                if self._connection is None:
                    self._resume(deadline)
                self._connection.send(message)
                return self._answer(deadline)
            except EnvironmentLost:
                raise
            except ConnectionLost:
                self._drop()

    def close(self) -> None:
        """Close the environment and the connection."""
        if self._connection is None:
            return
        try:
            self._connection.send({"op": "bye"})
        except ConnectionLost:
            pass
        self._drop()

    def _answer(self, deadline: float) -> dict:
        while True:
            message = self._connection.receive(max(0.0, deadline - time.monotonic()))
            if message.get("seq") != self._seq:
                continue
            if message.get("op") == "error":
                raise RemoteError(str(message.get("code")), str(message.get("message")))
            return message

    def _connect(self) -> int:
        """Connect and say hello; the number of the last call that the server knows of, or -1."""
        connection = Connection(self._url, self._token, min(self._timeout, 5.0))
        try:
            known = connection.receive(5.0).get("reverie") or {}
            if known.get("kind") != "env":
                raise RemoteError("PROTOCOL", f"{self._url} is no env server")
            if self._greeted and known.get("model") != self._model:
                raise RemoteError("CHECKPOINT_MISMATCH", "the server came back with another model")
            self._model, self._greeted = known.get("model"), True
            connection.send({"op": "hello", "session_id": self._id})
            while True:
                message = connection.receive(5.0)
                if message.get("op") == "session":
                    self._connection = connection
                    return int(message["last_seq"])
        except TimeoutError as error:
            connection.close()
            raise ConnectionLost(f"{self._url} does not answer") from error
        except BaseException:
            connection.close()
            raise

    def _resume(self, deadline: float) -> None:
        """Come back, waiting longer after each failure. Raises EnvironmentLost when there is a new environment."""
        wait = 0.1
        while True:
            try:
                last_seq = self._connect()
                break
            except ConnectionLost:
                pause = wait * random.uniform(0.5, 1.0)
                if time.monotonic() + pause > deadline:
                    raise TimeoutError(f"{self._url} did not come back") from None
                time.sleep(pause)
                wait = min(2.0, 2.0 * wait)
        if last_seq >= 0 and not self._unopened:
            return
        facts = self._open()
        if facts != self.facts:
            raise RemoteError("CHECKPOINT_MISMATCH", "the server came back with another environment")
        raise EnvironmentLost(f"the server at {self._url} lost the environment")

    def _open(self) -> dict:
        self._unopened = True
        self._seq += 1
        self._connection.send({**self._opening, "endpoint": "open", "session_id": self._id, "seq": self._seq})
        answer = self._answer(time.monotonic() + self._timeout)
        self._unopened = False
        return {key: value for key, value in answer.items() if key not in ("seq", "t_mono")}

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
