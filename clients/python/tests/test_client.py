"""The client against live servers: REVERIE_ENV_URL, REVERIE_POLICY_URL, REVERIE_TOKEN."""

import json
import os
import sys
import time
import unittest
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from reverie_client import ConnectionLost, EnvironmentLost, PolicyClient, RemoteEnv, RemoteError, RemoteVectorEnv, pack, unpack  # noqa: E402
from reverie_client.spaces import from_json, gymnasium  # noqa: E402
from tests.check_env import check_env  # noqa: E402

ENV_URL = os.environ.get("REVERIE_ENV_URL", "")
POLICY_URL = os.environ.get("REVERIE_POLICY_URL", "")
TOKEN = os.environ.get("REVERIE_TOKEN")
GOLDEN = Path(__file__).parents[3] / "test" / "bridge" / "wire" / "golden-packets.json"


class Codec(unittest.TestCase):
    def test_reencodes_openpi_packets_to_the_same_bytes(self):
        for packet in json.loads(GOLDEN.read_text()):
            with self.subTest(packet["name"]):
                data = bytes.fromhex(packet["hex"])
                self.assertEqual(pack(unpack(data)), data)

    def test_refuses_what_does_not_cross_the_wire(self):
        for value in (np.array([object()]), np.array([1j]), {"x": object()}, np.datetime64("2026-01-01")):
            with self.assertRaises(TypeError):
                pack(value)
        lie = pack(np.zeros(4, np.float32)).replace(b"<f4", b"<f8")
        with self.assertRaises(ValueError):
            unpack(lie)


class Single(unittest.TestCase):
    def test_keeps_the_laws_of_check_env(self):
        for render_mode in (None, "rgb_array"):
            with self.subTest(render_mode):
                check_env(RemoteEnv(ENV_URL, token=TOKEN, kwargs={"length": 7}, render_mode=render_mode))

    @unittest.skipUnless(gymnasium, "Gymnasium is not installed")
    def test_passes_gymnasiums_check_env(self):
        from gymnasium.utils import env_checker

        env = RemoteEnv(ENV_URL, token=TOKEN, render_mode="rgb_array")
        self.assertIsInstance(env, gymnasium.Env)
        env_checker.check_env(env)

    def test_steps_to_the_end_of_an_episode(self):
        env = RemoteEnv(ENV_URL, token=TOKEN, kwargs={"length": 3}, render_mode="rgb_array")
        observation, info = env.reset(seed=5)
        again, _ = env.reset(seed=5)
        np.testing.assert_array_equal(observation["state"], again["state"])
        self.assertEqual(info["start"], observation["state"][1])
        for step in range(1, 4):
            observation, reward, terminated, truncated, info = env.step(np.array([0.5, 0.0], np.float32))
            self.assertEqual((reward, terminated, truncated), (step, step == 3, False))
            self.assertEqual((info["count"], info["note"], info["nested"]), (step, f"step {step}", {"even": step % 2 == 0}))
        self.assertAlmostEqual(float(observation["state"][2]), 1.5)
        self.assertEqual(env.render().shape, (4, 4, 3))
        observation["frame"][0, 0, 0] = 7
        env.close()
        env.close()


class Vector(unittest.TestCase):
    def make(self, **options):
        env = RemoteVectorEnv(ENV_URL, 3, token=TOKEN, kwargs={"length": 2}, **options)
        self.addCleanup(env.close)
        return env

    @staticmethod
    def act(env):
        return np.zeros(env.action_space.shape, np.float32)

    @unittest.skipUnless(gymnasium, "Gymnasium is not installed")
    def test_is_a_gymnasium_vector_env(self):
        env = self.make()
        self.assertIsInstance(env, gymnasium.vector.VectorEnv)
        self.assertEqual(env.metadata["autoreset_mode"], gymnasium.vector.AutoresetMode.NEXT_STEP)
        wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
        wrapped.reset(seed=1)
        wrapped.step(self.act(env))
        infos = wrapped.step(self.act(env))[-1]
        np.testing.assert_array_equal(infos["episode"]["r"], [3, 3, 3])

    def test_next_step(self):
        env = self.make()
        observations, infos = env.reset(seed=1)
        self.assertIn(observations, env.observation_space)
        np.testing.assert_array_equal(infos["start"], observations["state"][:, 1])
        env.step(self.act(env))
        observations, rewards, terminations, _, infos = env.step(self.act(env))
        self.assertEqual((rewards.tolist(), terminations.tolist()), ([2, 2, 2], [True] * 3))
        observations, rewards, terminations, _, infos = env.step(self.act(env))
        self.assertEqual(observations["state"][:, 0].tolist(), [0, 0, 0])
        self.assertEqual((infos["valid"].tolist(), rewards.tolist()), ([False] * 3, [0, 0, 0]))

    def test_same_step(self):
        env = self.make(autoreset="same-step")
        env.reset(seed=1)
        infos = env.step(self.act(env))[-1]
        self.assertNotIn("final_obs", infos)
        observations, _, terminations, _, infos = env.step(self.act(env))
        self.assertEqual((observations["state"][:, 0].tolist(), terminations.tolist()), ([0, 0, 0], [True] * 3))
        self.assertEqual([final["state"][0] for final in infos["final_obs"]], [2, 2, 2])
        self.assertEqual((infos["_final_obs"].tolist(), infos["final_info"]["count"].tolist()), ([True] * 3, [2, 2, 2]))

    def test_disabled_with_reset_mask(self):
        env = self.make(autoreset="disabled")
        env.reset(seed=1)
        env.step(self.act(env))
        options = {"reset_mask": np.array([True, False, False])}
        observations, infos = env.reset(options=options)
        self.assertEqual(observations["state"][:, 0].tolist(), [0, 1, 1])
        self.assertEqual(infos["_start"].tolist(), [True, False, False])
        self.assertEqual(list(options), ["reset_mask"])

    def test_reports_the_servers_errors(self):
        with self.assertRaisesRegex(RemoteError, "no such environment"):
            RemoteVectorEnv(ENV_URL, 1, token=TOKEN, kwargs={"fail": True})
        with self.assertRaises(RemoteError) as caught:
            RemoteVectorEnv(ENV_URL, 1, token="wrong")
        self.assertEqual(caught.exception.code, "UNAUTHORIZED")
        with self.assertRaises(ConnectionLost):
            RemoteVectorEnv("ws://127.0.0.1:9", 1)

    def test_views_are_read_only_unless_copied(self):
        self.assertTrue(self.make().reset()[0]["frame"].flags.writeable)
        self.assertFalse(self.make(copy=False).reset()[0]["frame"].flags.writeable)

    def test_resumes_a_lost_connection_without_stepping_twice(self):
        env = RemoteVectorEnv(ENV_URL, 2, token=TOKEN, kwargs={"length": 50})
        self.addCleanup(env.close)
        env.reset(seed=1)
        for step in range(1, 6):
            env._session._connection.close()
            self.assertEqual(env.step(self.act(env))[1].tolist(), [step, step])

    def lose(self, env):
        """The server forgets the environment, as after a restart."""
        env._session._connection.send({"op": "bye"})

    def test_truncates_the_episodes_of_a_lost_environment(self):
        env = RemoteVectorEnv(ENV_URL, 2, token=TOKEN, kwargs={"length": 9})
        self.addCleanup(env.close)
        env.reset(seed=1)
        seen = env.step(self.act(env))[0]
        self.lose(env)
        observations, rewards, terminations, truncations, infos = env.step(self.act(env))
        np.testing.assert_array_equal(observations["state"], seen["state"])
        self.assertEqual((terminations.tolist(), truncations.tolist()), ([False] * 2, [True] * 2))
        self.assertEqual((rewards.tolist(), infos["connectionLost"].tolist()), ([0, 0], [True] * 2))
        observations, _, _, truncations, infos = env.step(self.act(env))
        self.assertEqual((observations["state"][:, 0].tolist(), infos["valid"].tolist()), ([0, 0], [False] * 2))
        self.assertEqual(env.step(self.act(env))[0]["state"][:, 0].tolist(), [1, 1])

    def test_puts_new_episodes_in_place_of_lost_ones_under_same_step(self):
        env = RemoteVectorEnv(ENV_URL, 2, token=TOKEN, autoreset="same-step", kwargs={"length": 9})
        self.addCleanup(env.close)
        env.reset(seed=1)
        env.step(self.act(env))
        self.lose(env)
        observations, _, _, truncations, infos = env.step(self.act(env))
        self.assertEqual((observations["state"][:, 0].tolist(), truncations.tolist()), ([0, 0], [True] * 2))
        self.assertEqual([final["state"][0] for final in infos["final_obs"]], [1, 1])

    def test_keeps_lost_rows_apart_from_reset_ones_when_disabled(self):
        env = RemoteVectorEnv(ENV_URL, 2, token=TOKEN, autoreset="disabled", kwargs={"length": 9})
        self.addCleanup(env.close)
        env.reset(seed=1)
        env.step(self.act(env))
        self.lose(env)
        self.assertEqual(env.step(self.act(env))[3].tolist(), [True, True])
        env.reset(options={"reset_mask": np.array([False, True])})
        observations, _, _, truncations, infos = env.step(self.act(env))
        self.assertEqual((observations["state"][:, 0].tolist(), truncations.tolist()), ([1, 1], [True, False]))

    def test_raises_for_a_lost_environment_where_told_to(self):
        env = RemoteVectorEnv(ENV_URL, 1, token=TOKEN, on_lost="raise")
        self.addCleanup(env.close)
        env.reset()
        self.lose(env)
        with self.assertRaises(EnvironmentLost):
            env.step(self.act(env))
        env.reset()
        self.assertEqual(env.step(self.act(env))[0]["state"][:, 0].tolist(), [1])

    def test_spaces_survive_the_handshake(self):
        shown = {
            "kind": "Dict",
            "spaces": [
                ["box", {"kind": "Box", "dtype": "float32", "shape": [2], "low": "-Infinity", "high": [1, 2]}],
                ["one", {"kind": "Discrete", "n": 3, "start": 1, "dtype": "int64"}],
                ["many", {"kind": "MultiDiscrete", "nvec": [2, 3], "start": [0, 0], "dtype": "int64"}],
                ["bits", {"kind": "MultiBinary", "n": 4}],
                ["both", {"kind": "Tuple", "spaces": [{"kind": "Box", "dtype": "uint8", "shape": [], "low": 0, "high": 9}]}],
            ],
        }
        space = from_json(shown)
        space.seed(1)
        for _ in range(20):
            self.assertTrue(space.contains(space.sample()))


class Policy(unittest.TestCase):
    def test_asks_for_decisions(self):
        policy = PolicyClient(POLICY_URL, token=TOKEN)
        image = np.zeros((8, 8, 3), np.uint8)
        first = policy.infer({"x": 3, "observation/image": image, "prompt": "fork"})
        self.assertEqual(first["actions"].tolist(), [[3, 1, 1]])
        self.assertEqual(policy.infer({"x": 4})["actions"].tolist(), [[4, 1, 0]])
        policy.reset()
        self.assertEqual(policy.infer({"x": 5})["actions"].tolist(), [[5, 1, 1]])
        with self.assertRaisesRegex(RemoteError, "cannot see"):
            policy.infer({"throw": True})
        policy._connection.close()
        with self.assertRaises(ConnectionLost):
            policy.infer({"x": 6})
        self.assertEqual(policy.infer({"x": 7})["actions"].tolist(), [[7, 1, 0]])
        policy.close()

    def test_never_takes_a_late_reply_for_the_next(self):
        policy = PolicyClient(POLICY_URL, token=TOKEN, timeout=0.0)
        late = 0
        for x in range(20):
            try:
                self.assertEqual(policy.infer({"x": x})["actions"][0][0], x)
            except TimeoutError:
                late += 1
        self.assertGreater(late, 0)
        policy._timeout = 2.0
        time.sleep(0.05)
        self.assertEqual(policy.infer({"x": 99})["actions"][0][0], 99)
        policy.close()


HAS_STOCK_CLIENT = find_spec("openpi_client") and find_spec("websockets.sync")


@unittest.skipUnless(HAS_STOCK_CLIENT, "openpi's own client is not on the PYTHONPATH, or websockets is too old for it")
class StockOpenpi(unittest.TestCase):
    def test_works_unchanged(self):
        from openpi_client.websocket_client_policy import WebsocketClientPolicy

        policy = WebsocketClientPolicy(POLICY_URL, api_key=TOKEN)
        self.assertEqual(policy.get_server_metadata()["reset_pose"], [0.5, 1])
        observation = {"x": 2.0, "observation/image": np.zeros((224, 224, 3), np.uint8), "prompt": "fork"}
        for begins in (1, 0):
            reply = policy.infer(observation)
            self.assertEqual(reply["actions"].tolist(), [[2, 1, begins]])
            self.assertIn("infer_ms", reply["server_timing"])
        with self.assertRaisesRegex(RuntimeError, "cannot see"):
            policy.infer({"throw": True})


if __name__ == "__main__":
    unittest.main()
