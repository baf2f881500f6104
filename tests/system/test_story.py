"""A story becomes one clip, whose storyboard is on the page of its batch."""
import html
import json
import re
import unittest

from farm import SOURCE, Farm
from test_long import probe

FAST = ["--steps", "2"]


class Story(unittest.TestCase):
    def story(self, farm, **members):
        path = farm.folder / "tale.json"
        story = {"title": "a tale", "model": "shapes", "seed": 4, "scenes": [
            {"prompt": "a red circle growing", "seconds": 1.5},
            {"prompt": "a blue square spinning", "frames": 10, "join": "cut"},
            {"prompt": "a green square spinning", "seconds": 1, "blend_seconds": 0.5}], **members}
        path.write_text(json.dumps(story))
        return path

    def test_the_example_is_one_movie_with_a_storyboard(self):
        example = SOURCE / "examples" / "story.json"
        scenes = json.loads(example.read_text())["scenes"]
        self.assertEqual(len(scenes), 6)
        with Farm().start(workers=2) as farm:
            movie = farm.folder / "movie.mp4"
            farm.zoe("render", example, *FAST, "-o", movie)
            self.assertEqual(probe(movie)["frames"], 96)
            farm.zoe("batch", "fetch", "last", farm.folder / "clips")
            page = next((farm.folder / "clips").glob("*/index.html")).read_text()
            board = re.findall(r'class="scene"[^>]*>.*?;base64,([^"]+)".*?<span>(.*?)</span>', page, re.DOTALL)
            self.assertEqual([html.unescape(prompt) for _, prompt in board], [scene["prompt"] for scene in scenes])
            self.assertEqual(len({picture for picture, _ in board}), len(scenes), "each scene has a picture of its own")

    def test_what_it_says_and_what_flags_say(self):
        with Farm().start() as farm:
            story = self.story(farm)
            accepted = farm.zoe("submit", story, *FAST, "--seed", "9", "--negative", "blurry", json_out=True)
            farm.wait(accepted["batch"])
            folder = farm.state / "renders" / accepted["folder"]
            sidecar = json.loads(next(folder.glob("0*.json")).read_text())
            recipe = sidecar["recipe"]
            self.assertEqual((recipe["seed"], recipe["negative_prompt"], recipe["num_inference_steps"]), (9, "blurry", 2))
            self.assertEqual((recipe["prompt"], recipe["num_frames"], recipe["cuts"]), ("a tale", 30, [12]))
            self.assertEqual(recipe["prompts_by_frame"], {"11": "a red circle growing", "12": "a blue square spinning", "19": "a blue square spinning",
                                                          "24": "a green square spinning"})
            again = farm.zoe("submit", story, *FAST, "--seed", "9", "--negative", "blurry", json_out=True)
            self.assertTrue(again["existed"])

    def test_what_is_wrong_is_named_and_nothing_is_submitted(self):
        with Farm() as farm:
            farm.start_coordinator()
            cases = [({"scenes": []}, [], "list of 1 to 32"), ({"scenes": [{"prompt": "a"}]}, [], "scenes[0].seconds"),
                     ({"guidence_scale": 3}, [], "guidance_scale"), ({}, ["--frames", "8"], "num_frames"), ({"model": "shaps"}, [], "shapes")]
            for members, flags, said in cases:
                for verb in ("render", "submit"):
                    done = farm.run(verb, self.story(farm, **members), *flags)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(said, done.stderr)
            self.assertEqual(farm.run("render", farm.folder / "none.json").returncode, 3)
            self.assertEqual(farm.zoe("batch", "list", json_out=True)["batches"], [])


if __name__ == "__main__":
    unittest.main()
