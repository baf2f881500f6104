"""An endless video: parts follow one another without a gap, through Ctrl-C and SIGKILL, and players can read it at any time."""
import json
import re
import shutil
import signal
import subprocess
import unittest

from farm import BIN, Farm, eventually, sha256

STORY = {"model": "pattern", "size": "32x32", "num_inference_steps": 2, "seed": 4, "segment_frames": 8, "overlap": 2, "fps": 8,
         "scenes": [{"prompt": "on and on", "seconds": 1.5}, {"prompt": "on and on", "seconds": 2, "join": "cut"}]}
PART = ["--part-seconds", "1.5"] # 12 frames: two windows


def playlist(folder):
    return (folder / "index.m3u8").read_text()


class Stream(unittest.TestCase):
    def write(self, farm, **members):
        path = farm.folder / "tale.json"
        path.write_text(json.dumps({**STORY, **members}))
        return path

    def stream(self, farm, story, out, *extra):
        return farm.zoe("stream", story, "--out", out, *PART, *extra)

    def begin(self, farm, story, out):
        return subprocess.Popen([str(BIN / "zoe"), "stream", str(story), "--out", str(out), *PART], env=farm.env, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def parts(self, folder):
        return {p.name: sha256(p) for p in sorted(folder.glob("*.ts"))}

    def test_stopped_and_killed_it_is_what_it_would_have_been(self):
        with Farm().start() as farm:
            story = self.write(farm)
            whole, broken = farm.folder / "whole", farm.folder / "broken"
            self.stream(farm, story, whole, "--parts", "5")
            for how in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
                count = len(self.parts(broken))
                process = self.begin(farm, story, broken)
                eventually(lambda: len(self.parts(broken)) > count or process.poll() is not None, 60, "another part")
                process.send_signal(how)
                _, said = process.communicate(timeout=60)
                self.assertEqual(process.returncode, -9 if how == signal.SIGKILL else 130, said)
                self.assertNotIn("ENDLIST", playlist(broken))
            self.stream(farm, story, broken, "--parts", "5")
            self.assertEqual(playlist(broken), playlist(whole))
            self.assertEqual(self.parts(broken), self.parts(whole))
            self.assertEqual(sorted(self.parts(whole)), [f"{i:06d}.ts" for i in range(5)])
            self.assertEqual(sorted(p.name for p in whole.iterdir() if p.suffix != ".ts"), [".lock", "index.m3u8", "state.json"])

    def test_a_part_that_was_ordered_needs_the_one_before_no_more(self):
        """What it goes on from is kept for days, not for ever: an interrupted stream is gone on with all the same."""
        with Farm().start() as farm:
            story = self.write(farm)
            whole, broken = farm.folder / "whole", farm.folder / "broken"
            self.stream(farm, story, whole, "--parts", "2")
            self.stream(farm, story, broken, "--parts", "1")
            farm.kill_worker("w1")
            process = self.begin(farm, story, broken)
            eventually(lambda: json.loads((broken / "state.json").read_text()).get("pending") or process.poll() is not None, 60, "the second part is submitted")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            farm.zoe("batch", "remove", json.loads((broken / "state.json").read_text())["previous"])
            farm.start_worker("w1")
            self.stream(farm, story, broken, "--parts", "2")
            self.assertEqual(self.parts(broken), self.parts(whole))

    def test_the_playlist(self):
        with Farm().start() as farm:
            out = farm.folder / "live"
            self.stream(farm, self.write(farm), out, "--parts", "3")
            text = playlist(out)
            self.assertEqual(re.findall(r"#EXTINF:([0-9.]+),\n(\S+)", text), [("1.500000", f"{i:06d}.ts") for i in range(3)])
            for line in ("#EXTM3U", "#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-TARGETDURATION:2", "#EXT-X-ENDLIST"):
                self.assertIn(line + "\n", text)
            batches = farm.zoe("batch", "list", json_out=True)["batches"]
            self.assertEqual(len(batches), 1, "parts that nothing goes on from any more are removed")

    @unittest.skipUnless(shutil.which("ffprobe"), "no ffprobe")
    def test_a_player_reads_it_all(self):
        with Farm().start() as farm:
            out = farm.folder / "live"
            self.stream(farm, self.write(farm), out, "--parts", "4")
            done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0",
                                   str(out / "index.m3u8")], capture_output=True, text=True, check=True)
            times = sorted({float(line.rstrip(",")) for line in done.stdout.split()})
            self.assertEqual(len(times), 48)
            for before, after in zip(times, times[1:]):
                self.assertAlmostEqual(after - before, 0.125, places=3)
            self.assertEqual(done.stderr, "")

    def test_another_story_needs_another_folder(self):
        with Farm().start() as farm:
            out = farm.folder / "live"
            self.stream(farm, self.write(farm), out, "--parts", "1")
            other = self.write(farm, seed=5)
            done = farm.run("stream", other, "--out", out, *PART, "--parts", "2")
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn("another story", done.stderr)
            self.assertEqual(len(self.parts(out)), 1)
            refused = farm.run("stream", self.write(farm, audio="x.wav"), "--out", farm.folder / "other")
            self.assertEqual(refused.returncode, 2)
            self.assertIn("cannot have audio", refused.stderr)


if __name__ == "__main__":
    unittest.main()
