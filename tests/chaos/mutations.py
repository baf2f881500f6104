#!/usr/bin/env python3
"""Is the suite able to fail? Each fault of base/mutation.h is switched on in the programs of `zoe-next`, and a scenario that must notice it is run: it has to end red.

    mutations.py [--bin build/next/bin] [--seed N] [--only NAME]... [--results tests/chaos/results/mutations.json]

Exit code 0 when every mutation was noticed and the run without one is green.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LINES_SHOWN = 200   # of what a run that is not right said
# Mutation, the scenario that must notice it, its tasks, and which expectation must be wrong (a regular expression); "" is the control: the same programs with no fault on.
MUTATIONS = (
    ("", 4, 30, ""),
    ("no_fence", 6, 40, "done once|exactly once|came to its end|changed when the zombie"),
    ("no_fsync", 4, 30, "after a power cut"),
    ("ack_before_commit", 4, 60, "after a power cut"),
    ("no_content_check", 10, 300, "damaged result is found|checker|black clip|came to its end"),
    ("no_dedupe", 4, 30, "sent again|exactly once|checker"),
)


def play(mutation, scenario, tasks, seed, programs):
    """The result of one run, and what it said on stderr."""
    env = dict(os.environ, ZOE_MUTATION=mutation, ZOE_CHAOS_SYNC_US="40000" if mutation == "ack_before_commit" else "10000")
    command = [str(HERE / "zoe-chaos"), "--scenario", str(scenario), "--seed", str(seed), "--tasks", str(tasks), "--short", "--json", "--bin", str(programs)]
    begun = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"verdict": f"no report (exit code {done.returncode})", "expectations": []}
    wrong = [e for e in report["expectations"] if not e["ok"]]
    return {"mutation": mutation or "none", "scenario": scenario, "seed": seed, "verdict": report["verdict"], "seconds": round(time.monotonic() - begun, 1),
            "noticed_by": [{"what": e["what"], "wrong": e["of"] - e["right"], "of": e["of"], "detail": e["detail"][:200]} for e in wrong]}, done.stderr


def judge(result, must, said):
    """Adds `right`; a result that is not shows the end of the run's own words."""
    seen = any(re.search(must, each["what"]) for each in result["noticed_by"])
    is_control = result["mutation"] == "none"
    result["right"] = result["verdict"] == "green" if is_control else seen and result["verdict"] == "red"
    print(f"{'ok   ' if result['right'] else 'WRONG'} {result['mutation']:18} scenario {result['scenario']}: {result['verdict']} in {result['seconds']} s", flush=True)
    for each in result["noticed_by"]:
        print(f"        {each['what']}: wrong {each['wrong']} times of {each['of']}: {each['detail']}", flush=True)
    if not result["right"]:
        print(*said.splitlines()[-LINES_SHOWN:], sep="\n", file=sys.stderr, flush=True)


def keep(path, result):
    known = json.loads(path.read_text())["mutations"] if path.exists() else []
    rows = {each["mutation"]: each for each in [*known, result]}
    order = [name or "none" for name, *_ in MUTATIONS]
    path.write_text(json.dumps({"schema": "zoe.chaos.mutations.v1", "mutations": sorted(rows.values(), key=lambda each: order.index(each["mutation"]))}, indent=1) + "\n")


def main():
    flags = argparse.ArgumentParser(description="Each fault on purpose must turn the chaos suite red.")
    flags.add_argument("--bin", default=str(HERE.parents[1] / "build" / "next" / "bin"))
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--only", action="append", default=[])
    flags.add_argument("--results", type=pathlib.Path, help="write the results to this file; those of other mutations in it stay")
    asked = flags.parse_args()
    programs = pathlib.Path(asked.bin).resolve()
    if not (programs / "zoe-coordinator").exists():
        flags.error(f"{programs} holds no zoe-coordinator: build the target zoe-next")
    failed = False
    for mutation, scenario, tasks, must in MUTATIONS:
        if asked.only and (mutation or "none") not in asked.only:
            continue
        result, said = play(mutation, scenario, tasks, asked.seed, programs)
        judge(result, must, said)
        failed |= not result["right"]
        if asked.results:
            keep(asked.results, result)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
