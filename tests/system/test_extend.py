"""More frames behind a clip: from its stored latents, from its frames when they are gone, and from a file alone."""
import json
import subprocess
import unittest

from farm import BIN, Farm
from test_long import probe

CLIP = ["--model", "pattern", "--size", "32x32", "--steps", "3", "--frames", "24", "--segment-frames", "16", "--overlap", "4", "--seed", "5"]


def frames(path, count):
    """The first frames of a video, as raw pictures of 32x32."""
    raw = path.with_suffix(".raw")
    subprocess.run([str(BIN / "zoe-media"), "frames", "--size", "32x32", "--frames", str(count), "--out", str(raw), str(path)], capture_output=True, check=True)
    return raw.read_bytes()


class Extend(unittest.TestCase):
    def recipe(self, farm, batch):
        return json.loads(next((farm.state / "renders").glob(f"{batch}*/0*.json")).read_text())["recipe"]

    def last(self, farm):
        return farm.zoe("batch", "list", json_out=True)["batches"][0]["id"]

    def test_from_latents(self):
        with Farm().start() as farm:
            old = farm.folder / "old.mp4"
            farm.zoe("render", "a pattern", *CLIP, "-o", old)
            before = self.last(farm)
            new = farm.folder / "new.mp4"
            farm.zoe("extend", f"{before}/0", "--frames", "10", "-o", new)
            recipe = self.recipe(farm, self.last(farm))
            self.assertTrue(recipe["extend_latents"].startswith("sha256:"))
            self.assertEqual((recipe["extend_frames"], recipe["num_frames"], recipe["seed"]), (24, 34, 5))
            self.assertEqual(probe(new)["frames"], 34)
            self.assertEqual(probe(old)["frames"], 24)
            self.assertEqual(frames(new, 24), frames(old, 24), "joined from stored segments, the old frames lose nothing")
            longer = farm.folder / "longer.mp4"
            farm.zoe("extend", "last/0", "--seconds", "1", "-o", longer)
            self.assertEqual(probe(longer)["frames"], 34 + recipe["fps"])
            self.assertEqual(len(list((farm.state / "renders").glob("*/0*.mp4"))), 3, "old clips stay")

    def test_another_prompt(self):
        with Farm().start() as farm:
            old, new = farm.folder / "old.mp4", farm.folder / "new.mp4"
            farm.zoe("render", "a red circle", "--frames", "4", "--steps", "2", "-o", old)
            farm.zoe("extend", old, "--frames", "3", "--prompt", "a blue square", "-o", new)
            recipe = self.recipe(farm, self.last(farm))
            self.assertEqual(recipe["prompts_by_frame"], {"3": "a red circle", "4": "a blue square"})
            self.assertEqual(probe(new)["frames"], 7)

    def test_a_file_that_the_farm_forgot(self):
        with Farm().start() as farm:
            old = farm.folder / "old.mp4"
            farm.zoe("render", "a pattern", "--model", "pattern", "--size", "32x32", "--steps", "2", "--frames", "8", "-o", old)
            farm.zoe("batch", "remove", "last")
            new = farm.folder / "new.mp4"
            farm.zoe("extend", old, "--frames", "8", "-o", new)
            recipe = self.recipe(farm, self.last(farm))
            self.assertNotIn("extend_latents", recipe)
            self.assertEqual((recipe["noise"], recipe["method"]), ("indexed", "chain"))
            self.assertEqual(probe(new)["frames"], 16)

    def test_what_cannot_be(self):
        with Farm().start() as farm:
            old = farm.folder / "old.mp4"
            farm.zoe("render", "a pattern", *CLIP, "-o", old)
            for arguments, code, said in ((("last/0",), 2, "--seconds S or --frames N"), (("last/1", "--frames", "4"), 3, "no clip 1"),
                                          (("nothing.mp4", "--frames", "4"), 3, "nothing.mp4"), (("last/0", "--frames", "4", "--size", "64x64"), 2, "width")):
                done = farm.run("extend", *arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(said, done.stderr)
            told = farm.zoe("extend", "last/0", "--frames", "40", "-n", json_out=True)
            self.assertEqual((told["batch"], told["groups"][0]["frames"], told["groups"][0]["tasks"]), ("", 64, 4))
            self.assertEqual(len(farm.zoe("batch", "list", json_out=True)["batches"]), 1)


if __name__ == "__main__":
    unittest.main()
