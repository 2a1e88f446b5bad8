"""gatelog against DuckDB, polars and ClickHouse, each at its best, on the same files, in the same run.

    python3 benches/compare.py GATELOG FOLDER [--size small|medium|large|accesses] [--workload NAME…] [--rounds N] [--record FILE]

Makes the data with `gatelog generate`, installs the peers from PyPI into FOLDER/venv, and runs each workload: every
program as a fresh process, in alternation, after a warm-up whose results are checked to be equal on all rows. Prints a
table; --record writes it as Markdown with all raw figures. Linux; needs python3 only. benches/peers/ has what they run.

A peer's time leaves out its start and imports; gatelog's is the whole process. The peers trust their input (no rejects, no
counters, no normalization of what is normal already), keep no index and sync nothing to the disk; gatelog does all that. All
compress with zstd at level 1. The ratio is, round by round, the time of the best peer (by its median) that does the full
work, divided by gatelog's; its median counts. For information, `lean` peers keep duplicates and only the columns that
reports read, and `duckdb sql` runs the text of queries/*.sql. Bytes read are those of system calls: what polars and
ClickHouse map into memory is not seen.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness import measure, record
from harness.data import SIZES, Data

HERE = Path(__file__).resolve().parent
PEERS = ["duckdb", "polars", "chdb"]
REPORTS = ["sessions", "clients", "gaps", "coverage", "users", "activity"]
EXPORTS = ["ndjson", "odata", "csv", "synapse", "wide"]
INFORMATIVE_ROUNDS = 2


@dataclass
class Workload:
    """What all programs of a workload are given, and how their results are judged."""

    name: str
    commands: dict  # of program → function of its output path → command
    inputs: list  # what is read, for the limit
    check: object  # of the paths of gatelog's output and of another one → arguments of equal.py
    is_text: bool
    informative: list = field(default_factory=list)
    before: object = None  # called with a program and its output path before each run
    result: object = lambda output: output  # where in its output folder a program leaves the result


class Bench:
    def __init__(self, options):
        self.gatelog = options.gatelog.resolve()
        self.folder = options.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.python = self.install()
        self.data = Data(self.gatelog, self.folder, options.size)

    def install(self):
        """The peers, in a virtual environment of the folder."""
        requirements = HERE / "requirements.txt"
        stamp = hashlib.sha256(requirements.read_bytes()).hexdigest()
        venv, done = self.folder / "venv", self.folder / "venv" / "installed"
        if not (done.exists() and done.read_text() == stamp):
            print("installing the peers", flush=True)
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([venv / "bin/pip", "install", "--quiet", "-r", requirements], check=True)
            done.write_text(stamp)
        return venv / "bin/python"

    def peer(self, engine, part, *words):
        return [self.python, HERE / "peers" / f"{engine}_{part}.py", *words]

    def workload(self, name):
        if name in EXPORTS:
            return self.ingest(name)
        if name == "increment":
            return self.increment()
        return self.report("sessions", "sparse") if name == "sparse" else self.report(name, "lake")

    def ingest(self, name):
        export = self.data.export(name)
        form = "ndjson" if name == "wide" else name
        commands = {"gatelog": lambda out: [self.gatelog, "ingest", export, "--lake", out, "--environment", "bench"]}
        lean = []
        for engine in PEERS:
            for level in ("full", "lean"):
                program = engine if level == "full" else f"{engine} lean"
                commands[program] = lambda out, e=engine, n=level: self.peer(e, "ingest", n, form, export, out)
                lean += [program] if level == "lean" else []
        return Workload(name, commands, [export], lambda own, other: ["lake", own, other], True, lean)

    def increment(self):
        night = self.data.night()
        day, lake = night / "day", night / "lake"
        commands = {"gatelog": lambda out: [self.gatelog, "ingest", day, "--lake", out, "--environment", "bench"]}
        for engine in PEERS:
            commands[engine] = lambda out, e=engine: self.peer(e, "ingest", "increment", "ndjson", day, out, lake)

        def before(program, out):
            # gatelog adds to the lake itself, the peers write their files elsewhere: a fresh copy, read once.
            if program == "gatelog":
                shutil.rmtree(out, ignore_errors=True)
                shutil.copytree(lake, out)

        return Workload(
            "increment", commands, [day], lambda own, other: ["added", lake, own, other], True, before=before
        )

    def report(self, report, lake_name):
        lake = self.data.lake(lake_name)
        commands = {"gatelog": lambda out: [self.gatelog, "report", report, "--lake", lake, "--out", out]}
        for engine in PEERS:
            commands[engine] = lambda out, e=engine: self.peer(e, "reports", report, lake, out / f"{report}.parquet")
        commands["duckdb sql"] = lambda out: self.peer("duckdb", "reports", "sql", report, lake, out / f"{report}.parquet")
        name = "sparse" if lake_name == "sparse" else report
        inputs = sorted(lake.glob("audit/environment=*/kind=access"))
        check = lambda own, other: ["report", own, other]
        return Workload(name, commands, inputs, check, False, ["duckdb sql"], result=lambda out: out / f"{report}.parquet")

    def once(self, work, program):
        """One run into a fresh place; its figures, or None if it failed."""
        out = self.folder / "out" / program.replace(" ", "-")
        shutil.rmtree(out, ignore_errors=True)
        if program != "gatelog":
            out.mkdir(parents=True)
        if work.before:
            work.before(program, out)
        log = self.folder / "log" / f"{work.name}-{program.replace(' ', '-')}.txt"
        log.parent.mkdir(exist_ok=True)
        return measure.run(work.commands[program](out), log), work.result(out), log

    def differences(self, work, results):
        """What each program's result has otherwise than gatelog's; the number of rows; who does the full work."""
        rows, different = None, {}
        for program, result in results.items():
            if program == "gatelog" or program.endswith(" lean"):
                continue
            command = [self.python, HERE / "harness" / "equal.py", *work.check(results["gatelog"], result)]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            answer = json.loads(done.stdout) if done.returncode == 0 else {"rows": rows, "difference": done.stderr[-2000:]}
            rows = answer["rows"]
            if answer["difference"]:
                different[program] = answer["difference"]
        return rows, different

    def run(self, name, rounds):
        """All figures of a workload."""
        work = self.workload(name)
        (self.folder / "out").mkdir(exist_ok=True)
        programs, failed, results, sizes = list(work.commands), {}, {}, {}
        for program in list(programs):
            figures, result, log = self.once(work, program)
            if figures is None:
                programs.remove(program)
                failed[program] = log.read_text(encoding="utf-8")[-2000:]
                continue
            results[program], sizes[program] = result, measure.size_of([result])
        if "gatelog" not in results:
            raise SystemExit(f"gatelog failed at {name}: {failed['gatelog']}")
        rows, different = self.differences(work, results)
        figures = {program: [] for program in programs}
        for number in range(rounds):
            # Whoever comes first has the machine as the last one left it, so the order turns.
            turn = number % len(programs)
            for program in programs[turn:] + programs[:turn]:
                if program not in work.informative or number < INFORMATIVE_ROUNDS:
                    measured, *_ = self.once(work, program)
                    if measured is None:
                        failed[program] = f"failed in round {number + 1}"
                    else:
                        figures[program].append(measured)
        lake = {"lake_bytes": measure.size_of([self.data.lake("sparse")])} if name == "sparse" else {}
        shutil.rmtree(self.folder / "out")
        return {
            "workload": name, "rows": rows, "limit": measure.limit(work.inputs, work.is_text), "figures": figures,
            "written_bytes": sizes, "informative": work.informative, "different": different, "failed": failed, **lake,
        }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gatelog", type=Path)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--size", choices=SIZES, default="small")
    every = [*EXPORTS, "increment", *REPORTS, "sparse"]
    arguments.add_argument("--workload", nargs="+", choices=every, default=every, metavar="NAME", help=", ".join(every))
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--record", type=Path)
    options = arguments.parse_args()
    bench = Bench(options)
    machine = record.machine(bench.gatelog, bench.python)
    print(record.heading(machine, options.size, options.rounds), flush=True)
    runs = []
    for name in options.workload:
        runs.append(bench.run(name, options.rounds))
        print(record.table([runs[-1]]), flush=True)
    machine["load_after"] = os.getloadavg()
    print(record.verdict(runs))
    if options.record:
        options.record.write_text(record.document(machine, options, bench.data.made, runs), encoding="utf-8")
    if any(run["different"] or run["failed"] for run in runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
