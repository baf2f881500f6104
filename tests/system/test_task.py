"""zoe task on a real farm: what was tried of a clip that fails, what its engine said, and how to make it again."""
import json
import shlex
import subprocess
import unittest

from farm import Farm


def poison(prompt, **faults):
    return json.dumps({"prompt": prompt, "seed": 7, "pattern": faults}) + "\n"


class Task(unittest.TestCase):
    FLAGS = ("--model", "pattern", "--frames", "4", "--steps", "4")

    def test_of_a_clip_that_fails(self):
        with Farm().start(workers=2) as farm:
            batch = farm.submit(poison("it's a poison", fail_step=2), *self.FLAGS)["batch"]
            farm.wait(batch, code=1)
            shown = farm.zoe("task", "show", f"{batch[:6]}/0", json_out=True)
            self.assertEqual((shown["schema"], shown["clip"]["state"], shown["clip"]["why"]), ("zoe.task.v1", "failed", "failed"))
            self.assertGreaterEqual(len(shown["attempts"]), 2)
            for attempt in shown["attempts"]:
                self.assertEqual(attempt["end"], "failed")
                self.assertIn(attempt["worker"], ("w1", "w2"))
                self.assertTrue(attempt["message"])
                self.assertIn(f"{batch}.0.0.{attempt['fence']}: step 2 of 4: failed, as the recipe asks", attempt["log_tail"])
            self.assertEqual(json.loads(shown["recipe"])["prompt"], "it's a poison")
            text = farm.zoe("task", "show", f"{batch}/0")
            self.assertIn("failed, as the recipe asks", text)
            logs = farm.zoe("task", "logs", f"{batch}/0.0")
            self.assertIn("as the recipe asks", logs)
            fence = shown["attempts"][0]["fence"]
            self.assertEqual(farm.zoe("task", "logs", f"{batch}/0", "--attempt", str(fence)), shown["attempts"][0]["log_tail"])
            self.again(farm, text, batch)

    def again(self, farm, text, batch):
        """The last line is a command for any shell: it makes the same clip, which fails again."""
        line = next(line for line in text.splitlines() if line.startswith("Again: "))[len("Again: "):]
        made, taken = line.split(" | ")
        recipe = subprocess.run(made, shell=True, capture_output=True, text=True, check=True).stdout
        second = farm.zoe(*shlex.split(taken)[1:], "--json", stdin=recipe)
        second = json.loads(second)["batch"]
        self.assertNotEqual(second, batch)
        farm.wait(second, code=1)
        shown = farm.zoe("task", "show", f"{second}/0", json_out=True)
        self.assertEqual(json.loads(shown["recipe"]), json.loads(farm.zoe("task", "show", f"{batch}/0", json_out=True)["recipe"]))

    def test_of_one_that_is_published_and_of_none(self):
        with Farm().start(workers=1) as farm:
            batch = farm.submit("a ball\n", *self.FLAGS)["batch"]
            farm.wait_published(batch, 1)
            shown = farm.zoe("task", "show", "last/0", json_out=True)
            self.assertEqual([a["end"] for a in shown["attempts"]], ["done"])
            self.assertEqual(farm.zoe("task", "logs", "last/0"), "")
            for subject in (f"{batch}/1", batch, "b/x", f"{batch}/0.7"):
                farm.zoe("task", "show", subject, code=3)


if __name__ == "__main__":
    unittest.main()
