"""Clips that start from files: sent once, looked at before anything is accepted, brought to the workers, gone with the last batch that named them."""
import json
import os
import pathlib
import signal
import struct
import subprocess
import unittest
import zlib

from farm import Farm, eventually, sha256

SMALL = ["--frames", "2", "--steps", "2", "--size", "64x64", "--seed", "3"]
START = [*SMALL, "--strength", "0.5"]
# A start commits once; then come the input's row and the batch's.
POINTS = [("input.chunk", 12), ("input.sealed", 1), ("input.checked", 1), ("store.before_commit", 2), ("store.after_commit", 2), ("store.before_commit", 3),
          ("store.after_commit", 3), ("submit.accepted", 1)]


def png(path, width, height, rgb=(200, 30, 30), noise=0):
    """A PNG of one colour; `noise` bytes of a private chunk make it as large as one likes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes(rgb) * width) * height
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    parts += [chunk(b"prVt", os.urandom(noise))] if noise else []
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def explained(farm, batch):
    return farm.run("explain", f"{batch}/0").stdout


class Inputs(unittest.TestCase):
    def artifacts(self, farm):
        return sorted(p.name for p in (farm.state / "artifacts").rglob("*") if p.is_file())

    def sidecar(self, farm, folder):
        return json.loads(next((farm.state / "renders" / folder).glob("0*.json")).read_text())

    def frames(self, farm, folder):
        return self.sidecar(farm, folder)["checks"]["frames_sha256"]

    def test_a_clip_from_a_clip(self):
        with Farm().start() as farm:
            base = farm.folder / "base.mp4"
            farm.zoe("render", "a red circle moving right", "--frames", "4", "--steps", "2", "--size", "96x64", "-o", base)
            plain = farm.submit("a blue circle", *SMALL)
            farm.wait(plain["batch"])
            accepted = farm.submit("a blue circle", *START, "--init-video", base)
            farm.wait(accepted["batch"])
            self.assertEqual(self.sidecar(farm, accepted["folder"])["recipe"]["init_video"], "sha256:" + sha256(base))
            self.assertNotEqual(self.frames(farm, accepted["folder"]), self.frames(farm, plain["folder"]))
            again = farm.submit("a blue circle", *START, "--init-video", base)
            self.assertTrue(again.get("existed"))

    def test_mask_and_image_in_a_file_of_prompts(self):
        with Farm().start() as farm:
            place = farm.folder / "job"
            (place / "pictures").mkdir(parents=True)
            image = png(place / "pictures" / "a.png", 100, 60)
            mask = png(place / "mask.png", 30, 30, (255, 255, 255))
            lines = [{"prompt": "a blue circle", "init_image": "pictures/a.png", "mask": "mask.png", "strength": 0.5},
                     {"prompt": "a blue circle", "init_image": "sha256:" + sha256(image), "strength": 0.5},
                     {"prompt": "a blue circle"}]
            (place / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            accepted = farm.zoe("submit", place / "prompts.jsonl", *SMALL, json_out=True)
            farm.wait(accepted["batch"])
            files = sorted((farm.state / "renders" / accepted["folder"]).glob("[0-9]*.json"))
            sidecars = [json.loads(path.read_text()) for path in files]
            self.assertEqual(sidecars[0]["recipe"]["mask"], "sha256:" + sha256(mask))
            self.assertEqual([s["recipe"].get("init_image") for s in sidecars], ["sha256:" + sha256(image)] * 2 + [None])
            self.assertNotEqual(sidecars[1]["checks"]["frames_sha256"], sidecars[2]["checks"]["frames_sha256"])

    def test_what_cannot_be_used_is_refused_at_submit(self):
        with Farm() as farm:
            farm.start_coordinator()
            words = farm.folder / "words.mp4"
            words.write_text("these are words")
            cut = farm.folder / "cut.png"
            cut.write_bytes(png(farm.folder / "whole.png", 64, 64).read_bytes()[:60])
            wide = png(farm.folder / "wide.png", 9000, 8)
            for file, said in ((words, "first bytes"), (cut, "cannot be used"), (wide, "9000x8")):
                done = farm.run("render", "x", "--init-image", file)
                self.assertEqual(done.returncode, 6, done.stderr)
                self.assertIn(file.name, done.stderr)
                self.assertIn(said, done.stderr)
            empty = farm.folder / "empty.png"
            empty.touch()
            self.assertEqual(farm.run("render", "x", "--init-image", empty).returncode, 6)
            self.assertEqual(farm.run("render", "x", "--init-image", farm.folder / "none.png").returncode, 3)
            self.assertEqual(farm.run("render", "x", "--init-image", farm.folder).returncode, 6)
            large = farm.folder / "large.mp4"
            with large.open("wb") as file:
                file.truncate((1 << 30) + 1)
            done = farm.run("render", "x", "--init-video", large)
            self.assertEqual(done.returncode, 6)
            self.assertIn("larger than 1 GiB", done.stderr)
            done = farm.run("submit", "-", "--init-video", "sha256:" + 64 * "0", stdin="a red circle\n")
            self.assertEqual(done.returncode, 6)
            self.assertIn("is not here", done.stderr)
            for flags in (["--strength", "0.5"], ["--mask", wide], ["--init-image", farm.folder / "whole.png", "--init-video", farm.folder / "whole.png"]):
                self.assertEqual(farm.run("render", "x", *flags, timeout=20).returncode, 6 if wide in flags else 2)
            eventually(lambda: self.artifacts(farm) == [sha256(farm.folder / "whole.png")], 10, "what was refused is gone")
            self.assertEqual(farm.zoe("batch", "list", json_out=True).get("batches", []), [])

    def test_a_file_that_cannot_be_read_for_a_while_is_nobodys_fault(self):
        with Farm() as farm:
            farm.start_coordinator()
            image = png(farm.folder / "a.png", 64, 64)
            batch = farm.submit("a red circle", *START, "--init-image", image)["batch"]
            stored = next((farm.state / "artifacts").rglob(sha256(image)))
            aside = stored.rename(farm.folder / "aside")
            farm.start_worker("w1")
            tries = lambda: farm.zoe("task", "show", f"{batch}/0", json_out=True)["attempts"]
            ended = lambda: [a["end"] for a in tries() if a["end"] != "live"]
            eventually(lambda: len(ended()) >= 2, 60, "it was tried twice")
            self.assertEqual(set(ended()), {"handed_back"})
            self.assertEqual(farm.zoe("explain", f"{batch}/0", json_out=True)["code"], "retry_wait")
            aside.rename(stored)
            farm.wait(batch)
            self.assertLessEqual(len(tries()), 4)

    def test_a_file_that_was_cut_is_mended_by_sending_it_again(self):
        with Farm() as farm:
            farm.start_coordinator()
            image = png(farm.folder / "a.png", 64, 64)
            again = ("--key", "k", *START, "--init-image", image)
            batch = farm.submit("a red circle", *again)["batch"]
            stored = next((farm.state / "artifacts").rglob(sha256(image)))
            os.truncate(stored, 20)
            farm.start_worker("w1")
            why = lambda: farm.zoe("explain", f"{batch}/0", json_out=True)
            eventually(lambda: why()["code"] == "retry_wait", 60, "it cannot begin")
            self.assertIn("came back 1 times before it could begin", why()["line"])
            self.assertTrue(farm.submit("a red circle", *again)["existed"])
            self.assertEqual(sha256(stored), sha256(image))
            farm.wait(batch)

    def test_a_file_that_was_changed_is_mended_by_sending_it_again(self):
        with Farm() as farm:
            farm.start_coordinator()
            image = png(farm.folder / "a.png", 64, 64)
            again = ("--key", "k", *START, "--init-image", image)
            batch = farm.submit("a red circle", *again)["batch"]
            stored = next((farm.state / "artifacts").rglob(sha256(image)))
            farm.kill_coordinator(signal.SIGTERM)
            data = bytearray(stored.read_bytes())
            data[len(data) // 2] ^= 1
            stored.write_bytes(data)
            check = farm.run("coordinator", "check", "--deep", "--state", farm.state)
            self.assertEqual(check.returncode, 1)
            self.assertIn("submit the same files again", check.stdout)
            self.assertNotIn("rendered again", check.stdout)
            farm.start_coordinator()
            farm.start_worker("w1")
            eventually(lambda: not stored.exists(), 30, "it is found damaged")
            eventually(lambda: "submit the same files again" in explained(farm, batch), 60, "it says what to do")
            self.assertTrue(farm.submit("a red circle", *again)["existed"])
            self.assertEqual(sha256(stored), sha256(image))
            farm.wait(batch)
            worker = farm.zoe("worker", "list", json_out=True)["workers"][0]
            self.assertEqual((worker["failed"], worker["lost"]), (0, 0))

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small tmpfs needs root")
    def test_files_leave_room_for_results(self):
        """Of 64 MiB 3.2 are low: four times that are kept."""
        with Farm() as farm:
            disk = farm.state / "artifacts"
            with farm.small_disk(disk, "size=64m"):
                farm.start()
                wide = png(farm.folder / "wide.png", 64, 64, noise=52 << 20)
                refused = farm.run("submit", "-", *START, "--init-image", wide, stdin="a red circle\n")
                self.assertEqual(refused.returncode, 6, refused.stderr)
                self.assertIn("kept for results", refused.stderr)
                self.assertEqual(self.artifacts(farm), [])
                image = png(farm.folder / "a.png", 64, 64, noise=20 << 20)
                farm.wait(farm.submit("a red circle", *START, "--init-image", image)["batch"])

    def test_inputs_go_with_the_last_batch(self):
        with Farm().start() as farm:
            image = png(farm.folder / "a.png", 64, 64)
            first = farm.submit("a red circle", *START, "--init-image", image)
            second = farm.submit("a blue circle", *START, "--init-image", image)
            farm.wait(first["batch"])
            farm.wait(second["batch"])
            self.assertEqual(self.artifacts(farm), [sha256(image)])
            farm.zoe("batch", "remove", first["batch"])
            farm.kill_coordinator()
            farm.start_coordinator()
            third = farm.submit("a green circle", *START, "--init-image", image)
            farm.wait(third["batch"])
            self.assertEqual(self.artifacts(farm), [sha256(image)])
            farm.zoe("batch", "remove", second["batch"])
            farm.zoe("batch", "remove", third["batch"])
            eventually(lambda: self.artifacts(farm) == [], 10, "the input is gone")

    def test_coordinator_killed_at_every_step(self):
        """The command that sends goes on by itself when the coordinator is back; nothing is sent in vain and nothing is left behind."""
        for point, count in POINTS:
            with self.subTest(point=point, count=count), Farm() as farm:
                farm.start_coordinator()
                farm.worker_key("w1")  # a key is a row too
                farm.kill_coordinator()
                farm.start_coordinator(env={"ZOE_FAULT_KILL": f"{point}:{count}"})
                image = png(farm.folder / "a.png", 64, 64, noise=5 << 20)
                submit = subprocess.Popen([str(pathlib.Path(os.environ["ZOE_BIN"]) / "zoe"), "submit", "-", "--init-image", str(image), *START, "--json"],
                                          env=farm.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                submit.stdin.write("a red circle\n")
                submit.stdin.close()
                farm.coordinator.wait(60)
                uploads = list((farm.state / "artifacts" / "tmp").glob("input.*"))
                if point == "input.chunk":
                    self.assertTrue(uploads and uploads[0].stat().st_size >= 12 * 256 * 1024)
                farm.start_coordinator()
                out, err = submit.stdout.read(), submit.stderr.read()
                submit.stdout.close()
                submit.stderr.close()
                self.assertEqual(submit.wait(120), 0, err)
                farm.start_worker("w1")
                accepted = json.loads(out)
                farm.wait(accepted["batch"])
                self.assertEqual(self.artifacts(farm), [sha256(image)])
                farm.zoe("batch", "remove", accepted["batch"])
                eventually(lambda: self.artifacts(farm) == [], 10, "the input is gone")

    def test_worker_killed_while_it_brings_an_input(self):
        with Farm().start() as farm:
            image = png(farm.folder / "a.png", 64, 64, noise=200 << 20)
            accepted = farm.submit("a red circle", *START, "--init-image", image)
            inputs = farm.folder / "workers" / "w1" / "inputs"
            eventually(lambda: any(p.stat().st_size > 1 << 20 for p in inputs.glob("*.part")), 60, "bytes of the input")
            farm.kill_worker("w1")
            farm.start_worker("w1")
            farm.wait(accepted["batch"])
            self.assertEqual(sha256(inputs / sha256(image)), sha256(image))


if __name__ == "__main__":
    unittest.main()
