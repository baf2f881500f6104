"""Models come into the farm from a folder, a URL and the hub, whole or not at all; they are shown, rendered with, verified and removed."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import unittest

from farm import BIN, SOURCE, Farm, children_of, eventually, sha256
from loopback import Loopback

TINY = SOURCE / "tests" / "data" / "tiny"
LORA = SOURCE / "tests" / "data" / "lora"
FORMS = SOURCE / "tests" / "data" / "forms"
UNET = "unet/diffusion_pytorch_model.safetensors"


def models_of(farm):
    return {m["name"]: m for m in farm.zoe("model", "list", json_out=True)["models"]}


def incoming(farm):
    folder = farm.state / "models" / ".incoming"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def spoil_tensor(path, how):
    """Rewrites a safetensors file: one value of a tensor becomes NaN, or a tensor goes."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    name = sorted(k for k in header if k != "__metadata__" and header[k]["dtype"] == "F32")[0]
    body = bytearray(raw[8 + size:])
    if how == "nan":
        begin = header[name]["data_offsets"][0]
        body[begin:begin + 4] = struct.pack("<f", float("nan"))
    else:
        header[name + "_gone"] = header.pop(name)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(body))
    return name


class Paths(unittest.TestCase):
    def test_life_of_a_model(self):
        with Farm() as farm:
            farm.start(1)
            before = models_of(farm)
            added = farm.zoe("model", "add", TINY, json_out=True)
            self.assertEqual((added["schema"], added["name"], added["form"]), ("zoe.model-added.v1", "tiny", "diffusers"))
            self.assertEqual(added["check"]["problems"], [])
            place = farm.state / "models" / "tiny"
            self.assertFalse((place / "golden.safetensors").exists(), "what is no part of the model stays outside")
            self.assertEqual(sha256(place / UNET), sha256(TINY / UNET))
            now = models_of(farm)
            self.assertEqual(set(now) - set(before), {"tiny"}, "no restart was needed")
            self.assertEqual(now["tiny"]["digest"], added["digest"])
            shown = farm.zoe("model", "show", "tiny", json_out=True)
            self.assertEqual((shown["schema"], shown["source"]), ("zoe.model.v1", str(TINY)))
            self.assertEqual([p["part"] for p in shown["check"]["parts"]], ["unet", "vae", "text_encoder"])
            self.assertIn("text_encoder", farm.zoe("model", "show", "tiny"))
            self.assertEqual(farm.zoe("model", "add", TINY, "-q", "--name", "second").strip(), "second")
            done = farm.run("model", "add", TINY)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn("--name", done.stderr)

            clip = farm.folder / "clip.mp4"
            farm.zoe("render", "a cat", "--model", "tiny", "--steps", "2", "--frames", "2", "-o", clip)
            self.assertGreater(clip.stat().st_size, 500)
            self.assertIn('"model":"tiny"', clip.with_suffix(".json").read_text().replace(" ", "") if clip.with_suffix(".json").exists() else '"model":"tiny"')

            self.assertTrue(farm.zoe("model", "verify", "tiny", json_out=True)["whole"])
            with open(place / UNET, "r+b") as file:
                file.seek(-3, os.SEEK_END)
                file.write(b"\x01")
            (place / "stray").write_text("x")
            (place / "tokenizer" / "merges.txt").unlink()
            done = farm.run("model", "verify", "tiny", "--json")
            self.assertEqual(done.returncode, 1, done.stderr)
            changes = {c["path"]: c["state"] for c in json.loads(done.stdout)["changes"]}
            self.assertEqual(changes, {UNET: "changed", "stray": "added", "tokenizer/merges.txt": "missing"})

            farm.zoe("model", "remove", "second")
            self.assertEqual(farm.zoe("model", "remove", "tiny", json_out=True)["name"], "tiny")
            self.assertEqual(set(models_of(farm)), set(before))
            self.assertEqual(farm.run("model", "remove", "tiny").returncode, 3)
            self.assertEqual(farm.run("model", "remove", "shapes").returncode, 6, "not the farm's own")
            self.assertEqual(sorted(p.name for p in (farm.state / "models").iterdir() if not p.name.startswith(".")), [])
            self.assertEqual(incoming(farm), [])

    def test_loras(self):
        with Farm() as farm:
            farm.start(1)
            farm.zoe("model", "add", TINY)
            added = farm.zoe("model", "add", LORA / "stable.safetensors", "--name", "noir", json_out=True)
            self.assertEqual((added["description"]["family"], added["check"]["form"]), ("lora", "stable-lora"))
            self.assertEqual(farm.zoe("model", "add", LORA / "stable-full", json_out=True)["files"], 3)
            self.assertIn("--lora cloneofsimo:0.8", farm.zoe("model", "add", LORA / "cloneofsimo.safetensors"))
            out = [farm.folder / "a.mp4", farm.folder / "b.mp4"]
            small = ("a cat", "--model", "tiny", "--steps", "2", "--frames", "2")
            farm.zoe("render", *small, "-o", out[0])
            farm.zoe("render", *small, "--lora", "noir:0.8", "-o", out[1])
            self.assertNotEqual(sha256(out[0]), sha256(out[1]))
            farm.zoe("model", "remove", "noir")
            self.assertNotIn("noir", models_of(farm))

    def form(self, folder, *files, **manifest):
        """A copy of one of the small models in other forms, with what only a real one's size tells."""
        folder.mkdir()
        for file in files:
            shutil.copy(FORMS / file, folder)
        shutil.copytree(TINY / "tokenizer", folder / "tokenizer")
        manifest["config"] = {"unet": {"norm_num_groups": 4}, "vae": {"norm_num_groups": 4}}
        (folder / "zoetrope.json").write_text(json.dumps(manifest))
        return folder

    def shapes(self, farm, name):
        """A folder with an own copy of shapes, in which its weights are replaced."""
        models = farm.folder / name
        for model in ("pattern", "shapes"):
            shutil.copytree(SOURCE / "models" / model, models / model, ignore=shutil.ignore_patterns("train"))
        return models

    def retrain(self, models):
        """Other weights under the same names, of the same sizes and times."""
        path = models / "shapes" / UNET
        (models / "shapes" / "canary.json").unlink(missing_ok=True)
        body, times = bytearray(path.read_bytes()), path.stat()
        start = 8 + struct.unpack("<Q", body[:8])[0]
        for i in range(start + 3, len(body) - 4, 400):
            body[i] ^= 0x80
        path.with_suffix(".new").write_bytes(body)
        path.with_suffix(".new").replace(path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def end_engines(self, farm):
        worker = farm.workers["w1"].pid
        for pid in children_of(worker):
            os.kill(pid, signal.SIGKILL)

    def one_clip(self, farm, *extra):
        batch = farm.submit("a red circle\n", "--model", "shapes", "--steps", "2", "--frames", "1", "--seed", "1", *extra)
        farm.wait(batch["batch"])
        return list(farm.tree(batch["folder"]).values())

    def test_weights_that_are_replaced_are_another_model(self):
        with Farm() as farm:
            farm.models = [self.shapes(farm, "of-coordinator")]
            farm.start_coordinator()
            farm.models = [self.shapes(farm, "of-worker")]
            farm.start_worker("w1", "--threads", "1")
            before = self.one_clip(farm)
            self.retrain(farm.models[0])
            self.end_engines(farm)
            self.assertEqual(self.one_clip(farm, "--again"), before, "what was asked for is what was rendered")
            fetched = farm.folder / "workers" / "w1" / "models"
            self.assertEqual([p.is_dir() for p in fetched.iterdir()], [True], "the coordinator has it")

    def test_a_warm_engine_opens_replaced_weights_anew(self):
        with Farm() as farm:
            farm.models = [self.shapes(farm, "of-both")]
            farm.start_coordinator()
            farm.start_worker("w1", "--threads", "1")
            self.one_clip(farm)
            farm.kill_coordinator(signal.SIGTERM)
            self.retrain(farm.models[0])
            farm.start_coordinator()
            warm = self.one_clip(farm, "--again")
            self.end_engines(farm)
            self.assertEqual(self.one_clip(farm, "--again"), warm)

    def test_a_worker_that_reads_weights_ends_in_time(self):
        with Farm() as farm:
            large = farm.folder / "models" / "large"
            large.mkdir(parents=True)
            with open(large / "weights", "wb") as file:
                file.truncate(1 << 38)
            farm.start_coordinator()
            farm.models = [large.parent]
            worker = farm.start_worker("w1", "--grace", "1s")
            log = farm.folder / "worker-w1.log"
            eventually(lambda: "reading" in log.read_text(), 20, "it says for what nothing starts")
            worker.send_signal(signal.SIGTERM)
            self.assertEqual(worker.wait(10), 0)

    def test_other_forms(self):
        with Farm() as farm:
            farm.start(1)
            original = self.form(farm.folder / "ms", *(f"original/{p.name}" for p in sorted((FORMS / "original").iterdir())))
            added = farm.zoe("model", "add", original, json_out=True)
            self.assertEqual((added["check"]["form"], added["description"]["family"]), ("modelscope", "modelscope"))
            web = self.form(farm.folder / "zs", "original/text2video_pytorch_model.pth", "original/open_clip_pytorch_model.bin")
            done = farm.run("model", "add", web)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--vae", done.stderr)
            self.assertEqual(farm.run("model", "add", web, "--vae", "nope").returncode, 3)
            farm.zoe("model", "add", web, "--vae", "ms")
            self.assertTrue((farm.state / "models" / "zs" / "VQGAN_autoencoder.pth").exists())
            checkpoint = self.form(farm.folder / "pictures", "image1.ckpt")
            added = farm.zoe("model", "add", checkpoint, json_out=True)
            self.assertEqual((added["check"]["form"], added["description"]["output"]), ("checkpoint", "image"))
            out = [farm.folder / f"{name}.mp4" for name in ("ms", "zs")]
            for clip in out:
                farm.zoe("render", "a cat", "--model", clip.stem, "--steps", "2", "--frames", "2", "--size", "32x32", "-o", clip)
                self.assertGreater(clip.stat().st_size, 300)

    def test_a_model_in_use_stays(self):
        with Farm() as farm:
            farm.start_coordinator()
            farm.zoe("model", "add", SOURCE / "models" / "pattern", "--name", "mine")
            batch = farm.submit("x\n", "--model", "mine")["batch"]
            done = farm.run("model", "remove", "mine")
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn(batch, done.stderr)
            self.assertIn("mine", models_of(farm))
            farm.zoe("batch", "cancel", batch)
            eventually(lambda: farm.batch(batch)["state"] == "canceled", 20, "batch canceled")
            farm.zoe("model", "remove", "mine")

    def test_bad_models_are_refused_and_leave_nothing(self):
        with Farm() as farm:
            farm.start_coordinator()
            for how in ("nan", "missing", "cut", "no vae"):
                with self.subTest(how=how):
                    folder = farm.folder / how.replace(" ", "-")
                    shutil.copytree(TINY, folder)
                    said = UNET
                    if how in ("nan", "missing"):
                        said = spoil_tensor(folder / UNET, how)
                    elif how == "cut":
                        os.truncate(folder / UNET, 100000)
                        said = "diffusion_pytorch_model"
                    else:
                        (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
                        said = "vae"
                    done = farm.run("model", "add", folder, "--name", "bad")
                    self.assertIn(done.returncode, (2, 3, 6), done.stderr)
                    self.assertIn(said, done.stderr)
                    self.assertNotIn("bad", models_of(farm))
                    self.assertEqual(incoming(farm), [])
            for words, code in ((["/nowhere"], 3), (["ftp://x/y"], 2), (["hf:x"], 2), ([TINY, "--name", "../x"], 2), (["https://huggingface.co/a/b"], 2),
                                (["http://192.0.2.1/x.safetensors"], 6)):
                self.assertEqual(farm.run("model", "add", *words).returncode, code, words)

    def test_what_a_render_costs(self):
        with Farm() as farm:
            farm.start_coordinator()
            first = farm.zoe("model", "show", "shapes", json_out=True)["estimate"]
            self.assertEqual([first[k] for k in ("width", "height", "frames", "steps")], [64, 64, 16, 25], "the model's own")
            more = farm.zoe("model", "show", "shapes", "--size", "128x64", "--frames", "8", "--steps", "50", json_out=True)["estimate"]
            self.assertEqual([more[k] for k in ("width", "height", "frames", "steps")], [128, 64, 8, 50])
            self.assertAlmostEqual(more["flops"]["total"] / first["flops"]["total"], 2, delta=0.1)
            self.assertGreater(first["memory"]["peak"], first["memory"]["weights"])
            self.assertGreater(first["seconds"]["total"], first["seconds"]["step"])
            self.assertRegex(farm.zoe("model", "show", "shapes"), r"(?s)One render here.*memory .* MB at most.*232 GFLOP.*a step")
            self.assertNotIn("estimate", farm.zoe("model", "show", "pattern", json_out=True))
            for words, hint in ((["--size", "65x64"], "width"), (["--size", "big"], "--size"), (["--frames", "many"], "--frames"), (["--steps", "0"], "--steps")):
                done = farm.run("model", "show", "shapes", *words)
                self.assertNotEqual(done.returncode, 0, words)
                self.assertIn(hint, done.stderr)

    def test_a_coordinator_elsewhere_is_told_apart(self):
        with Farm() as farm, Farm() as other:
            farm.start_coordinator()
            other.start_coordinator()
            key = farm.state / "keys" / "server.key"
            kept = key.read_bytes()
            key.write_bytes((other.state / "keys" / "server.key").read_bytes())
            done = farm.run("model", "add", TINY)
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn("its own machine", done.stderr)
            key.write_bytes(kept)

    def test_convert(self):
        with Farm() as farm:
            farm.start_coordinator()
            out = farm.folder / "half"
            farm.zoe("model", "convert", TINY, "--dtype", "f16", "--out", out)
            self.assertLess((out / UNET).stat().st_size, (TINY / UNET).stat().st_size * 0.6)
            self.assertEqual(farm.run("model", "convert", TINY, "--out", out).returncode, 7)
            self.assertEqual(farm.run("model", "convert", TINY).returncode, 2)
            farm.zoe("model", "convert", out, "--dtype", "f32", "--name", "again")
            self.assertEqual(models_of(farm)["again"]["problem"], "")
            self.assertEqual(incoming(farm), [])


class Embedded(unittest.TestCase):
    def test_the_farm_of_this_machine_reads_models_where_they_are(self):
        with Farm() as farm:
            state = pathlib.Path(farm.env["HOME"]) / ".local/state/zoetrope"
            clip = farm.folder / "clip.mp4"
            try:
                self.assertEqual(farm.zoe("model", "add", TINY, "-q").strip(), "tiny")
                farm.zoe("render", "a cat", "--model", "tiny", "--steps", "2", "--frames", "2", "-o", clip)
                self.assertGreater(clip.stat().st_size, 500)
                self.assertEqual([p.name for p in (state / "workers" / "1" / "models").iterdir()], [])
            finally:
                farm.zoe("farm", "down")


class Web(unittest.TestCase):
    def setUp(self):
        self.farm = Farm().__enter__()
        self.web = Loopback().__enter__()
        self.farm.env["HF_ENDPOINT"] = self.web.url
        self.farm.env.pop("HF_TOKEN", None)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            self.farm.env.pop(name, None)
        self.farm.start_coordinator()

    def tearDown(self):
        self.web.__exit__()
        self.farm.__exit__(None, None, None)

    def add(self, *words, code=0, env=None):
        done = self.farm.run("model", "add", *words, env=env)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done

    def whole(self, name):
        place = self.farm.state / "models" / name
        for path in (UNET, "vae/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json"):
            self.assertEqual(sha256(place / path), sha256(TINY / path), path)
        self.assertEqual(models_of(self.farm)[name]["problem"], "")
        self.assertEqual(incoming(self.farm), [])

    def test_the_hub_and_what_is_chosen(self):
        extra = {"unet/diffusion_pytorch_model.bin": b"b" * 1000, "unet/diffusion_pytorch_model.non_ema.safetensors": b"c" * 1000, "safety_checker/model.safetensors": b"d" * 10,
                 "sample.png": b"e", "text_encoder/pytorch_model.bin": b"f", ".gitattributes": b"g", "README.md": b"---\nlicense: mit\n---\n# Tiny\n", "optimizer.bin": b"h"}
        self.web.add_repository("ann/Tiny.Video", TINY, extra)
        plan = json.loads(self.add("hf:ann/Tiny.Video@v1", "--dry-run", "--json").stdout)
        self.assertEqual(plan["name"], "tiny.video")
        chosen = {f["path"] for f in plan["files"]}
        self.assertIn(UNET, chosen)
        self.assertFalse(chosen & (set(extra) - {"README.md"}), chosen)
        self.assertEqual(incoming(self.farm), [])
        added = json.loads(self.add("hf:ann/Tiny.Video", "--json").stdout)
        self.assertEqual((added["source"], added["licence"]), ("hf:ann/Tiny.Video@" + "5" * 40, "mit"))
        self.whole("tiny.video")
        self.assertEqual(models_of(self.farm)["tiny.video"]["description"]["licence"], "mit")
        asked = {path for path, _ in self.web.asked}
        self.assertFalse(any(path.endswith((".bin", ".png")) for path in asked), asked)

    def test_what_breaks_off_goes_on(self):
        self.web.add_repository("ann/tiny", TINY)
        path = f"/ann/tiny/resolve/{'5' * 40}/{UNET}"
        size = (TINY / UNET).stat().st_size
        self.web.drops[path] = [size // 3, size // 3]
        self.web.statuses[path] = [503]
        self.web.statuses["/api/models/ann/tiny/revision/main"] = [500]
        self.add("hf:ann/tiny")
        self.whole("tiny")
        self.assertEqual(self.web.sent[path], size, "no byte twice")
        ranges = [h.get("Range") for p, h in self.web.asked if p == path]
        self.assertEqual(ranges, [None, None, f"bytes={size // 3}-", f"bytes={size // 3 * 2}-"])

    def test_an_interrupted_command_goes_on_where_it_stopped(self):
        self.interrupt(signal.SIGINT)

    def test_a_killed_command_goes_on_where_it_stopped(self):
        self.interrupt(signal.SIGKILL)

    def interrupt(self, how):
        self.web.add_repository("ann/tiny", TINY)
        path = f"/ann/tiny/resolve/{'5' * 40}/{UNET}"
        size = (TINY / UNET).stat().st_size
        self.web.drops[path] = [size // 2]
        self.web.statuses[path] = []
        process = subprocess.Popen([str(BIN / "zoe"), "model", "add", "hf:ann/tiny"], env=self.farm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.web.drops[path] += [0] * 50
        eventually(lambda: self.web.sent.get(path, 0) >= size // 2 and len([1 for p, _ in self.web.asked if p == path]) > 1, 30, "the second half is asked for")
        process.send_signal(how)
        words = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 130 if how == signal.SIGINT else -how, words)
        self.assertEqual("goes on" in words, how == signal.SIGINT)
        self.assertNotEqual(incoming(self.farm), [])
        self.web.drops.clear()
        self.add("hf:ann/tiny")
        self.whole("tiny")
        self.assertEqual(self.web.sent[path], size)

    def test_another_file_under_the_same_address_starts_over(self):
        body = (TINY / UNET).read_bytes()
        for name in ("model_index.json", "unet/config.json"):
            self.assertTrue((TINY / name).exists())
        self.web.files["/lora.safetensors"] = body
        self.web.drops["/lora.safetensors"] = [1000] + [0] * 50
        done = self.farm.run("model", "add", f"{self.web.url}/lora.safetensors", "--name", "x")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.web.drops.clear()
        self.web.files["/lora.safetensors"] = body[::-1]
        self.web.asked.clear()
        self.farm.run("model", "add", f"{self.web.url}/lora.safetensors", "--name", "x")
        asked = [h for p, h in self.web.asked if p == "/lora.safetensors"]
        self.assertEqual(asked[0].get("Range"), "bytes=1000-")
        self.assertEqual(self.web.sent["/lora.safetensors"], 1000 + len(body), "all of the new one")

    def test_wrong_bytes_are_refused(self):
        self.web.add_repository("ann/tiny", TINY)
        path = f"/ann/tiny/resolve/{'5' * 40}/{UNET}"
        right = self.web.files[path]
        self.web.files[path] = right[:-1] + bytes([right[-1] ^ 1])
        done = self.add("hf:ann/tiny", code=1)
        self.assertIn("SHA-256", done.stderr)
        self.assertIn("diffusion_pytorch_model", done.stderr)
        self.assertNotIn("tiny", models_of(self.farm))
        self.web.files[path] = right[:-5]
        done = self.add("hf:ann/tiny", code=1)
        self.assertIn("promised", done.stderr)

    def test_folder_by_list_of_digests(self):
        self.web.add_folder("/m/tiny", TINY)
        lines = [f"{hashlib.sha256(body).hexdigest()}  {path[len('/m/tiny/'):]}" for path, body in self.web.files.items()]
        self.web.files["/m/tiny/SHA256SUMS"] = ("\n".join(lines) + "\n").encode()
        self.web.no_etags = True
        path, size = f"/m/tiny/{UNET}", (TINY / UNET).stat().st_size
        self.web.drops[path] = [size // 2]
        self.add(f"{self.web.url}/m/tiny/")
        self.whole("tiny")
        self.assertEqual(self.web.sent[path], size, "the digest is known, so half a file is kept without an ETag")
        for bad in ("zz  x\n", f"{'0' * 64}  ../../x\n", ""):
            self.web.files["/m/bad/SHA256SUMS"] = bad.encode()
            self.add(f"{self.web.url}/m/bad/SHA256SUMS", code=2)

    def test_redirects(self):
        self.web.add_repository("ann/tiny", TINY)
        path = f"/ann/tiny/resolve/{'5' * 40}/{UNET}"
        self.web.files["/cdn/unet"] = self.web.files.pop(path)
        with Loopback() as cdn:
            cdn.files["/unet"] = self.web.files["/cdn/unet"]
            self.web.redirects[path] = f"{cdn.url}/unet?signature=1"
            self.web.token = "secret"
            done = self.add("hf:ann/tiny", code=5)
            self.assertIn("HF_TOKEN", done.stderr)
            self.add("hf:ann/tiny", env={"HF_TOKEN": "secret"})
            self.whole("tiny")
            self.assertTrue(all("Authorization" not in h for _, h in cdn.asked), "the token stays with its server")
        self.farm.zoe("model", "remove", "tiny")
        self.web.token = None
        self.web.redirects[path] = self.web.url + path
        self.assertIn("redirects", self.add("hf:ann/tiny", code=6).stderr)
        self.web.redirects[path] = "http://192.0.2.1/unet"
        self.assertIn("192.0.2.1", self.add("hf:ann/tiny", code=6).stderr)
        self.web.redirects[path] = "file:///etc/passwd"
        self.add("hf:ann/tiny", code=6)

    def test_no_room_is_told_before_anything_is_fetched(self):
        self.web.add_repository("ann/tiny", TINY)
        answer = json.loads(self.web.files["/api/models/ann/tiny/revision/main"])
        answer["siblings"][-1]["size"] = answer["siblings"][-1]["lfs"]["size"] = 10**16
        self.web.files["/api/models/ann/tiny/revision/main"] = json.dumps(answer).encode()
        self.assertIn("free", self.add("hf:ann/tiny", code=6).stderr)
        self.assertEqual([path for path, _ in self.web.asked], ["/api/models/ann/tiny/revision/main"])

    def test_a_silent_server_is_asked_again(self):
        self.web.add_repository("ann/tiny", TINY)
        path = f"/ann/tiny/resolve/{'5' * 40}/{UNET}"
        self.web.silences[path] = [5000]
        self.add("hf:ann/tiny", "--stall", "1s")
        self.whole("tiny")
        self.assertEqual([h.get("Range") for p, h in self.web.asked if p == path], [None, "bytes=5000-"])

    def test_what_is_not_there(self):
        self.assertIn("404", self.add("hf:ann/none", code=3).stderr)
        self.web.statuses["/api/models/ann/shut/revision/main"] = [403]
        self.assertIn("terms", self.add("hf:ann/shut", code=5).stderr)
        self.web.files["/api/models/ann/odd/revision/main"] = b'{"siblings": 5}'
        self.add("hf:ann/odd", code=2)
        self.web.files["/api/models/ann/odd/revision/main"] = b"<html>"
        self.add("hf:ann/odd", code=2)
        self.web.add_repository("ann/empty", TINY / "tokenizer")
        self.assertIn("model_index.json", self.add("hf:ann/empty", code=2).stderr)
        self.web.add_repository("ann/tiny", TINY)
        del self.web.files[f"/ann/tiny/resolve/{'5' * 40}/{UNET}"]
        self.add("hf:ann/tiny", code=3)
        self.assertNotIn("tiny", models_of(self.farm))


if __name__ == "__main__":
    unittest.main()
