"""What a recipe says of its words beside the prompt, from the command line to the clip."""
import json
import pathlib
import shutil
import tempfile
import unittest

from farm import SOURCE, Farm

SMALL = ["--model", "tiny", "--frames", "2", "--steps", "2", "--size", "16x16", "--seed", "3"]
OPTIONS = {
    "prompt_syntax": ["--prompt-syntax", "a1111"],
    "prompts_by_frame": ["--prompts-by-frame", '{"0": "the sea", "1": "the night"}'],
    "clip_skip": ["--clip-skip", "1"],
    "guidance_rescale": ["--guidance-rescale", "0.7"],
    "guidance_interval": ["--guidance-interval", "0,0.5"],
    "guidance_by_step": ["--guidance-by-step", '{"0": 12, "1": 4}'],
}


class Prompts(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="zoe-prompts-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(SOURCE / "tests/data/tiny", folder / "tiny", ignore=shutil.ignore_patterns("golden*"))
        self.models = [SOURCE / "models", folder]

    def one(self, farm, line, *extra):
        """The sidecar of the only clip."""
        accepted = farm.submit(line, *SMALL, *extra)
        farm.wait(accepted["batch"])
        return json.loads(next((farm.state / "renders" / accepted["folder"]).glob("*_s3.json")).read_text())

    def test_options_reach_the_clip(self):
        with Farm(models=self.models) as farm:
            farm.start()
            plain = self.one(farm, "a (red:1.4) fox")
            seen = {plain["checks"]["frames_sha256"]}
            for field, option in OPTIONS.items():
                clip = self.one(farm, "a (red:1.4) fox", *option)
                self.assertIn(field, clip["recipe"])
                seen.add(clip["checks"]["frames_sha256"])
            self.assertEqual(len(seen), len(OPTIONS) + 1)
            line = json.dumps({"prompt": "a (red:1.4) fox", "prompt_syntax": "plain", "clip_skip": 0})
            self.assertEqual(self.one(farm, line)["checks"]["frames_sha256"], plain["checks"]["frames_sha256"])

    def test_a_cut_prompt_is_in_the_workers_log(self):
        with Farm(models=self.models) as farm:
            farm.start()
            self.one(farm, "a " * 70 + "\u65e5\u672c\u8a9e " * 80)
            log = (farm.folder / "worker-w1.log").read_text()
            self.assertEqual(log.count("prompt: only 75 tokens fit; dropped: "), 1, log)

    def test_what_cannot_be_read_is_told(self):
        with Farm(models=self.models) as farm:
            farm.start()
            for option, words in ((["--prompt-syntax", "other"], "plain, a1111"), (["--clip-skip", "24"], "from 0 to 23"),
                                  (["--prompts-by-frame", '{"a": "b"}'], "'a' is no place")):
                done = farm.run("submit", "-", *SMALL, *option, stdin="a\n")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)
            for option, words in ((["--clip-skip", "4"], "clip_skip: the text encoder has 3 layers"),
                                  (["--scheduler", "ddim", "--karras"], "use_karras_sigmas: ddim has no such sigmas"),
                                  (["--noise", "cuda"], "cuda_threads: noise of the kind cuda depends on the card")):
                done = farm.run("submit", "-", *SMALL, *option, stdin="a\n")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)
            done = farm.run("submit", "-", *SMALL, "--prompt-syntax", "a1111", stdin="a\n\na (b:1.2.3)\n")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn('-:3: prompt: character 6: "1.2.3" is no weight', done.stderr)
            done = farm.run("render", "a (b:1.2.3)", *SMALL, "--prompt-syntax", "a1111")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn('character 6: "1.2.3" is no weight', done.stderr)


if __name__ == "__main__":
    unittest.main()
