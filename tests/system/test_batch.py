"""The path of a batch: prompts in, checked clips with their recipes out."""
import json
import subprocess
import unittest

from farm import Farm, eventually, sha256

PROMPTS = ["a red fox in snow", "Ünïcode — 日本語 😀", "night rain, \"quoted\" & <b>bold</b>"]
SMALL = ["--model", "pattern", "--frames", "8", "--steps", "3"]


def probe(path):
    """First video stream and format of a file, as ffprobe sees them."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found["streams"][0], found["format"]


class Batch(unittest.TestCase):
    def test_prompts_become_checked_clips(self):
        with Farm().start(workers=2) as farm:
            accepted = farm.submit(PROMPTS, *SMALL, "--seed", "7", "--seeds", "2", "--name", "First Try!")
            self.assertEqual((accepted["prompts"], accepted["clips"], accepted["existed"]), (3, 6, False))
            self.assertTrue(accepted["folder"].endswith("-first-try"))
            farm.wait(accepted["batch"])
            batch = farm.batch(accepted["batch"])
            self.assertEqual(batch["state"], "done")
            self.assertEqual(batch["clips"]["published"], 6)
            root = farm.state / "renders" / accepted["folder"]
            names = sorted(p.name for p in root.glob("*.mp4"))
            self.assertEqual(names[0], "0_a-red-fox-in-snow_s7.mp4")
            self.assertEqual(names[1], "1_a-red-fox-in-snow_s8.mp4")
            self.assertEqual(len(names), 6)
            for name in names:
                self.check_clip(root / name)
            self.assertTrue((root / "batch.json").exists())
            eventually(lambda: not farm.strays(), 20, "no temporary file left")

    def check_clip(self, path):
        stream, container = probe(path)
        self.assertEqual((stream["codec_name"], stream["pix_fmt"]), ("h264", "yuv420p"))
        self.assertEqual((stream["width"], stream["height"], stream["nb_read_frames"]), (64, 64, "8"))
        self.assertEqual(stream["r_frame_rate"], "8/1")
        sidecar = json.loads(path.with_suffix(".json").read_text())
        self.assertEqual(sidecar["schema"], "zoe.clip.v1")
        self.assertEqual(sidecar["video"]["sha256"], sha256(path))
        comment = json.loads(container["tags"]["comment"])
        self.assertEqual(comment["recipe"], sidecar["recipe"])
        self.assertEqual(comment["recipe"]["num_frames"], 8)

    def test_same_bits_with_one_or_three_workers(self):
        trees = []
        for count in (1, 3):
            with Farm().start(workers=count) as farm:
                accepted = farm.submit(PROMPTS, *SMALL, "--seeds", "4")
                farm.wait(accepted["batch"])
                trees.append(farm.tree(accepted["folder"]))
        self.assertEqual(len(trees[0]), 12)
        self.assertEqual(trees[0], trees[1])

    def test_two_batches_of_the_same(self):
        """Their segments have the same bytes: what one is done with the other still needs."""
        with Farm().start(workers=3) as farm:
            batches = [farm.submit(PROMPTS, *SMALL, "--seeds", "4", "--key", key) for key in ("one", "two")]
            for accepted in batches:
                farm.wait(accepted["batch"])
            trees = [farm.tree(accepted["folder"]) for accepted in batches]
            self.assertEqual(len(trees[0]), 12)
            self.assertEqual(trees[0], trees[1])
            kinds = {event["kind"] for event in farm.zoe("events", json_out=True)["events"]}
            self.assertFalse(kinds & {"attempt.rejected", "task.reopened"}, kinds)
            eventually(lambda: not farm.strays(), 20, "no file left behind")

    def test_jsonl_groups_and_seeds(self):
        lines = [json.dumps({"prompt": "one", "seed": [5, 9]}), json.dumps({"prompt": "two", "frames": 4}), json.dumps({"prompt": "three", "size": "32x48"})]
        with Farm().start() as farm:
            accepted = farm.submit(lines, *SMALL, "--seeds", "2")
            self.assertEqual(accepted["clips"], 6)
            farm.wait(accepted["batch"])
            batch = farm.batch(accepted["batch"])
            self.assertEqual(len(batch["groups"]), 3)
            names = sorted(farm.tree(accepted["folder"]))
            self.assertEqual(names[:2], ["0_one_s5.mp4", "1_one_s9.mp4"])
            stream, _ = probe(farm.state / "renders" / accepted["folder"] / "4_three_s0.mp4")
            self.assertEqual((stream["width"], stream["height"]), (32, 48))

    def test_second_submit_is_the_first(self):
        with Farm().start() as farm:
            first = farm.submit(PROMPTS, *SMALL, "--key", "k1")
            again = farm.submit(PROMPTS, *SMALL, "--key", "k1")
            self.assertEqual((again["batch"], again["existed"]), (first["batch"], True))
            done = farm.run("submit", "-", *SMALL, "--key", "k1", stdin="something else\n")
            self.assertEqual(done.returncode, 6, done.stderr)
            default = farm.submit(PROMPTS, *SMALL)
            self.assertNotEqual(default["batch"], first["batch"])
            self.assertTrue(farm.submit(PROMPTS, *SMALL)["existed"])
            self.assertEqual(len(farm.zoe("batch", "list", json_out=True)["batches"]), 2)

    def test_pause_resume_cancel_retry_remove(self):
        with Farm().start() as farm:
            slow = json.dumps({"prompt": "slow", "pattern": {"step_ms": 50}, "seed": list(range(20))})
            batch = farm.submit([slow], *SMALL)["batch"]
            farm.wait_published(batch, 1)
            farm.zoe("batch", "pause", batch)
            farm.zoe("batch", "pause", batch)
            eventually(lambda: farm.batch(batch)["clips"]["running"] == 0, 30, "running attempts finish")
            held = farm.batch(batch)
            self.assertEqual(held["state"], "paused")
            farm.zoe("batch", "resume", batch)
            farm.wait_published(batch, held["clips"]["published"] + 1)
            farm.zoe("batch", "cancel", batch)
            def settled():
                shown = farm.batch(batch)
                counts = shown["clips"]
                return shown["state"] == "canceled" and counts["published"] + counts["canceled"] == 20  # what was publishing is finished
            eventually(settled, 60, "canceled")
            farm.zoe("batch", "wait", batch, code=1)
            farm.zoe("batch", "retry", batch, code=7)
            farm.zoe("batch", "remove", batch)
            farm.zoe("batch", "show", batch, code=3)

    def test_failed_step_fails_the_clip_and_only_it(self):
        lines = [json.dumps({"prompt": "good"}), json.dumps({"prompt": "bad", "pattern": {"fail_step": 2}})]
        with Farm().start(workers=2) as farm:
            batch = farm.submit(lines, *SMALL)["batch"]
            farm.wait(batch, code=1)
            shown = farm.batch(batch)
            self.assertEqual((shown["state"], shown["clips"]["published"], shown["clips"]["failed"]), ("failed", 1, 1))

    def test_fetch_makes_a_sheet_and_a_page(self):
        with Farm().start() as farm:
            out = farm.folder / "out"
            accepted = farm.submit(PROMPTS, *SMALL, "--out", out)
            folder = out / accepted["folder"]
            self.assertEqual(len(list(folder.glob("*.mp4"))), 3)
            self.assertEqual(len(list(folder.glob("*_s*.json"))), 3)
            stream, _ = probe(folder / "sheet.png")
            self.assertGreater(stream["width"], 400)
            page = (folder / "index.html").read_text()
            self.assertNotIn("<b>bold</b>", page)
            self.assertIn(next(folder.glob("*.mp4")).name, page)


if __name__ == "__main__":
    unittest.main()
