#!/usr/bin/env python3
"""Writes the chaos chapter of docs/reliability.md from the reports of long runs.

    zoe-chaos --scenario K --seed N --json > tests/chaos/results/sKK-N.json      mutations.py --results tests/chaos/results/mutations.json
    report.py [--check]        --check: exit code 1 when the chapter is not that of the results
"""
import argparse
import collections
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE.parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos: written by tests/chaos/report.py from tests/chaos/results -->", "<!-- chaos: end -->"


def results():
    """{scenario: its runs by seed}, short forms left out."""
    found = collections.defaultdict(list)
    for path in sorted(RESULTS.glob("s*.json")):
        run = json.loads(path.read_text())
        if run.get("schema") != "zoe.chaos.v1":
            raise SystemExit(f"report.py: {path} is no report of zoe-chaos")
        if not run["short"]:
            found[run["scenario"]].append(run)
    return {number: sorted(runs, key=lambda run: run["seed"]) for number, runs in sorted(found.items())}


def hits(runs):
    return sum(fault["hit"] for run in runs for fault in run["faults"].values())


def total(runs, name):
    return sum(run[name] for run in runs)


def number(value):
    return f"{value:,}"


def bound(count):
    """Rule of three: with no failure in N trials, the chance of one in a trial is below 3/N with 95 % confidence."""
    if count == 0:
        return "-"
    percent = 300 / count
    return f"{percent:.3f} %" if percent < 0.1 else f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def summary(found):
    lines = [row(("scenario", "seeds", "tasks", "clips", "fault hits", "attempts", "wasted steps", "minutes", "verdict", "95 % bound a hit")), row(["---"] * 10)]
    for scenario, runs in found.items():
        green = [run for run in runs if run["verdict"] == "green"]
        computed, wasted = total(runs, "steps_computed"), total(runs, "steps_wasted")
        verdict = "green" if len(green) == len(runs) else f"{len(runs) - len(green)} of {len(runs)} red"
        lines.append(row((f"{scenario} {runs[0]['what']}", ", ".join(str(run["seed"]) for run in runs), number(total(runs, "tasks")), number(total(runs, "clips")), number(hits(runs)),
                          number(total(runs, "attempts")), f"{number(wasted)} ({100 * wasted / max(1, computed):.1f} %)", f"{total(runs, 'seconds') / 60:.0f}", verdict,
                          bound(hits(green)) if len(green) == len(runs) else "-")))
    return lines


def faults(found):
    lines = [row(("scenario", "fault", "tried", "hit")), row(["---"] * 4)]
    for scenario, runs in found.items():
        tried, hit = collections.Counter(), collections.Counter()
        for run in runs:
            for name, fault in run["faults"].items():
                tried[name] += fault["tried"]
                hit[name] += fault["hit"]
        lines += [row((scenario, name, number(tried[name]), number(hit[name]))) for name in sorted(tried)]
    return lines


def red(found):
    """What was wrong in red runs: nothing is left out."""
    lines = []
    for scenario, runs in found.items():
        for run in runs:
            lines += [f"* scenario {scenario}, seed {run['seed']}: {e['what']} ({e['of'] - e['right']} of {e['of']} wrong)" for e in run["expectations"] if not e["ok"]]
    return ["What was wrong in the red runs:", "", *lines, ""] if lines else []


def mutations():
    path = RESULTS / "mutations.json"
    if not path.exists():
        return []
    lines = ["### Can the suite fail?", "", "`tests/chaos/mutations.py` switches faults on in a build of their own (`base/mutation.h`, target `zoe-next`) and runs the short form of a scenario that must notice. The first row is the",
             "control: the same programs with no fault on.", "", row(("fault on purpose", "scenario", "verdict", "noticed by (wrong of all)")), row(["---"] * 4)]
    for each in json.loads(path.read_text())["mutations"]:
        seen = "; ".join(f"{e['what']} ({e['wrong']} of {e['of']})" for e in each["noticed_by"][:3])
        lines.append(row((each["mutation"], each["scenario"], each["verdict"] + ("" if each["right"] else ", which is WRONG"), seen or "-")))
    return [*lines, ""]


def chapter():
    found = results()
    runs = [run for each in found.values() for run in each]
    if not runs:
        raise SystemExit(f"report.py: no long results in {RESULTS}")
    green = [run for run in runs if run["verdict"] == "green"]
    commits = sorted({run["commit"] for run in runs})
    lines = [BEGIN, "## Chaos", "",
             f"{len(runs)} long runs of {len(found)} scenarios: {number(total(runs, 'tasks'))} tasks in {number(total(runs, 'clips'))} clips, {number(hits(runs))} faults that hit, "
             f"{total(runs, 'seconds') / 3600:.1f} hours. {len(green)} runs are green. A fault counts only when it struck something that was at work.",
             "Where no run failed, the last column is the upper bound of the chance that one hit breaks a promise, with 95 % confidence (three over the number of hits): it says how much was tried, and is no",
             f"claim of never. Builds: {', '.join(commits)}. Again: `tests/chaos/zoe-chaos --scenario K --seed N`; `tests/chaos/README.md` tells how.", "",
             *summary(found), "", *red(found), "### Faults that hit", "", *faults(found), "", *mutations(), END]
    return "\n".join(lines) + "\n"


def page_with(text):
    page = PAGE.read_text()
    if BEGIN in page:
        before, rest = page.split(BEGIN, 1)
        return before + text + rest.split(END + "\n", 1)[1]
    return page.rstrip("\n") + "\n\n" + text


def main():
    flags = argparse.ArgumentParser(description="Writes the chaos chapter of docs/reliability.md.")
    flags.add_argument("--check", action="store_true")
    wanted = page_with(chapter())
    if flags.parse_args().check:
        same = PAGE.read_text() == wanted
        print("the chapter is that of the results" if same else f"{PAGE} is older than {RESULTS}: run report.py")
        return 0 if same else 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
