"""Models' own canaries (W2): before its first task of a model a worker shows that it renders it right."""
import hashlib
import json
import pathlib
import shutil
import sys
import unittest

from farm import BIN, SOURCE, Farm, eventually

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))
from chaos_farm import ChaosFarm  # noqa: E402

PROMPTS = ["a red circle moves right", "a blue square moves up", "a green ring stands still"]
QUICK = ("--model", "shapes", "--steps", "4")


def worker(farm, name):
    return next((w for w in farm.zoe("worker", "list", json_out=True)["workers"] if w["name"] == name), {"state": "unknown"})


def wait_state(farm, name, *states):
    eventually(lambda: worker(farm, name)["state"] in states, 60, f"{name} is {states}")
    return worker(farm, name)


def events(farm, kind):
    return [e for e in farm.zoe("events", json_out=True)["events"] if e["kind"] == kind]


def shapes_without_canary(folder):
    """The model as a user would bring it, without answers."""
    shutil.copytree(SOURCE / "models" / "pattern", folder / "pattern")
    shutil.copytree(SOURCE / "models" / "shapes", folder / "shapes", ignore=shutil.ignore_patterns("canary.json", "train"))
    return [folder]


class OwnCanary(unittest.TestCase):
    def test_a_tampered_engine_gets_no_task_of_the_model(self):
        with ChaosFarm() as farm:
            farm.start_coordinator()
            sick = farm.sick_worker("sick")
            sick.order("tint", canaries=True)
            wait_state(farm, "sick", "idle")   # that of `pattern` was right
            batch = farm.submit(PROMPTS[:1], *QUICK)["batch"]
            found = wait_state(farm, "sick", "quarantined")
            self.assertIn("canary of model shapes wrong", found["reason"])
            self.assertEqual(farm.batch(batch)["attempts"], 0)
            self.assertEqual([p["trick"] for p in sick.played()], ["tint"])
            self.assertTrue(sick.played()[0]["attempt"].startswith("canary."))
            explained = farm.zoe("explain", batch, json_out=True)
            self.assertEqual(explained["reasons"][0]["code"], "no_worker", explained)
            farm.worker("sound")
            farm.wait(batch)
            self.assertEqual(worker(farm, "sick")["state"], "quarantined")
            self.assertEqual(worker(farm, "sick")["finished"], 0)
            self.assertEqual(worker(farm, "sound")["finished"], 1)

    def test_one_is_rendered_a_worker_and_model_whatever_the_slots(self):
        with Farm() as farm:
            farm.start_coordinator()
            farm.start_worker("w1", "--slots", "2", env={"ZOE_LOG": "debug"})
            wait_state(farm, "w1", "idle")
            farm.wait(farm.submit(PROMPTS, *QUICK)["batch"])
            farm.wait(farm.submit(["x", "y"], "--model", "pattern")["batch"])
            farm.kill_coordinator()
            farm.start_coordinator()   # what was shown is forgotten: once more
            wait_state(farm, "w1", "idle", "busy")
            farm.wait(farm.submit(["another red circle"], *QUICK)["batch"])
            self.assertEqual(worker(farm, "w1")["finished"], 6)
            self.assertEqual(events(farm, "worker.quarantined"), [])
            outbox = farm.folder / "workers" / "w1" / "outbox"
            self.assertEqual([p.name for p in outbox.rglob("*canary*")], [])

    def test_what_two_agree_on_finds_a_third(self):
        with ChaosFarm() as farm:
            farm.models = shapes_without_canary(farm.folder / "models")
            farm.start_coordinator()
            for name in ("one", "two"):   # one after the other: what they said outlives them
                farm.start_worker(name)
                farm.wait(farm.submit([f"a red circle for {name}"], *QUICK)["batch"])
                self.assertEqual(worker(farm, name)["finished"], 1)
                farm.kill_worker(name)
            sick = farm.sick_worker("sick")
            sick.order("tint", canaries=True)
            farm.submit(PROMPTS, *QUICK)
            self.assertIn("canary of model shapes wrong", wait_state(farm, "sick", "quarantined")["reason"])
            self.assertEqual(worker(farm, "sick")["finished"], 0)


class KeptCanary(unittest.TestCase):
    """zoe model canary: what this machine renders judges the workers from then on."""

    def farm_without(self):
        farm = ChaosFarm()
        self.addCleanup(shutil.rmtree, farm.folder, True)
        farm.own = False
        farm.models = shapes_without_canary(farm.folder / "models")
        return farm, farm.folder / "models" / "shapes" / "canary.json"

    def test_the_next_worker_is_judged_by_it(self):
        farm, path = self.farm_without()
        with farm:
            farm.start_coordinator()
            batch = farm.submit(PROMPTS[:1], *QUICK)["batch"]   # nobody makes the coordinator look at its models after this
            made = farm.zoe("model", "canary", "shapes", json_out=True)
            kept = json.loads(path.read_text())
            self.assertEqual(made, {"schema": "zoe.model-canary.v1", "name": "shapes", "path": str(path), "frames_sha256": kept["frames_sha256"]})
            (digest,) = kept["frames_sha256"].values()
            self.assertEqual(hashlib.sha256(bytes.fromhex(kept["frame"]["rgb"])).hexdigest(), digest)
            self.assertEqual([kept["frame"][k] for k in ("width", "height")], [64, 64])
            self.assertEqual([kept["recipe"][k] for k in ("model", "num_frames", "num_inference_steps")], ["shapes", 1, 2])
            sick = farm.sick_worker("sick")
            sick.order("tint", canaries=True)
            self.assertIn("canary of model shapes wrong", wait_state(farm, "sick", "quarantined")["reason"])
            self.assertEqual(farm.batch(batch)["attempts"], 0)
            farm.worker("sound")
            farm.wait(batch)
            self.assertEqual(worker(farm, "sound")["finished"], 1)

    def test_made_again_it_keeps_what_other_machines_made(self):
        farm, path = self.farm_without()
        with farm:
            farm.start_coordinator()
            self.assertEqual(farm.zoe("model", "canary", "shapes", "-q").strip(), str(path))
            first = json.loads(path.read_text())
            path.write_text(json.dumps(dict(first, frames_sha256={**first["frames_sha256"], "another/machine": "ab" * 32})))
            self.assertIn("known for 2 fingerprints, and within a tolerance for others", farm.zoe("model", "canary", "shapes"))
            again = json.loads(path.read_text())
            self.assertEqual(again["frames_sha256"].pop("another/machine"), "ab" * 32)
            self.assertEqual(again, first)
            path.write_text(json.dumps(dict(first, model_sha256="cd" * 32, frames_sha256={"another/machine": "ab" * 32})))
            farm.zoe("model", "canary", "shapes")   # the model was exchanged: theirs were of the old one
            self.assertEqual(json.loads(path.read_text()), first)

    def test_what_cannot_be_made_changes_nothing(self):
        farm, path = self.farm_without()
        bad = farm.folder / "models" / "bad"
        bad.mkdir()
        (bad / "model_index.json").write_text("{")
        path.write_text("not JSON")
        with farm:
            farm.start_coordinator()
            for words, code, said in ((["shape"], 3, "did you mean shapes?"), (["bad"], 7, "bad cannot be used"), (["shapes"], 2, "canary.json"), ([], 2, "MODEL")):
                done = farm.run("model", "canary", *words)
                self.assertEqual((done.returncode, done.stdout), (code, ""), done)
                self.assertIn(said, done.stderr)
            failed = farm.zoe("model", "canary", "bad", json_out=True, code=7)
            self.assertEqual((failed["schema"], failed["code"]), ("zoe.error.v1", "state"), failed)
            self.assertEqual(path.read_text(), "not JSON")
            self.assertFalse((bad / "canary.json").exists())
            farm.kill_coordinator()
            self.assertEqual(farm.run("model", "canary", "shapes", "--timeout", "1s").returncode, 4)


class WrittenCanary(unittest.TestCase):
    def test_that_of_shapes_is_of_this_engine(self):
        """A change of the engine that changes what the model makes needs a new canary.json (zoe model canary)."""
        import subprocess
        done = subprocess.run([BIN / "zoe-engine", "canary", "--model", SOURCE / "models" / "shapes"], capture_output=True, check=True)
        made, kept = json.loads(done.stdout), json.loads((SOURCE / "models" / "shapes" / "canary.json").read_text())
        self.assertEqual(made["model_sha256"], kept["model_sha256"])
        self.assertEqual(made["recipe"], kept["recipe"])
        for fingerprint, digest in made["frames_sha256"].items():
            self.assertEqual(kept["frames_sha256"].get(fingerprint, digest), digest)
        pairs = list(zip(bytes.fromhex(made["frame"]["rgb"]), bytes.fromhex(kept["frame"]["rgb"]), strict=True))
        self.assertLessEqual(max(abs(a - b) for a, b in pairs), 2)


if __name__ == "__main__":
    unittest.main()
