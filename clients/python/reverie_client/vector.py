"""A vector environment on a Reverie env server."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from . import spaces
from .session import EnvironmentLost, EnvSession

if spaces.gymnasium:
    from gymnasium.vector import AutoresetMode, VectorEnv as _Base

    _MODES = {
        "next-step": AutoresetMode.NEXT_STEP,
        "same-step": AutoresetMode.SAME_STEP,
        "disabled": AutoresetMode.DISABLED,
    }
else:
    _Base = object
    _MODES = {"next-step": "NextStep", "same-step": "SameStep", "disabled": "Disabled"}


class RemoteVectorEnv(_Base):
    """N sub-environments on a server; a `gymnasium.vector.VectorEnv` where Gymnasium is installed.

    `autoreset` is "next-step", "same-step" or "disabled". Transitions that only stand for a reset have
    `infos["valid"]` False (Gymnasium has no place for it elsewhere).
    """

    def __init__(
        self,
        url: str,
        num_envs: int = 1,
        *,
        env_id: Optional[str] = None,
        autoreset: str = "next-step",
        kwargs: Optional[dict] = None,
        token: Optional[str] = None,
        session_id: Optional[str] = None,
        timeout: float = 60.0,
        copy: bool = True,
        on_lost: str = "truncate",
    ) -> None:
        if autoreset not in _MODES:
            raise ValueError(f"autoreset must be one of {sorted(_MODES)}, got {autoreset!r}")
        self._session: Any = None
        opening = {"num_envs": num_envs, "autoreset": autoreset, "kwargs": kwargs or {}}
        if env_id is not None:
            opening["env_id"] = env_id
        self._session = EnvSession(url, opening, token, timeout, session_id)
        facts = self._session.facts
        self.num_envs = facts["num_envs"]
        self.single_observation_space = spaces.from_json(facts["observation_space"])
        self.single_action_space = spaces.from_json(facts["action_space"])
        self.observation_space = spaces.batched(self.single_observation_space, self.num_envs)
        self.action_space = spaces.batched(self.single_action_space, self.num_envs)
        self.metadata = {**facts["metadata"], "autoreset_mode": _MODES[autoreset]}
        self.render_mode = "rgb_array" if facts["renders"] else None
        self.spec = None
        self.closed = False
        self._autoreset = autoreset
        self._copy = copy
        self._raise = on_lost == "raise"
        self._newest: Any = None
        self._lost = np.zeros(self.num_envs, dtype=bool)

    def reset(self, *, seed: Any = None, options: Optional[dict] = None) -> tuple:
        """Reset all sub-environments, or those of `options["reset_mask"]`."""
        rest = {key: value for key, value in (options or {}).items() if key != "reset_mask"}
        mask = (options or {}).get("reset_mask")
        body = {"seed": seed, "options": rest or None, "mask": mask}
        try:
            answer = self._session.call("reset", body)
        except EnvironmentLost:
            self._lost[:] = True
            body["mask"] = mask if self._autoreset == "disabled" else None
            answer = self._session.call("reset", body)
        self._lost[...] = False if body["mask"] is None else self._lost & ~body["mask"]
        return self._observe(answer["observations"], self._lost), _infos(answer["infos"])

    def step(self, actions: Any) -> tuple:
        """Step every sub-environment."""
        if self._lost.any():
            return self._after_loss(actions)
        try:
            return self._step(actions, None)
        except EnvironmentLost:
            self._lost[:] = True
            if self._raise:
                raise
            return self._truncated()

    def render(self) -> tuple:
        """One frame per sub-environment."""
        return tuple(self._session.call("render", {})["frames"])

    def close(self, **_kwargs: Any) -> None:
        """Close the environment on the server."""
        if self._session is not None:
            self._session.close()
        self.closed = True

    def _step(self, actions: Any, mask: Optional[np.ndarray]) -> tuple:
        wire = spaces.actions_to_wire(self.action_space, actions)
        answer = self._session.call("step", {"actions": wire, "mask": mask})
        infos = _infos(answer["infos"])
        infos["valid"] = np.array(answer["valid"])
        if "final_mask" in answer:
            self._add_finals(infos, answer)
        flags = (np.array(answer[key]) for key in ("rewards", "terminations", "truncations"))
        return (self._observe(answer["observations"], self._lost), *flags, infos)

    def _add_finals(self, infos: dict, answer: dict) -> None:
        mask = np.array(answer["final_mask"])
        finals = np.full(self.num_envs, None, dtype=object)
        for i, index in enumerate(np.flatnonzero(mask)):
            finals[index] = spaces.row(answer["final_observations"], i, self.single_observation_space)
        infos.update(final_obs=finals, _final_obs=mask)
        infos.update(final_info=_infos(answer["final_infos"]), _final_info=mask.copy())

    def _after_loss(self, actions: Any) -> tuple:
        """The first step in an environment that took the place of a lost one."""
        if self._autoreset != "disabled":
            observations, infos = self.reset()
            return (observations, *self._flags(False), {**infos, "valid": np.zeros(self.num_envs, bool)})
        if self._lost.all():
            return self._truncated()
        lost = self._lost.copy()
        observations, rewards, terminations, truncations, infos = self._step(actions, ~lost)
        infos.update(connectionLost=lost.copy(), _connectionLost=lost.copy())
        return observations, rewards, terminations, truncations | lost, infos

    def _truncated(self) -> tuple:
        """Every episode ends where it was last seen."""
        lost = np.ones(self.num_envs, dtype=bool)
        infos = {"connectionLost": lost, "_connectionLost": lost.copy(), "valid": lost.copy()}
        last = self._newest
        if self._autoreset != "same-step":
            return (last, *self._flags(True), infos)
        observations, fresh = self.reset()
        finals = np.full(self.num_envs, None, dtype=object)
        for i in range(self.num_envs):
            finals[i] = spaces.row(last, i, self.single_observation_space)
        fresh.update(final_obs=finals, _final_obs=lost.copy(), final_info=infos, _final_info=lost.copy(), valid=lost)
        return (observations, *self._flags(True), fresh)

    def _flags(self, truncated: bool) -> tuple:
        none = np.zeros(self.num_envs, dtype=bool)
        return np.zeros(self.num_envs), none, np.full(self.num_envs, truncated)

    def _observe(self, observations: Any, lost: np.ndarray) -> Any:
        """The observations, but of `lost` rows the last that were seen: the new environment does not know them."""
        new = _own(observations) if self._copy else observations
        self._newest = _merged(new, self._newest, lost) if lost.any() and self._newest is not None else new
        return self._newest


def _own(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _own(part) for key, part in value.items()}
    return tuple(_own(part) for part in value) if isinstance(value, list) else value


def _merged(new: Any, old: Any, rows: np.ndarray) -> Any:
    if isinstance(new, np.ndarray):
        return np.where(rows.reshape(-1, *[1] * (new.ndim - 1)), old, new)
    if isinstance(new, dict):
        return {key: _merged(part, old[key], rows) for key, part in new.items()}
    return tuple(_merged(part, was, rows) for part, was in zip(new, old))


def _infos(columns: dict) -> dict:
    """Columns with masks, as Gymnasium lays them out."""
    infos: dict = {}
    for name, column in columns.items():
        values, mask = column["values"], np.array(column["mask"])
        if isinstance(values, dict):
            infos[name] = _infos(values)
        elif isinstance(values, list):
            infos[name] = np.empty(len(values), dtype=object)
            infos[name][:] = values
        else:
            infos[name] = np.array(values)
        infos[f"_{name}"] = mask
    return infos


def info_at(infos: dict, i: int) -> dict:
    """What sub-environment `i` said, as a plain record."""
    info = {}
    for name, values in infos.items():
        mask = infos.get(f"_{name}")
        if mask is None or not mask[i]:
            continue
        info[name] = info_at(values, i) if isinstance(values, dict) else _plain(values[i])
    return info


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
