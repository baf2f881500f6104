"""One scenario of faults against a farm of real processes, drawn from one seed: `zoe-chaos --scenario K --seed N`.

Exit codes: 0 everything as it must be, 1 not, 2 usage, 3 this scenario cannot run here (stderr says why; 77 with --ctest, which means "skipped" there).
"""
import argparse
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SKIPPED, SKIPPED_CTEST = 3, 77


def parse():
    flags = argparse.ArgumentParser(prog="zoe-chaos", description="Faults on real processes; every random decision follows from --seed.")
    flags.add_argument("--scenario", type=int, help="number of one of those that --list prints")
    flags.add_argument("--list", action="store_true", help="print the scenarios")
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--tasks", type=int, help="default 2000, with --short as many as the scenario needs")
    flags.add_argument("--workers", type=int, help="default 8, with --short 4")
    flags.add_argument("--short", action="store_true", help="a form that is over in half a minute")
    flags.add_argument("--json", action="store_true", help="the report as one JSON object")
    flags.add_argument("--bin", default=os.environ.get("ZOE_BIN", str(ROOT / "build" / "bin")), help="folder of the programs under test")
    flags.add_argument("--keep", action="store_true", help="leave the farm's folder there")
    flags.add_argument("--ctest", action="store_true", help=argparse.SUPPRESS)
    return flags, flags.parse_args()


def scenarios():
    """{number: scenario}: each file scenario_NN_*.py has one row, SCENARIO."""
    rows = [importlib.import_module(path.stem).SCENARIO for path in sorted(HERE.glob("scenario_*.py"))]
    return {row.number: row for row in rows}


def cannot_run(why, ctest):
    print(f"zoe-chaos: cannot run here: {why}", file=sys.stderr)
    return SKIPPED_CTEST if ctest else SKIPPED


def enter_namespaces(row):
    """Starts this program again in namespaces of its own, where mounts and links vanish with it; why not, if that is not permitted."""
    wanted = [f"--{kind}" for kind in row.namespaces]
    if not wanted or os.environ.get("ZOE_CHAOS_INSIDE"):
        return None
    command = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *wanted]
    try:
        probe = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=30)
    except OSError as error:
        return f"unshare: {error}"
    if probe.returncode != 0:
        return f"namespaces ({', '.join(row.namespaces)}) are not permitted: {probe.stderr.strip()}"
    os.environ["ZOE_CHAOS_INSIDE"] = "1"
    os.execvp(command[0], [*command, sys.executable, "-B", *sys.argv])


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    flags, asked = parse()
    programs = pathlib.Path(asked.bin).resolve()
    os.environ["ZOE_BIN"] = str(programs)
    sys.path[:0] = [str(HERE), str(HERE.parent / "system")]
    rows = scenarios()
    if asked.list:
        for number, row in sorted(rows.items()):
            print(f"{number:3}  {row.what}")
        return 0
    if asked.scenario not in rows:
        flags.error(f"--scenario is one of {', '.join(map(str, sorted(rows)))}")
    if not (programs / "zoe-coordinator").exists():
        flags.error(f"{programs} holds no zoe-coordinator; build it, or name another folder with --bin")
    row = rows[asked.scenario]
    missing = [tool for tool in row.tools if not shutil.which(tool)]
    why = f"{', '.join(missing)} not found" if missing else enter_namespaces(row)
    if why:
        return cannot_run(why, asked.ctest)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    chaos_run = importlib.import_module("chaos_run")
    run = chaos_run.Run(row, asked)
    try:
        report = run.play()
    except chaos_run.CannotRun as error:
        return cannot_run(error, asked.ctest)
    except KeyboardInterrupt:
        print("zoe-chaos: interrupted; everything that was started has ended", file=sys.stderr)
        return 130
    print(json.dumps(report) if asked.json else run.text(report))
    return 0 if report["verdict"] == "green" else 1


if __name__ == "__main__":
    sys.exit(main())
