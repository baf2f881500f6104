"""LoRAs on a farm: named at submit, pinned by digest, brought to workers, told of in every clip."""
import json
import pathlib
import shutil
import tempfile
import unittest

from farm import SOURCE, Farm
from test_batch import probe

DATA = SOURCE / "tests" / "data"
SMALL = ["--model", "tiny", "--frames", "2", "--steps", "2", "--size", "64x64", "--seed", "3"]


def add_lora(folder, name, *files):
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for file in files:
        shutil.copy(DATA / "lora" / file, place)
    (place / "zoetrope.json").write_text(json.dumps({"family": "lora", "name": name}))


class Lora(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zoe-lora-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.models = self.folder / "models"
        shutil.copytree(DATA / "tiny", self.models / "tiny", ignore=shutil.ignore_patterns("golden*"))
        add_lora(self.models, "noir", "stable.safetensors")
        add_lora(self.models, "wide", "stable-full/tiny_unet.safetensors", "stable-full/tiny_text_encoder.safetensors")

    def farm(self, workers=1):
        """Its workers have no folder of their own: the model and the LoRAs come from the coordinator."""
        farm = Farm(models=[SOURCE / "models", self.models])
        farm.start_coordinator()
        farm.models = []
        for number in range(workers):
            farm.start_worker(f"w{number}")
        return farm

    def render(self, farm, *extra, lines="a red fox"):
        accepted = farm.submit(lines, *SMALL, *extra)
        farm.wait(accepted["batch"])
        return farm.state / "renders" / accepted["folder"]

    @staticmethod
    def frames(clip):
        return json.loads(clip.with_suffix(".json").read_text())["checks"]["frames_sha256"]

    def one(self, farm, *extra):
        return next(self.render(farm, *extra).glob("*.mp4"))

    def test_a_lora_changes_the_clip_and_nothing_else(self):
        with self.farm() as farm:
            plain, noir, again, half, wide = (self.one(farm, *extra) for extra in (
                [], ["--lora", "noir"], ["--lora", "noir:1", "--again"], ["--lora", "noir:0.5"], ["--lora", "wide", "--lora", "noir:-0.5"]))
            seen = [self.frames(clip) for clip in (plain, noir, half, wide)]
            self.assertEqual(len(set(seen)), 4)
            self.assertEqual(self.frames(noir), self.frames(again))
            self.assertEqual(noir.read_bytes(), again.read_bytes())
            self.assertEqual(self.frames(self.one(farm, "--again")), seen[0])
            listed = {m["name"]: m for m in farm.zoe("model", "list", json_out=True)["models"]}
            self.assertEqual(listed["noir"]["description"]["family"], "lora")
            said = json.loads(probe(wide)[1]["tags"]["comment"])["recipe"]["loras"]
            self.assertEqual(said, [{"name": "wide", "strength": 1.0, "digest": listed["wide"]["digest"]},
                                    {"name": "noir", "strength": -0.5, "digest": listed["noir"]["digest"]}])
        with self.farm(workers=2) as farm:
            lines = [json.dumps({"prompt": "a red fox", "lora": [{"name": "noir", "strength": s}]}) for s in (1, 0.5)] + [json.dumps({"prompt": "a red fox"})]
            root = self.render(farm, lines=lines)
            clips = [self.frames(clip) for clip in sorted(root.glob("*.mp4"))]
            self.assertEqual(clips, [seen[1], seen[2], seen[0]])

    def test_what_cannot_be_is_refused_at_submit(self):
        with self.farm(workers=0) as farm:
            for extra, words in ((["--lora", "noirr"], "did you mean 'noir'?"), (["--lora", "tiny"], "a model is no LoRA"),
                                 (["--lora", "noir:9"], "from -4 to 4"), (["--lora", "noir:x"], "from -4 to 4")):
                done = farm.run("submit", "-", *SMALL, *extra, stdin="a red fox\n")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)
            done = farm.run("submit", "-", "--model", "noir", stdin="a red fox\n")
            self.assertIn("is a LoRA", done.stderr)
            done = farm.run("submit", "-", "--model", "pattern", "--lora", "noir", stdin="a red fox\n")
            self.assertIn("takes none", done.stderr)

    def test_a_recipe_keeps_its_lora(self):
        with self.farm() as farm:
            first = self.one(farm, "--lora", "noir")
            lora = json.loads(first.with_suffix(".json").read_text())["recipe"]["loras"]
            add_lora(self.models, "noir", "kohya.safetensors")
            line = json.dumps({"prompt": "a red fox", "loras": lora})
            done = farm.run("submit", "-", *SMALL, stdin=line + "\n")
            self.assertEqual(done.returncode, 2)
            self.assertIn("is not here", done.stderr)
            self.assertNotEqual(self.frames(self.one(farm, "--lora", "noir", "--again")), self.frames(first))
            add_lora(self.models, "renamed", "stable.safetensors")
            (self.models / "renamed" / "zoetrope.json").write_text(json.dumps({"family": "lora", "name": "noir"}))
            shutil.rmtree(self.models / "noir")
            root = self.render(farm, lines=line)
            self.assertEqual(self.frames(next(root.glob("*.mp4"))), self.frames(first))

    def test_a_lora_must_fit_its_model(self):
        add_lora(self.models, "stranger", "kohya.safetensors")
        add_lora(self.models, "half", "kohya.safetensors")
        for name, beginnings in (("stranger", (b"lora_unet_", b"lora_te1_")), ("half", (b"lora_te1_",))):
            file = self.models / name / "kohya.safetensors"
            data = file.read_bytes()
            for beginning in beginnings:
                data = data.replace(beginning, beginning.replace(b"lora", b"what"))
            file.write_bytes(data)
        with self.farm() as farm:
            done = farm.run("submit", "-", *SMALL, "--lora", "stranger", stdin="a red fox\n")
            self.assertEqual(done.returncode, 2)
            self.assertIn("none of its 63 tensors belongs to this model", done.stderr)
            done = farm.run("submit", "-", *SMALL, "--lora", "half", "--wait", stdin="a red fox\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("warning: of the LoRA 'half' the model 'tiny' takes 54 of 63 tensors", done.stderr)


if __name__ == "__main__":
    unittest.main()
