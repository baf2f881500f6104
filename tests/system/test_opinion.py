"""Second opinions on a real farm: a worker whose engine renders something else, in whole and sound files, is found by comparing (zoe-coordinator --trust)."""
import json
import pathlib
import shutil
import unittest

from farm import BIN, Farm, eventually

CLIPS = 6
LINES = [json.dumps({"prompt": f"clip {n}", "seed": n, "pattern": {"step_ms": 20}}) for n in range(CLIPS)]
SMALL = ["--model", "pattern", "--frames", "6", "--steps", "4"]


def start_liar(farm, name):
    programs = farm.folder / "liar"
    programs.mkdir()
    shutil.copy2(BIN / "zoe-worker", programs)
    shutil.copy2(pathlib.Path(__file__).with_name("lying_engine.py"), programs / "zoe-engine")
    farm.start_worker(name, programs=programs, env={"ZOE_TEST_ENGINE": str(BIN / "zoe-engine")})


def state_of(farm, name):
    return next((w["state"] for w in farm.zoe("worker", "list", json_out=True)["workers"] if w["name"] == name), None)


def events(farm, kind):
    return [e for e in farm.zoe("events", json_out=True)["events"] if e["kind"] == kind]


class Opinion(unittest.TestCase):
    def undisturbed(self):
        with Farm().start(workers=1) as farm:
            accepted = farm.submit(LINES, *SMALL)
            farm.wait(accepted["batch"])
            return farm.tree(accepted["folder"])

    def test_a_liar_is_found(self):
        true_ones = self.undisturbed()
        with Farm() as farm:
            farm.start_coordinator(extra=("--trust", "none"))
            start_liar(farm, "liar")
            alone = farm.submit(LINES[:2], *SMALL)
            farm.wait(alone["batch"])  # nobody was there to ask
            false_ones = farm.tree(alone["folder"])
            self.assertEqual(len(false_ones), 2)
            self.assertFalse(set(false_ones.values()) & set(true_ones.values()))
            for name in ("w1", "w2"):
                farm.start_worker(name)
            eventually(lambda: all(state_of(farm, n) in ("idle", "busy") for n in ("w1", "w2")), 60, "two others have come")
            accepted = farm.submit(LINES, *SMALL, "--name", "compared")
            farm.wait(accepted["batch"])
            self.assertEqual(farm.tree(accepted["folder"]), true_ones)
            self.assertEqual(state_of(farm, "liar"), "quarantined")
            self.assertEqual({e["worker"] for e in events(farm, "worker.disproved")}, {"liar"})
            why = farm.zoe("explain", "liar", json_out=True)
            self.assertEqual(why["code"], "quarantined")
            self.assertIn("2 published clips are of its making", why["line"])
            self.assertIn(f"{alone['batch']}/0", why["line"])
            show = farm.batch(accepted["batch"])
            self.assertGreaterEqual(show["attempts"], 2 * CLIPS)
            farm.zoe("worker", "readmit", "liar")
            eventually(lambda: state_of(farm, "liar") == "idle", 30, "an operator lets it back, by a right canary")

    def test_trust_is_a_word(self):
        with Farm() as farm:
            self.assertIsNone(farm.start_coordinator(extra=("--trust", "some"), expect_ready=False))
            self.assertEqual(farm.coordinator.wait(30), 2)
            self.assertIn("--trust is full, low or none", (farm.folder / "coordinator.log").read_text())


if __name__ == "__main__":
    unittest.main()
