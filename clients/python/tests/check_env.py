"""What Gymnasium's `check_env` asks of an environment, for machines without Gymnasium.

The laws are those of `gymnasium.utils.env_checker` 1.4.0 (MIT), said anew on `reverie_client.spaces`; the warnings about
style are left out, determinism is asked for always.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np


def same(a: Any, b: Any) -> bool:
    """Are two observations or infos equal, dtypes included?"""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


def check_signature(env: Any) -> None:
    """`reset` takes seed and options by keyword, and both may be left out."""
    parameters = inspect.signature(env.reset).parameters
    for name in ("seed", "options"):
        assert name in parameters, f"reset takes no {name}"
        assert parameters[name].default is None, f"{name} of reset should be None by default"
    for method in ("step", "render", "close"):
        assert callable(getattr(env, method)), method


def check_reset(env: Any) -> None:
    """Resets give observations of the space; a seed gives the same episode, and goes on to the same next one."""
    first, info = env.reset(seed=123)
    assert env.observation_space.contains(first), "reset(seed=123) is not within the observation space"
    assert isinstance(info, dict), "info is no dict"
    second, _ = env.reset()
    assert same(env.reset(seed=123)[0], first), "reset(seed=123) gives another observation"
    assert same(env.reset()[0], second), "the episode after reset(seed=123) begins differently"
    for result in (env.reset(seed=456), env.reset(), env.reset(options={})):
        assert isinstance(result, tuple) and len(result) == 2
        assert env.observation_space.contains(result[0])


def check_step(env: Any, action: Any) -> None:
    """A step gives five results of Gymnasium's types, and the same ones after the same seed."""
    results = []
    for _ in range(2):
        env.reset(seed=123)
        results.append(env.step(action))
    for observation, reward, terminated, truncated, info in results:
        assert env.observation_space.contains(observation), "step's observation is not within the space"
        assert np.isscalar(reward) and np.isfinite(reward), f"reward is {reward!r}"
        assert isinstance(terminated, (bool, np.bool_)) and isinstance(truncated, (bool, np.bool_))
        assert isinstance(info, dict)
    assert all(same(a, b) for a, b in zip(*results)), "the same seed and action give another step"


def check_render(env: Any) -> None:
    """A frame in the mode that was asked for."""
    assert env.render_mode in (None, *env.metadata["render_modes"])
    frame = env.render()
    if env.render_mode == "rgb_array":
        assert isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.shape[-1] == 3 and frame.ndim == 3
    else:
        assert frame is None


def check_env(env: Any) -> None:
    """All of it; the environment is closed afterwards, twice. Raises AssertionError."""
    assert env.action_space.contains(env.action_space.sample()), "a sampled action is not within the action space"
    check_signature(env)
    check_reset(env)
    check_step(env, env.action_space.sample())
    env.reset(seed=1)
    for _ in range(20):
        ended = env.step(env.action_space.sample())[2:4]
        if any(ended):
            env.reset()
    check_render(env)
    env.close()
    env.close()
