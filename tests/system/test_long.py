"""Clips of several windows: exact, the same bits every time, told in advance by a dry run."""
import json
import subprocess
import unittest

from farm import BIN, Farm, sha256

LONG = ["--model", "pattern", "--size", "32x32", "--steps", "4", "--frames", "40", "--segment-frames", "16", "--overlap", "4", "--seed", "5"]


def probe(path):
    """What zoe-media finds in an MP4 by decoding all of it."""
    done = subprocess.run([str(BIN / "zoe-media"), "probe", "--mp4", str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Long(unittest.TestCase):
    def sidecar(self, farm, folder):
        return json.loads(next((farm.state / "renders" / folder).glob("0*.json")).read_text())

    def test_one_file_of_all_frames_and_the_same_bits_again(self):
        with Farm().start(workers=2) as farm:
            first, again = farm.folder / "first.mp4", farm.folder / "again.mp4"
            farm.zoe("render", "a pattern", *LONG, "-o", first)
            farm.zoe("render", "a pattern", *LONG, "--again", "-o", again)
            self.assertEqual(probe(first)["frames"], 40)
            self.assertEqual(sha256(first), sha256(again))

    def test_methods(self):
        with Farm().start() as farm:
            seen = set()
            for method, tasks in (("chain", 3), ("seam", 5), ("windows", 15)):
                batch = farm.submit("a pattern", *LONG, "--method", method)
                farm.wait(batch["batch"])
                shown = farm.batch(batch["batch"])["groups"][0]
                self.assertEqual((shown["method"], shown["tasks"]), (method, tasks))
                sidecar = self.sidecar(farm, batch["folder"])
                self.assertEqual(sidecar["recipe"]["method"], method)
                self.assertEqual(sidecar["recipe"]["noise"], "indexed")
                self.assertEqual(sidecar["video"]["frames"], 40)
                seen.add(sidecar["video"]["sha256"])
            self.assertEqual(len(seen), 3)

    def test_seconds_are_frames_at_the_models_rate(self):
        with Farm().start() as farm:
            batch = farm.submit("a pattern", "--model", "pattern", "--size", "32x32", "--steps", "2", "--fps", "10", "--seconds", "1.25")
            farm.wait(batch["batch"])
            recipe = self.sidecar(farm, batch["folder"])["recipe"]
            self.assertEqual((recipe["num_frames"], recipe["fps"]), (13, 10))
            self.assertNotIn("seconds", recipe)
            both = farm.run("render", "a pattern", "--seconds", "2", "--frames", "9")
            self.assertEqual(both.returncode, 2)
            self.assertIn("both 'seconds' and 'num_frames'", both.stderr)

    def test_a_dry_run_starts_nothing(self):
        with Farm() as farm:
            farm.start_coordinator()
            told = farm.zoe("render", "a pattern", *LONG, "--dry-run", json_out=True)
            group = told["groups"][0]
            self.assertEqual((told["batch"], group["tasks"], group["method"], group["frames"]), ("", 3, "chain", 40))
            text = farm.zoe("submit", "-", *LONG, "--seeds", "3", "-n", stdin="a\nb\n")
            self.assertIn("3, chain", text)
            self.assertEqual(farm.zoe("batch", "list", json_out=True)["batches"], [])
            refused = farm.run("render", "a pattern", *LONG, "--noise", "torch-cpu", "-n")
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("noise", refused.stderr)


if __name__ == "__main__":
    unittest.main()
