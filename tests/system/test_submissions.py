"""Submissions whose check takes long: what goes on beside it, and what ends it.

A check of one of them takes half a minute: every line is another text at each of its 999 steps. No test waits for its end: what happens beside it is there before the
first of them is answered, or has waited for it.
"""
import contextlib
import subprocess
import unittest

from farm import BIN, SLOW, Farm, eventually
from test_joining import person, zoe

QUICK = ("--model", "pattern", "--frames", "4", "--steps", "2")
SLOWLY = ("--model", "shapes", "--steps", "999", "--prompt-syntax", "a1111")
LINE = "[a|b]" * 50 + "\n"
LONG = LINE * 40000  # ten times what is large


@contextlib.contextmanager
def sending(farm, env, count, *flags):
    """So many clients, each sending one with a key of its own."""
    file = farm.folder / "long.txt"
    file.write_text(LONG)
    start = lambda n: subprocess.Popen([BIN / "zoe", "submit", file, *SLOWLY, *flags, "--key", f"k{n}"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clients = [start(n) for n in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def size_of(path):
    """-1: it has just gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def files(farm, folder):
    return list((farm.state / folder).iterdir())


def whole(farm):
    """How many are here to the last byte."""
    return sum(size_of(path) == len(LONG) for path in files(farm, "incoming"))


def lines_are_checked(farm):
    """Of one that will be rendered: good ones are written as it goes; eight bytes come before them."""
    return any(size_of(path) > 8 for path in files(farm, "prompts"))


def ended(clients):
    return [client for client in clients if client.poll() is not None]


def left_of_it(farm):
    return files(farm, "incoming") + files(farm, "prompts") + [p for p in files(farm, "renders") if p.name.startswith(".tmp-")]


class Beside(unittest.TestCase):
    def submit(self, farm, text, *flags):
        """The client, at it."""
        file = farm.folder / "small.txt"
        file.write_text(text)
        client = farm.spawn("small", [BIN / "zoe", "submit", file, *flags])
        self.addCleanup(farm.end, client)
        return client

    def test_long_submissions_hold_up_nobody_else(self):
        """More than there are threads: they wait for one another, not everybody in one queue."""
        with Farm() as farm:
            farm.start_coordinator()
            ann, _ = person(farm, "ann")
            with sending(farm, ann, 8, "--dry-run") as clients:
                eventually(lambda: whole(farm) == 8, what="all are here as a whole")
                small = self.submit(farm, "a fox\n", *QUICK, "--dry-run")
                eventually(lambda: ended([small, *clients]), seconds=300, what="an answer")
                self.assertEqual(ended(clients), [], "it waited for them")
                self.assertEqual(small.returncode, 0)
                farm.zoe("key", "revoke", "ann")
                eventually(lambda: not left_of_it(farm), seconds=5, what="nothing of them is left")

    def test_a_small_one_is_answered_while_a_large_one_is_checked(self):
        with Farm() as farm:
            farm.start_coordinator()
            ann, _ = person(farm, "ann")
            with sending(farm, ann, 1) as clients:
                eventually(lambda: lines_are_checked(farm), what="it is being checked")
                batch = zoe(ann, "submit", "-", *QUICK, stdin="a fox\n")["batch"]
                self.assertEqual(ended(clients), [], "it waited for the large one")
                self.assertEqual([b["id"] for b in zoe(ann, "batch", "list")["batches"]], [batch])

    def test_a_result_is_stored_while_large_ones_are_checked(self):
        with Farm() as farm:
            farm.start_coordinator()
            ann, _ = person(farm, "ann")
            farm.start_worker("w1")
            farm.wait(farm.submit(["a cat"], *QUICK)["batch"])  # it is admitted, its model warm
            with sending(farm, ann, 8, "--dry-run") as clients:
                eventually(lambda: whole(farm) == 8, what="all are here as a whole")
                batch = farm.submit(["a fox"], *QUICK)["batch"]
                eventually(lambda: farm.batch(batch)["clips"]["published"] or ended(clients), seconds=300, what="a video")
                self.assertEqual(ended(clients), [], "it waited for them")


@contextlib.contextmanager
def one_being_checked():
    """A farm in which one of two is, and the other waits for it."""
    with Farm() as farm:
        farm.start_coordinator()
        ann, _ = person(farm, "ann")
        with sending(farm, ann, 2):
            eventually(lambda: whole(farm) == 2 and lines_are_checked(farm), what="one is being checked")
            yield farm


class Ends(unittest.TestCase):
    def test_a_revoked_key_ends_its_check(self):
        with one_being_checked() as farm:
            farm.zoe("key", "revoke", "ann")
            eventually(lambda: not left_of_it(farm), seconds=5, what="nothing of them is left")
            self.assertEqual(farm.zoe("batch", "list", json_out=True)["batches"], [])

    def test_the_coordinators_end_ends_a_check(self):
        with one_being_checked() as farm:
            farm.coordinator.terminate()
            self.assertEqual(farm.coordinator.wait(10 * SLOW), 0)
            self.assertEqual(left_of_it(farm), [])


if __name__ == "__main__":
    unittest.main()
