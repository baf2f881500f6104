"""Linux tells of what it could not write once: the next sync of the same bytes is fine, and proves nothing. What could not be synced comes again."""
import json
import os
import unittest

from farm import BIN, SOURCE, Farm, sha256
from loopback import Loopback
from test_inputs import START, png

LOSES_A_SYNC = BIN.parent / "tests" / "libzoe_sync.so"
LORA = SOURCE / "tests" / "data" / "lora" / "kohya.safetensors"


@unittest.skipUnless(LOSES_A_SYNC.exists(), "the target zoe_sync is not built")
class Syncs(unittest.TestCase):
    def setUp(self):
        self.farm = Farm().__enter__()
        self.log = self.farm.folder / "syncs"

    def run(self, result=None):
        """Logs are shown of a test that failed, as by `with Farm()`."""
        before = len(result.failures) + len(result.errors)
        super().run(result)
        failed = len(result.failures) + len(result.errors) > before
        self.farm.__exit__(AssertionError if failed else None, None, None)

    def loses(self, part):
        """The first sync of a path with `part` in it fails."""
        return {"LD_PRELOAD": str(LOSES_A_SYNC), "ZOE_SYNC_FAILS": part, "ZOE_SYNC_LOG": str(self.log), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def check_written_again(self):
        lines = self.log.read_text().split()
        after = lines[lines.index("lost") + 1:]
        self.assertIn("sync", after)
        self.assertIn("write", after[:after.index("sync")], "it was synced again and nothing else")

    def test_a_result(self):
        self.farm.start_coordinator(env=self.loses("/artifacts/tmp/"))
        self.farm.start_worker("w1")
        line = json.dumps({"prompt": "a clip", "pattern": {"step_ms": 100}})
        accepted = self.farm.submit([line], "--model", "pattern", "--frames", "6", "--steps", "4")
        self.farm.wait(accepted["batch"])
        self.assertEqual(self.farm.batch(accepted["batch"])["attempts"], 1)
        self.check_written_again()

    def test_an_input_at_a_worker(self):
        self.farm.start_coordinator()
        image = png(self.farm.folder / "a.png", 64, 64)
        self.farm.start_worker("w1", env=self.loses(f"/inputs/{sha256(image)}.part"))
        self.farm.wait(self.farm.submit("a red circle", *START, "--init-image", image)["batch"])
        self.assertEqual(sha256(self.farm.folder / "workers" / "w1" / "inputs" / sha256(image)), sha256(image))
        self.check_written_again()

    def test_a_model_at_a_worker(self):
        self.farm.start_coordinator()
        self.farm.models = [self.farm.folder / "none"]
        self.farm.models[0].mkdir()
        self.farm.start_worker("w1", env=self.loses("model_index.json"))
        self.farm.wait(self.farm.submit("a cat\n", "--model", "shapes", "--steps", "1", "--frames", "1")["batch"])
        self.check_written_again()

    def test_a_download(self):
        self.farm.start_coordinator()
        with Loopback() as web:
            web.files["/x.safetensors"] = LORA.read_bytes()
            add = lambda **how: self.farm.run("model", "add", f"{web.url}/x.safetensors", "--name", "x", **how)
            failed = add(env=self.loses("x.safetensors.part"))
            self.assertEqual(failed.returncode, 1, failed.stderr)
            self.assertIn("cannot sync", failed.stderr)
            self.assertEqual(add().returncode, 0)
            self.assertEqual(web.sent["/x.safetensors"], 2 * LORA.stat().st_size)

    def test_a_new_folder(self):
        """Its name may be lost with its parent's sync: whoever asks again must sync again, which happens for a new one only."""
        key = self.farm.folder / "parent" / "new" / "client.key"
        failed = self.farm.run("key", "new", key, env=self.loses("/parent"))
        self.assertEqual(failed.returncode, 1, failed.stderr)
        self.assertIn("cannot sync", failed.stderr)
        self.assertFalse(key.parent.exists())
        self.farm.zoe("key", "new", key)


if __name__ == "__main__":
    unittest.main()
