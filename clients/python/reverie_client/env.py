"""One environment on a Reverie env server."""

from __future__ import annotations

from typing import Any, Optional

from . import spaces
from .vector import RemoteVectorEnv, info_at

_Base = spaces.gymnasium.Env if spaces.gymnasium else object


class RemoteEnv(_Base):
    """A single environment; a `gymnasium.Env` where Gymnasium is installed. Options as of `RemoteVectorEnv`."""

    def __init__(self, url: str, *, render_mode: Optional[str] = None, **options: Any) -> None:
        self._vector = RemoteVectorEnv(url, 1, **{**options, "autoreset": "disabled"})
        self.observation_space = self._vector.single_observation_space
        self.action_space = self._vector.single_action_space
        known = self._vector.metadata
        self.metadata = {"render_modes": known.get("render_modes") or [], "render_fps": known.get("render_fps") or 30}
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode must be one of {self.metadata['render_modes']}, got {render_mode!r}")
        self.render_mode = render_mode
        self.spec = None

    def reset(self, *, seed: Optional[int] = None, options: Optional[dict] = None) -> tuple:
        """Begin an episode: observation and info."""
        if spaces.gymnasium:
            super().reset(seed=seed)
        observations, infos = self._vector.reset(seed=seed, options=options)
        return spaces.row(observations, 0, self.observation_space), info_at(infos, 0)

    def step(self, action: Any) -> tuple:
        """Observation, reward, terminated, truncated, info."""
        actions = spaces.stack_one(self.action_space, action)
        observations, rewards, terminations, truncations, infos = self._vector.step(actions)
        observation = spaces.row(observations, 0, self.observation_space)
        return observation, float(rewards[0]), bool(terminations[0]), bool(truncations[0]), info_at(infos, 0)

    def render(self) -> Any:
        """A frame uint8 [H, W, 3], or None without a render mode."""
        return None if self.render_mode is None else self._vector.render()[0]

    def close(self) -> None:
        """Close the environment on the server."""
        self._vector.close()
