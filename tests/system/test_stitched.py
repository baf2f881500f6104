"""What happens to a long clip when it is stitched: sound, another rate and size; and a stored segment that went bad is rendered again, alone."""
import json
import math
import re
import struct
import subprocess
import unittest
import wave

from farm import BIN, Farm, eventually, sha256

LONG = ["--model", "pattern", "--size", "32x32", "--steps", "4", "--frames", "40", "--segment-frames", "16", "--overlap", "4", "--seed", "5"]


def probe(path):
    """What zoe-media finds in an MP4 by decoding all of it."""
    done = subprocess.run([str(BIN / "zoe-media"), "probe", "--mp4", str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def write_tone(path, seconds):
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 22050, 0, "NONE", ""))
        out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * 440 * i / 22050))) for i in range(int(22050 * seconds))))


class Stitched(unittest.TestCase):
    def sidecar(self, farm, folder):
        return json.loads(next((farm.state / "renders" / folder).glob("0*.json")).read_text())

    def test_sound_rate_and_size(self):
        with Farm().start() as farm:
            tone, plain, out, again = (farm.folder / name for name in ("tone.wav", "plain.mp4", "out.mp4", "again.mp4"))
            write_tone(tone, 2)
            farm.zoe("render", "a pattern", *LONG, "-o", plain)
            options = ["--audio", tone, "--output-fps", "24", "--output-size", "96x64"]
            farm.zoe("render", "a pattern", *LONG, *options, "-o", out)
            farm.zoe("render", "a pattern", *LONG, *options, "--again", "-o", again)
            self.assertEqual(sha256(out), sha256(again))
            seen, before = probe(out), probe(plain)
            self.assertEqual((before["frames"], before["fps"], before["width"]), (40, 8, 32))
            self.assertNotIn("audio", before)
            self.assertEqual((seen["frames"], seen["fps"], seen["width"], seen["height"]), (120, 24, 96, 64))
            self.assertAlmostEqual(seen["audio"]["seconds"], 5, delta=1024 / 48000)

    def segments(self, farm):
        """Stored segments by task number: they carry their place."""
        found = {}
        for path in (farm.state / "artifacts").rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                place = re.search(rb"ZOETROPE_PLACE.{1,12}?[0-9a-f]{64} (\d+) ", data, re.DOTALL)
                if place:
                    found[int(place[1])] = path
        return found

    def test_a_damaged_segment_is_rendered_again_alone(self):
        line = json.dumps({"prompt": "a pattern", "model": "pattern", "width": 32, "height": 32, "num_inference_steps": 4, "num_frames": 52, "segment_frames": 16,
                           "overlap": 4, "seed": 5, "pattern": {"step_ms": 200}})
        with Farm().start() as farm:
            batch = farm.submit([line])
            stored = eventually(lambda: 2 in (found := self.segments(farm)) and found, what="the third task's segment arrives: the second one's is checked")
            self.assertNotIn(3, stored)
            damaged = stored[1]
            data = bytearray(damaged.read_bytes())
            data[len(data) // 2] ^= 4
            damaged.write_bytes(data)
            farm.wait(batch["batch"])
            sidecar = self.sidecar(farm, batch["folder"])
            log = (farm.folder / "coordinator.log").read_text()
            refused = re.findall(r"a stitch was refused .*segments=(\d+)", log)
            self.assertEqual(refused, ["1"])
            other = farm.submit([line], "--again")
            farm.wait(other["batch"])
            self.assertEqual(sidecar["video"]["sha256"], self.sidecar(farm, other["folder"])["video"]["sha256"])


if __name__ == "__main__":
    unittest.main()
