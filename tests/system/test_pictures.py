"""Text to image: a model whose clips are pictures, from a prompt to a PNG with its recipe inside."""
import json
import shutil
import struct
import subprocess
import unittest
import zlib

from farm import BIN, SOURCE, Farm, eventually, sha256


def read_png(path):
    """Width, height, texts and RGB bytes of a PNG, with nothing but its specification."""
    data, at, texts, pixels = path.read_bytes(), 8, {}, b""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour) == (8, 2)
        if kind == b"iTXt":
            keyword, text = body.split(b"\0\0\0\0\0", 1)
            texts[keyword.decode()] = text.decode()
        if kind == b"IDAT":
            pixels += body
        at += size + 12
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    assert len(raw) == width * height * 3 and len(zlib.decompress(pixels)) == height * (1 + width * 3)
    return width, height, texts, raw


def picture_farm():
    farm = Farm()
    folder = farm.folder / "models" / "tiny-sd"
    shutil.copytree(SOURCE / "tests/data/tiny-sd2", folder, ignore=shutil.ignore_patterns("golden*"))
    farm.models = [SOURCE / "models", farm.folder / "models"]
    return farm


class Pictures(unittest.TestCase):
    def test_render_to_png(self):
        with picture_farm().start() as farm:
            first, second, wrong = (farm.folder / name for name in ("cat.png", "again.png", "cat.mp4"))
            arguments = ["a red fox, \"雪\"", "--model", "tiny-sd", "--seed", "3", "--steps", "2"]
            done = farm.run("render", *arguments, "-o", first)
            self.assertEqual(done.returncode, 0, done.stderr)
            width, height, texts, pixels = read_png(first)
            self.assertEqual((width, height), (48, 48))
            self.assertGreater(len(set(pixels)), 20)
            self.assertEqual(texts["Title"], arguments[0])
            comment = json.loads(texts["Comment"])
            self.assertEqual(comment["recipe"]["prompt"], arguments[0])
            self.assertEqual((comment["recipe"]["num_frames"], comment["recipe"]["seed"]), (1, 3))
            self.assertEqual(farm.zoe("render", *arguments, "--again", "-o", second).strip(), str(second))
            self.assertEqual(read_png(second)[3], pixels)
            self.assertEqual(sha256(second), sha256(first))
            probed = json.loads(subprocess.run([BIN / "zoe-media", "probe", "--png", first], capture_output=True, check=True).stdout)
            self.assertEqual((probed["codec"], probed["sha256"]), ("png", sha256(first)))
            self.check_refusals(farm, arguments, wrong)

    def check_refusals(self, farm, arguments, wrong):
        done = farm.run("render", *arguments, "-o", wrong)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("tiny-sd makes an image, so the name has to end in .png", done.stderr)
        self.assertFalse(wrong.exists())
        done = farm.run("render", "x", "--model", "pattern", "-o", farm.folder / "x.png")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(".mp4", done.stderr)
        done = farm.run("render", *arguments, "--frames", "8", "-o", farm.folder / "x.png")
        self.assertIn("num_frames", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_batch_of_pictures_and_videos(self):
        with picture_farm().start() as farm:
            lines = [{"prompt": "a", "model": "tiny-sd", "num_inference_steps": 2, "seed": [1, 2]},
                     {"prompt": "b", "model": "pattern", "num_frames": 4, "num_inference_steps": 2}]
            accepted = farm.submit("\n".join(map(json.dumps, lines)))
            farm.wait(accepted["batch"])
            root = farm.state / "renders" / accepted["folder"]
            self.assertEqual(sorted(p.suffix for p in root.glob("?_*")), [".json"] * 3 + [".mp4"] + [".png"] * 2)
            picture = root / "1_a_s2.png"
            sidecar = json.loads(picture.with_suffix(".json").read_text())
            self.assertEqual(sidecar["image"]["sha256"], sha256(picture))
            self.assertEqual(sidecar["recipe"], json.loads(read_png(picture)[2]["Comment"])["recipe"])
            fetched = farm.zoe("batch", "fetch", accepted["batch"], farm.folder / "out", json_out=True)
            self.assertEqual((fetched["clips"], fetched["missing"]), (3, 0))
            out = farm.folder / "out" / accepted["folder"]
            self.assertEqual(sha256(out / picture.name), sha256(picture))
            page = (out / "index.html").read_text()
            self.assertIn('<img alt="" loading="lazy" src="1_a_s2.png">', page)
            self.assertTrue((out / "sheet.png").stat().st_size > 1000)
            eventually(lambda: not farm.strays(), 20, "no temporary file left")


if __name__ == "__main__":
    unittest.main()
