"""What a person types: errors say what, where and what to do; exit codes are the documented ones; every command has --help."""
import json
import os
import pathlib
import re
import signal
import subprocess
import unittest

from farm import BIN, Farm, eventually


def run(*arguments, env=None, stdin=None):
    return subprocess.run([str(BIN / "zoe"), *map(str, arguments)], env=env, input=stdin, capture_output=True, text=True, timeout=120)


class Words(unittest.TestCase):
    def test_every_command_has_help(self):
        text = run("--help").stdout
        commands = re.findall(r"^  (\w+(?: \w+)?) ", text.split("Commands:")[1], re.M)
        known = [c.split() for c in commands]
        self.assertGreater(len(known), 20)
        for words in known:
            first = words[:1] if words[0] in ("render", "submit", "status", "events") else words
            done = run(*first, "--help")
            self.assertEqual(done.returncode, 0, (words, done.stderr))
            self.assertIn("Usage:", done.stdout)

    def test_wrong_words_say_the_right_ones(self):
        for arguments, hint in ((["bacth", "list"], "batch"), (["batch", "lst"], "list"), (["submit", "-", "--seedz", "3"], "--seeds"), (["batch", "show"], "BATCH"),
                                (["--state", "d"], ""), (["--state", "d", "wroker"], "worker"), (["--state", "d", "worker"], ""), (["--state", "d", "status", "--state", "e"], "twice"),
                                (["submit", "-", "--steps", "many"], "--steps"), (["submit", "-", "--seed", "-1"], "--seed")):
            done = run(*arguments, stdin="x\n")
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(hint, done.stderr)

    def test_servers_take_the_same_log_level(self):
        for program, flag in (("zoe-coordinator", "--log-level"), ("zoe-worker", "--log-level"), ("zoe-worker", "--log")):
            for level, code in (("debug", 0), ("loud", 2)):
                done = subprocess.run([BIN / program, flag, level, "--version"], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, code, (program, flag, done.stderr))

    def test_servers_have_manuals_that_know_every_option(self):
        for program in ("zoe-coordinator", "zoe-worker"):
            page = (pathlib.Path(__file__).parents[2] / "docs" / "man" / f"{program}.1").read_text()
            said = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, timeout=60).stdout
            words = set(re.findall(r"--([a-z][a-z-]+)", said))
            self.assertGreater(len(words), 9)
            for word in words:
                self.assertRegex(page, rf"(Fl|,) -{word}\b", program)

    def test_no_farm_is_exit_3(self):
        with Farm() as farm:
            done = farm.run("status")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("zoe farm up", done.stderr)

    def test_nobody_there_is_exit_4(self):
        with Farm() as farm:
            farm.zoe("key", "new", farm.folder / "client.key")
            done = farm.run("status", "--coordinator", "tcp://127.0.0.1:9", "--server-key", "ab" * 32, "--client-key", farm.folder / "client.key", "--timeout", "1s")
            self.assertEqual(done.returncode, 4, done.stderr)

    def test_events_that_are_followed_end_in_time(self):
        with Farm() as farm:
            farm.start_coordinator()
            done = farm.run("events", "-f", "--timeout", "1s", timeout=20)
            self.assertEqual(done.returncode, 124, done.stderr)
            self.assertRegex(done.stderr, r"zoe events -f --after \d+")
            farm.kill_coordinator(signal.SIGTERM)
            self.assertIn(farm.run("events", "-f", "--timeout", "1s", timeout=20).returncode, (4, 124))

    def test_keys(self):
        with Farm() as farm:
            path = farm.folder / "k"
            public = farm.zoe("key", "new", path).strip()
            self.assertRegex(public, "^[0-9a-f]{64}$")
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            self.assertEqual(farm.zoe("key", "show", path).strip(), public)
            farm.zoe("key", "new", path, code=7)
            path.chmod(0o644)
            farm.zoe("key", "show", path, code=5)


class Submissions(unittest.TestCase):
    BAD = [
        ('{"prompt": "a", "guidence_scale": 3}', "1", "guidence_scale: .*guidance_scale"),
        ('{"prompt": "a"}\n{"prompt": "b", "seed": -4}', "2", "seed"),
        ('{"prompt": "a", "seed": null}', "1", "seed"),
        ('{"prompt": "a", "num_frames": "many"}', "1", "num_frames"),
        ('{"prompt": "a", "width": 63}', "1", "width"),
        ('{"prompt": 5}', "1", "prompt"),
        ('{"prompt": "a"', "1", ""),
        ('{"seed": 1}', "1", "prompt"),
        ('{"prompt": "a", "model": "nope"}', "1", "model"),
        ('{"prompt": "a", "scheduler": "eulr"}', "1", "scheduler"),
    ]

    def test_bad_lines_are_named_and_nothing_is_submitted(self):
        with Farm() as farm:
            farm.start_coordinator()
            for text, line, field in self.BAD:
                with self.subTest(text=text):
                    done = farm.run("submit", "-", "--model", "pattern", stdin=text + "\n")
                    self.assertIn(done.returncode, (2, 3, 6), done.stderr)
                    self.assertRegex(done.stderr, rf"-:{line}: {field}")
            for text in ("", "\n\n# only a comment\n"):
                self.assertEqual(farm.run("submit", "-", "--model", "pattern", stdin=text).returncode, 2)
            done = farm.run("submit", "-", "--model", "shapes", stdin='{"prompt": "a", "pattern": {"step_ms": 5}}\n')
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(farm.zoe("batch", "list", json_out=True)["batches"], [])

    def test_impossible_words_are_the_askers_mistake(self):
        with Farm() as farm:
            farm.start_coordinator()
            for word in ("NOPE", "nope", "", "last ", "0123456789a", os.fsdecode(b"\xff")):
                done = farm.run("batch", "show", word)
                self.assertEqual(done.returncode, 3, (word, done.stderr))
                self.assertIn("zoe batch list", done.stderr)
            for words, hint in ((["worker", "drain", "w", "--grace", "30d"], "7d"), (["worker", "drain", "w", "--grace", "9000000d"], "duration"),
                                (["batch", "list", "--only", "bogus"], "queued"), (["batch", "list", "--before", "NOPE"], "before"),
                                (["worker", "show", "x" * 300], "128"), (["client", "allow", "ab" * 32, "--name", "n" * 200], "128")):
                done = farm.run(*words)
                self.assertEqual(done.returncode, 2, (words, done.stderr))
                self.assertIn(hint, done.stderr)
                self.assertNotIn("internal", done.stderr)
            done = farm.run("submit", "-", "--name", "a\tb", stdin="x\n")
            self.assertEqual(done.returncode, 2, done.stderr)
            done = farm.run("batch", "show", os.fsdecode(b"\xff"), "--json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["code"]), (3, "not_found"))
            done = farm.run("batch", "list", "--nope", "--json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["code"]), (2, "usage"))

    def test_model_from_flag_environment_and_file(self):
        with Farm() as farm:
            farm.start_coordinator()
            conf = pathlib.Path(farm.env["HOME"]) / ".config/zoetrope/zoe.conf"
            conf.parent.mkdir(parents=True)

            def model(*words):
                batch = farm.zoe("submit", "-", "--again", *words, stdin="a red circle\n", json_out=True)["batch"]
                return farm.batch(batch)["groups"][0]["model"]
            self.assertEqual(model(), "shapes")
            conf.write_text("model = pattern\n")
            self.assertEqual(model(), "pattern")
            farm.env["ZOE_MODEL"] = "shapes"
            self.assertEqual(model(), "shapes")
            self.assertEqual(model("--model", "pattern"), "pattern")

    def test_unknown_words_warn_once(self):
        with Farm() as farm:
            farm.start_coordinator()
            done = farm.run("submit", "-", stdin="a red circle\na zebra dancing\na zebra\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("warning:"), 1)
            self.assertIn("zebra", done.stderr)

    def test_roles(self):
        with Farm() as farm:
            farm.start_coordinator()
            mine = farm.folder / "mine.key"
            public = farm.zoe("key", "new", mine).strip()
            done = farm.run("batch", "list", "--client-key", mine, "--timeout", "3s")
            self.assertIn(done.returncode, (4, 5), done.stderr)
            farm.zoe("client", "allow", public, "--name", "ann")
            farm.zoe("submit", "-", "--model", "pattern", "--client-key", mine, stdin="x\n")
            self.assertEqual(farm.zoe("batch", "list", json_out=True)["batches"][0]["owner"], "ann")
            for words, role in ((("worker", "allow", "ab" * 32, "--name", "w"), "admin"), (("worker", "quarantine", "w"), "operate")):
                done = farm.run(*words, "--client-key", mine)
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(f"this needs the role {role}; the key ann has submit", done.stderr)
                self.assertIn(f"--role {role}`", done.stderr)

    def test_a_key_that_is_not_allowed_is_told_how_it_would_be(self):
        with Farm() as farm:
            farm.start_coordinator()
            mine = farm.folder / "mine.key"
            done = farm.run("status", "--client-key", mine)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("have an admin run `zoe client allow KEY --name NAME`", done.stderr)
            public = farm.zoe("key", "new", mine).strip()
            farm.zoe("token", "create", "--role", "submit")
            for revoked in (False, True):
                if revoked:
                    farm.zoe("client", "allow", public, "--name", "ann")
                    farm.zoe("key", "revoke", "ann")
                done = farm.run("status", "--client-key", mine)
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn("an admin runs `zoe client allow KEY --name NAME`, or join with `zoe client join TOKEN`", done.stderr)


class StateOfACoordinator(unittest.TestCase):
    """--state of a coordinator that was started by hand: it is reached, and no farm is started in its folder."""

    @staticmethod
    def bare(farm, *arguments):
        env = {k: v for k, v in farm.env.items() if not k.startswith("ZOE_")}
        return subprocess.run([BIN / "zoe", *map(str, arguments)], env=env, capture_output=True, text=True, timeout=120)

    def test_it_is_reached_while_it_runs(self):
        with Farm() as farm:
            farm.start_coordinator()
            tells = farm.state / "coordinator.json"
            self.assertEqual(tells.stat().st_mode & 0o777, 0o600)
            for words in (["--state", farm.state, "worker", "allow", "ab" * 32, "--name", "gpu"], ["-q", f"--state={farm.state}", "status", "--json"], ["status", "--state", farm.state]):
                done = self.bare(farm, *words)
                self.assertEqual(done.returncode, 0, (words, done.stderr))
            done = self.bare(farm, "farm", "status", "--state", farm.state, "--json")
            shown = json.loads(done.stdout)
            self.assertEqual((shown["running"], shown["workers"], shown["pid"]), (True, 0, farm.coordinator.pid))
            for words in (["down"], ["up", "--workers", "2"]):
                done = self.bare(farm, "farm", *words, "--state", farm.state)
                self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIsNone(farm.coordinator.poll())
            farm.kill_coordinator(signal.SIGTERM)
            self.assertFalse(tells.exists())

    def test_no_farm_is_started_in_its_folder(self):
        with Farm() as farm:
            for how in (signal.SIGTERM, signal.SIGKILL):
                farm.start_coordinator()
                farm.kill_coordinator(how)
                self.assertEqual((farm.state / "coordinator.json").exists(), how == signal.SIGKILL)
                for words in (["status"], ["render", "x"], ["farm", "up"]):
                    done = self.bare(farm, *words, "--state", farm.state)
                    self.assertEqual(done.returncode, 4, (words, done.stderr))
                    self.assertIn("does not run", done.stderr)
                self.assertEqual([n for n in ("farm.lock", "farm.json", "farm.log", "coordinator", "workers") if (farm.state / n).exists()], [])
                self.assertEqual(self.bare(farm, "farm", "status", "--state", farm.state).returncode, 3)
            farm.start_coordinator()
            self.assertEqual(self.bare(farm, "status", "--state", farm.state).returncode, 0)


class StateOfAWorker(unittest.TestCase):
    def test_no_farm_is_started_in_its_folder(self):
        with Farm().start() as farm:
            folder = farm.folder / "workers/w1"
            eventually((folder / "worker.lock").exists, what="the worker is there")
            for words in (["status"], ["render", "x"], ["farm", "up"]):
                done = StateOfACoordinator.bare(farm, *words, "--state", folder)
                self.assertEqual(done.returncode, 2, (words, done.stderr))
                self.assertIn("folder of a worker", done.stderr)
            self.assertEqual([n for n in ("farm.lock", "farm.json", "farm.log", "coordinator", "workers") if (folder / n).exists()], [])


class Embedded(unittest.TestCase):
    def test_life_of_the_embedded_farm(self):
        with Farm() as farm:
            state = pathlib.Path(farm.env["HOME"]) / ".local/state/zoetrope"
            try:
                clip = farm.folder / "clip.mp4"
                done = farm.run("render", "a first clip", "--model", "pattern", "--frames", "4", "--steps", "2", "-o", clip)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreater(clip.stat().st_size, 500)
                self.assertEqual(state.stat().st_mode & 0o777, 0o700)
                self.assertEqual((state / "farm.json").stat().st_mode & 0o777, 0o600)
                shown = farm.zoe("farm", "status", json_out=True)
                self.assertEqual((shown["running"], shown["workers"]), (True, 1))
                farm.zoe("farm", "up", "--workers", "2")
                eventually(lambda: farm.zoe("status", json_out=True)["workers_idle"] == 2, 30, "two workers")
                supervisor = json.loads((state / "farm.json").read_text())
                os.kill(supervisor["coordinator_pid"], signal.SIGKILL)
                eventually(lambda: farm.run("status").returncode == 0, 60, "the supervisor restarts its coordinator")
                farm.zoe("farm", "down")
                self.assertFalse((state / "farm.json").exists())
                farm.zoe("farm", "status", code=3)
                done = farm.run("batch", "list", "-q")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("Resuming", done.stderr)
                self.assertEqual(len(done.stdout.split()), 1)
            finally:
                farm.zoe("farm", "down")

    def test_a_start_that_fails_does_not_end_a_farm_that_worked(self):
        with Farm() as farm:
            state = pathlib.Path(farm.env["HOME"]) / ".local/state/zoetrope"
            try:
                farm.zoe("farm", "up", "--workers", "1")
                eventually(lambda: farm.zoe("status", json_out=True)["workers_idle"] == 1, 30, "a worker")
                key = state / "workers/1/worker.key"
                kept = key.read_text()
                key.write_text("no key")
                os.kill(json.loads((state / "farm.json").read_text())["coordinator_pid"], signal.SIGKILL)
                eventually(lambda: "is started once more" in (state / "farm.log").read_text(), 60, "the supervisor tries again")
                key.write_text(kept)
                eventually(lambda: farm.run("status").returncode == 0 and farm.zoe("status", json_out=True)["workers_idle"] == 1, 60, "the farm works again")
            finally:
                farm.zoe("farm", "down")


if __name__ == "__main__":
    unittest.main()
