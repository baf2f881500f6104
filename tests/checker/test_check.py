"""The checker is green on a whole tree and red on each kind of damage."""
import contextlib
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import check
import pattern_form

CANARY = pathlib.Path(__file__).resolve().parents[2] / "models" / "pattern" / "canary.json"
ID, FOLDER, WIDTH, FRAMES = "b000000001", "b000000001-test", 32, 4
FLAGS = ["--model", "pattern", "--size", "32x32", "--frames", str(FRAMES)]


def encode(path, rgb):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{WIDTH}", "-r", "8", "-i", "-", "-c:v", "libx264", "-crf", "18",
                    "-pix_fmt", "yuv420p", str(path)], input=rgb, check=True)


class Form(unittest.TestCase):
    def test_gives_the_canary_that_every_worker_renders(self):
        canary = json.loads(CANARY.read_text())
        recipe = canary["recipe"]
        found = pattern_form.digest(recipe["prompt"], recipe["seed"], recipe["width"], recipe["height"], recipe["num_frames"])
        self.assertEqual(found, canary["frames_sha256"]["*"])


@unittest.skipUnless(shutil.which("ffmpeg"), "needs ffmpeg")
class Trees(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lines = [{"prompt": f"prompt {n}", "seed": 70 + n} for n in range(3)]
        cls.frames = [pattern_form.Look(line["prompt"], line["seed"], WIDTH, WIDTH).frames(FRAMES) for line in cls.lines]
        cls.store = tempfile.TemporaryDirectory()
        for n, frames in enumerate(cls.frames):
            encode(pathlib.Path(cls.store.name) / f"{n}.mp4", frames)

    @classmethod
    def tearDownClass(cls):
        cls.store.cleanup()

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.place.name)
        self.renders = self.root / "renders"
        self.folder = self.renders / FOLDER
        self.folder.mkdir(parents=True)
        (self.folder / "batch.json").write_text(json.dumps({"batch": ID}))
        self.acks = [{"batch": ID, "folder": FOLDER, "existed": False, "clips": 3, "owner": "ann", "key": "k", "flags": FLAGS, "lines": self.lines}]
        for n in range(3):
            self.publish(n, n)

    def tearDown(self):
        self.place.cleanup()

    def path(self, n):
        return self.folder / f"{n}_prompt-{n}_s{70 + n}.mp4"

    def publish(self, n, content, frames=None, path=None):
        path = path or self.path(n)
        shutil.copy(pathlib.Path(self.store.name) / f"{content}.mp4", path)
        self.sidecar(n, path, self.frames[n] if frames is None else frames)

    def sidecar(self, n, path, frames):
        video = path.read_bytes()
        text = {"batch": ID, "clip": n, "recipe": self.lines[n], "video": {"sha256": hashlib.sha256(video).hexdigest(), "size_bytes": len(video)},
                "checks": {"frames_decoded": FRAMES, "frames_sha256": hashlib.sha256(frames).hexdigest()}}
        path.with_suffix(".json").write_text(json.dumps(text))

    def run_check(self, *more):
        acks = self.root / "acks.jsonl"
        acks.write_text("".join(json.dumps(ack) + "\n" for ack in self.acks))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = check.main(["--acks", str(acks), "--renders", str(self.renders), *more])
        return code, out.getvalue()

    def expect_red(self, what, *more):
        code, text = self.run_check(*more)
        self.assertEqual(code, 1, text)
        self.assertIn(what, text)

    def expect_green(self, *more):
        code, text = self.run_check(*more)
        self.assertEqual(code, 0, text)

    def shown(self, published=3, state="done"):
        path = self.root / "shown.jsonl"
        path.write_text(json.dumps({"id": ID, "state": state, "clips": {"published": published, "total": 3}}) + "\n")
        return "--shown", str(path)

    def test_a_whole_tree_is_green(self):
        self.acks.append({**self.acks[0], "existed": True})
        code, text = self.run_check(*self.shown())
        self.assertEqual(code, 0, text)
        self.assertIn("3 of them decoded", text)

    def test_a_missing_clip(self):
        self.path(1).unlink()
        self.expect_red("a sidecar has no video")
        self.path(1).with_suffix(".json").unlink()
        self.expect_red("a promised clip is missing")
        self.expect_green("--may-fail", f"{ID}/1")
        self.expect_green("--gone", ID)

    def test_a_clip_that_is_there_twice(self):
        self.publish(1, 1, path=self.path(1).with_name("1_prompt-1_s71_2.mp4"))
        self.expect_red("a clip is there twice")

    def test_swapped_videos(self):
        self.publish(0, 1)
        self.expect_red("a video shows something else")
        self.publish(0, 1, self.frames[1])
        self.expect_red("the frames are not those", "--decode", "0")

    def test_a_sidecar_of_another_clip(self):
        shutil.copy(self.path(1), self.path(0))
        shutil.copy(self.path(1).with_suffix(".json"), self.path(0).with_suffix(".json"))
        self.expect_red("a file's name tells of another clip")

    def test_frames_in_another_order(self):
        size = len(self.frames[0]) // FRAMES
        mixed = b"".join(self.frames[0][n * size:(n + 1) * size] for n in (0, 2, 1, 3))
        encode(self.path(0), mixed)
        self.sidecar(0, self.path(0), self.frames[0])
        self.expect_red("a video shows something else")

    def test_a_frame_less(self):
        encode(self.path(0), self.frames[0][:-(len(self.frames[0]) // FRAMES)])
        self.sidecar(0, self.path(0), self.frames[0])
        self.expect_red("another number of frames")

    def test_a_truncated_file(self):
        self.path(2).write_bytes(self.path(2).read_bytes()[:-100])
        self.expect_red("not the file that its sidecar tells of")

    def test_a_flipped_bit(self):
        content = bytearray(self.path(2).read_bytes())
        content[len(content) // 2] ^= 1
        self.path(2).write_bytes(content)
        self.expect_red("not the file that its sidecar tells of")

    def test_temporaries_and_strangers(self):
        (self.folder / ".tmp-1.mp4").write_bytes(b"")
        self.expect_red("a temporary file was left")
        (self.folder / ".tmp-1.mp4").rename(self.folder / "notes.md")
        self.expect_red("a foreign file")

    def test_what_no_client_was_told_of(self):
        (self.renders / "b000000002-other").mkdir()
        self.expect_red("no client was told of")
        self.expect_green("--also", "b000000002")

    def test_one_key_and_two_batches(self):
        (self.renders / "b000000002").mkdir()
        self.acks.append({**self.acks[0], "batch": "b000000002", "folder": "b000000002"})
        self.expect_red("one key made two batches", "--gone", "b000000002")

    def test_wrong_counters(self):
        self.expect_red("counters differ", *self.shown(published=2))
        self.expect_red("state differs", *self.shown(state="failed"))

    def test_quarantine(self):
        path = self.root / "workers.json"
        path.write_text(json.dumps({"workers": [{"name": "w1", "state": "quarantined"}, {"name": "w2", "state": "idle"}]}))
        self.expect_red("in quarantine", "--workers", str(path))
        self.expect_green("--workers", str(path), "--sick", "w1")


if __name__ == "__main__":
    unittest.main()
