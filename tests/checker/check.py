#!/usr/bin/env python3
"""The independent checker: was every clip that a client was promised published, once, whole, and of the right content? It shares no code with the farm and reads only what a
client was told, the published tree and its sidecars.

    check.py --acks FILE --renders DIR [--may-fail BATCH/CLIP]... [--gone BATCH]... [--also BATCH]... [--shown FILE] [--workers FILE] [--sick NAME]... [--decode N]

    --acks FILE        NDJSON, a line for each answer `Accepted`, written when it came:
                       {"batch": ID, "folder": NAME in DIR, "clips": N, "owner": NAME, "key": KEY, "flags": [...], "lines": [{"prompt": TEXT, "seed": S, ...}, ...]}
                       Clip N is line N (one seed a line). A submission that was sent again with its key gives a second line, which must tell of the same batch.
    --renders DIR      the published tree
    --may-fail B/C     this clip was made bad on purpose: it may be missing
    --gone BATCH       it was canceled or removed: any part of it may be missing, what is there must be right
    --also BATCH       it may be there though no client got an answer
    --shown FILE       NDJSON, what `zoe batch show --json` says of each batch: its counters must be those of the tree
    --workers FILE     what `zoe worker list --json` says: none may be in quarantine but those named by --sick
    --decode N         so many videos are decoded by ffmpeg and compared with the frames they must have (default 40, spread over the tree; 0: none)

Statements: one key, one batch; videos = promised clips, each exactly once; a sidecar beside each video, which tells the prompt and seed of the clip's line, the video's SHA-256
and size, and the SHA-256 of its frames; these digests are what the file and the closed form of the `pattern` family (pattern_form.py) give; decoded frames are near that form;
no temporary file and nothing foreign is left; counters equal facts; no innocent worker is in quarantine and no innocent clip is missing.

Exit code 0 and one line, or 1 and a line for each thing that is wrong."""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys

import pattern_form

SIZE, FRAMES = (64, 64), 16     # what the family does when it is not told
NEAR = 24                       # mean difference of a channel: lossy coding stays below 12, another clip is above 33
OURS = {"batch.json", "recipes.prompts", "prompts.txt", "prompts.jsonl"}
NAME = re.compile(r"(\d+)_.*?_?s(\d+)(_\d+)?")


class Verdict:
    def __init__(self):
        self.wrong, self.clips, self.decoded = [], 0, 0

    def expect(self, ok, what, *about):
        if not ok:
            self.wrong.append(": ".join(map(str, (what, *about))))
        return ok


# -- what was promised -------------------------------------------------------------------------------


def option(flags, name):
    return flags[flags.index(name) + 1] if name in flags else None


class Clip:
    """A line of a submission and what follows from it."""

    def __init__(self, line, flags):
        size = option(flags, "--size")
        width, height = map(int, size.split("x")) if size else SIZE
        self.prompt, self.seed = line["prompt"], line["seed"]
        self.width, self.height = line.get("width", width), line.get("height", height)
        self.frames = line.get("num_frames", int(option(flags, "--frames") or FRAMES))
        self.is_sound = not line.get("pattern", {}).get("garbage_step")

    def digest(self):
        return pattern_form.digest(self.prompt, self.seed, self.width, self.height, self.frames)


def read_lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines() if line.strip()]


def read_promises(path, verdict):
    """Each batch once, by its folder."""
    batches, keys = {}, {}
    for ack in read_lines(path):
        first = batches.setdefault(ack["batch"], ack)
        same = all(first[name] == ack[name] for name in ("folder", "clips", "lines"))
        verdict.expect(same, "one batch was acknowledged for two submissions", ack["batch"])
        if ack.get("key"):
            known = keys.setdefault((ack.get("owner"), ack["key"]), ack["batch"])
            verdict.expect(known == ack["batch"], "one key made two batches", ack["key"], known, ack["batch"])
        verdict.expect(ack["clips"] == len(ack["lines"]), "as many clips are promised as lines were sent", ack["batch"])
    return {ack["folder"]: ack for ack in batches.values()}


# -- what is there -----------------------------------------------------------------------------------


def read_json(path):
    try:
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def decoded(path):
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return subprocess.run(command, capture_output=True, check=False, timeout=300).stdout


def distance(a, b):
    return sum(map(abs, map(int.__sub__, a, b))) / len(a)


def judge_pixels(path, clip, verdict):
    """Pixel by pixel against the closed form: near the right frame, and nearer to it than to the one before and the one after."""
    seen, size = decoded(path), 3 * clip.width * clip.height
    verdict.decoded += 1
    if not verdict.expect(len(seen) == clip.frames * size, "a video has another number of frames", path, len(seen) // size):
        return
    look = pattern_form.Look(clip.prompt, clip.seed, clip.width, clip.height)
    for number in range(clip.frames):
        frame = seen[number * size:(number + 1) * size]
        before, here, after = (distance(frame, look.frame(number + by)) for by in (-1, 0, 1))
        if not verdict.expect(here < min(NEAR, before, after), "a video shows something else", path, f"frame {number} differs by {here:.0f} a channel"):
            return


def judge_video(path, sidecar, clip, verdict):
    content, told = path.read_bytes(), sidecar.get("video", {})
    verdict.expect(hashlib.sha256(content).hexdigest() == told.get("sha256") and len(content) == told.get("size_bytes"), "a video is not the file that its sidecar tells of", path)
    recipe, checks = sidecar.get("recipe", {}), sidecar.get("checks", {})
    verdict.expect((recipe.get("prompt"), recipe.get("seed")) == (clip.prompt, clip.seed), "a sidecar tells of another prompt or seed", path)
    verdict.expect(checks.get("frames_decoded") == clip.frames, "a sidecar tells of another number of frames", path)
    if clip.is_sound:
        verdict.expect(checks.get("frames_sha256") == clip.digest(), "the frames are not those of the prompt and seed", path)


def judge_name(path, number, clip, verdict):
    name = NAME.fullmatch(path.stem)
    verdict.expect(name and int(name[1]) == number and int(name[2]) == clip.seed, "a file's name tells of another clip", path)


class Tree:
    """One batch's folder against what was promised of it."""

    def __init__(self, root, ack, verdict):
        self.root, self.ack, self.verdict = root, ack, verdict
        self.clips = [Clip(line, ack.get("flags", [])) for line in ack["lines"]]
        self.found, self.videos = collections.Counter(), []

    def judge(self, may_miss):
        files = [path for path in sorted(self.root.rglob("*")) if not path.is_dir()]
        for path in files:
            self.judge_file(path)
        for number in range(len(self.clips)):
            times = self.found[number]
            self.verdict.expect(times > 0 or may_miss(number), "a promised clip is missing", self.root.name, number)
            self.verdict.expect(times < 2, "a clip is there twice", self.root.name, number)

    def judge_file(self, path):
        if path.name.startswith("."):
            self.verdict.expect(False, "a temporary file was left", path)
        elif path.suffix == ".mp4":
            self.judge_clip(path)
        elif path.name == "batch.json" and path.parent == self.root:
            self.verdict.expect(read_json(path).get("batch") == self.ack["batch"], "batch.json tells of another batch", path)
        elif path.suffix == ".json":
            self.verdict.expect(path.with_suffix(".mp4").is_file(), "a sidecar has no video", path)
        else:
            self.verdict.expect(path.name in OURS, "a foreign file", path)

    def judge_clip(self, path):
        sidecar = read_json(path.with_suffix(".json"))
        number = sidecar.get("clip", -1)
        mine = sidecar.get("batch") == self.ack["batch"] and 0 <= number < len(self.clips)
        if not self.verdict.expect(mine, "a video has no sidecar of this batch", path):
            return
        self.found[number] += 1
        self.videos.append((path, self.clips[number]))
        judge_name(path, number, self.clips[number], self.verdict)
        judge_video(path, sidecar, self.clips[number], self.verdict)


# -- all of it ---------------------------------------------------------------------------------------


def judge_trees(arguments, promises, verdict):
    trees = []
    for folder, ack in sorted(promises.items()):
        tree = Tree(arguments.renders / folder, ack, verdict)
        gone = ack["batch"] in arguments.gone
        tree.judge(lambda clip, ack=ack, gone=gone: gone or f"{ack['batch']}/{clip}" in arguments.may_fail)
        trees.append(tree)
    for path in sorted(arguments.renders.iterdir()):
        known = path.name in promises or any(path.name.startswith(batch) for batch in arguments.also + arguments.gone)
        verdict.expect(known, "a temporary file was left" if path.name.startswith(".") else "a folder that no client was told of", path)
    return trees


def judge_samples(trees, count, verdict):
    videos = [found for tree in trees for found in tree.videos if found[1].is_sound]
    for path, clip in videos[::max(1, -(-len(videos) // count))] if count else []:
        judge_pixels(path, clip, verdict)


def judge_counters(trees, path, gone, verdict):
    shown = {batch["id"]: batch for batch in read_lines(path)}
    for tree in trees:
        told = shown.get(tree.ack["batch"])
        if told is None and tree.ack["batch"] in gone:
            continue
        if not verdict.expect(told is not None, "a promised batch is not known", tree.ack["batch"]):
            continue
        counts, published = told["clips"], len(tree.videos)
        fact = (published, len(tree.clips))
        verdict.expect((counts.get("published"), counts.get("total")) == fact, "counters differ from the tree", tree.ack["batch"], counts, fact)
        whole = published == len(tree.clips)
        verdict.expect(told["state"] in (("done",) if whole else ("failed", "canceled")), "a batch's state differs from the tree", tree.ack["batch"], told["state"])


def judge_workers(path, sick, verdict):
    for worker in json.loads(pathlib.Path(path).read_text())["workers"]:
        verdict.expect(worker["state"] != "quarantined" or worker["name"] in sick, "a healthy worker is in quarantine", worker["name"])


def parse(arguments):
    parser = argparse.ArgumentParser(description="Compares a published tree with what clients were promised.")
    parser.add_argument("--acks", required=True)
    parser.add_argument("--renders", required=True, type=pathlib.Path)
    for name in ("--may-fail", "--gone", "--also", "--sick"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--shown")
    parser.add_argument("--workers")
    parser.add_argument("--decode", type=int, default=40)
    return parser.parse_args(arguments)


def check(arguments):
    verdict = Verdict()
    trees = judge_trees(arguments, read_promises(arguments.acks, verdict), verdict)
    judge_samples(trees, arguments.decode, verdict)
    if arguments.shown:
        judge_counters(trees, arguments.shown, arguments.gone, verdict)
    if arguments.workers:
        judge_workers(arguments.workers, arguments.sick, verdict)
    verdict.clips = sum(len(tree.videos) for tree in trees)
    return verdict, len(trees)


def main(arguments=None):
    verdict, batches = check(parse(arguments))
    for line in verdict.wrong:
        print(line)
    if not verdict.wrong:
        print(f"{batches} batches, {verdict.clips} clips are as promised; {verdict.decoded} of them decoded")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
