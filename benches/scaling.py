"""How gatelog's cost grows: with cores, with rows, against what the machine could do at best, and what starting it takes.

    python3 benches/scaling.py GATELOG FOLDER [--ingest-rows M…] [--report-rows M…] [--rounds N] [--record FILE]

Rows are in millions, those of a report accesses: 1 and 4, 1 and 10 unless said otherwise (100 takes a lake of some GiB, and
a quarter of an hour to make it). Ingests are of NDJSON and CSV, three quarters accesses, 2 % of the rows twice; reports are
written as Parquet. Linux with taskset; needs python3 only.

- Cores: at the largest size, on one core and on two, in alternation; the median of the ratios must be 1.8. An ingest
  syncs what it writes, and waits as long for the disk with one core as with two: hence the ratio of small ones.
- Rows: time and memory at each size on two cores. Cost is linear when a row costs the same at all of them.
- Limit: what reading the same bytes takes with all cores, page cache warm, and for text a newline scan of them.
- Start: the whole process, median of 30 runs; `true` is what starting any process takes here.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from harness import measure, record
from harness.data import Data
from harness.record import line, median, span

FORMS = ["ndjson", "csv"]
REPORTS = ["sessions", "users", "activity"]
TARGET = 1.8
STARTS = 30


def on_cores(count, command):
    """A command that sees so many cores."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:count]))
    return ["taskset", "-c", cores, "env", f"RAYON_NUM_THREADS={count}", *command]


class Scaling:
    def __init__(self, options):
        self.gatelog, self.rounds = options.gatelog.resolve(), options.rounds
        self.folder = options.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ingest_rows, self.report_rows = sorted(options.ingest_rows), sorted(options.report_rows)

    def data(self, millions, kind):
        rows = round(millions * 1_000_000)
        sizes = {"exports": (rows - rows // 4, rows // 4), "lake": (rows, rows // 10)}
        return Data(self.gatelog, self.folder, f"{kind}-{rows}", sizes)

    def workloads(self):
        """Name, millions of rows, whether it is the largest of its kind, inputs, whether they are text, arguments."""
        for form in FORMS:
            for millions in self.ingest_rows:
                export = self.data(millions, "export").export(form)
                words = ["ingest", export, "--environment", "bench", "--lake"]
                yield f"ingest {form}", millions, millions == self.ingest_rows[-1], [export], True, words
        for report in REPORTS:
            for millions in self.report_rows:
                lake = self.data(millions, "lake").lake("lake")
                words = ["report", report, "--lake", lake, "--out"]
                accesses = sorted(lake.glob("audit/environment=*/kind=access"))
                yield f"report {report}", millions, millions == self.report_rows[-1], accesses, False, words

    def once(self, words, cores):
        """One run into a fresh place."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        log = self.folder / "log.txt"
        figures = measure.run(on_cores(cores, [self.gatelog, *words, out]), log)
        if figures is None:
            raise SystemExit(f"gatelog {' '.join(map(str, words))} failed: {log.read_text(encoding='utf-8')[-2000:]}")
        return figures

    def run(self, workload):
        """All figures of a workload at one size; on one core only at the largest."""
        name, millions, is_largest, inputs, is_text, words = workload
        limit = measure.limit(inputs, is_text)
        figures = {cores: [] for cores in ((1, 2) if is_largest else (2,))}
        self.once(words, 2)
        for number in range(self.rounds):
            # Whoever comes first has the machine as the last one left it, so the order turns.
            for cores in list(figures)[:: 1 if number % 2 else -1]:
                figures[cores].append(self.once(words, cores))
        shutil.rmtree(self.folder / "out")
        print(f"{name}, {millions:g} M rows: {span([of['work'] for of in figures[2]], 3)} s", flush=True)
        return {"workload": name, "rows": round(millions * 1_000_000), "limit": limit, "figures": figures}

    def starts(self):
        """Milliseconds of each run of what people wait for most often; the lake has a thousand accesses."""
        lake = self.data(0.001, "lake").lake("lake")
        commands = {
            "true": ["true"],
            "gatelog --help": [self.gatelog, "--help"],
            "gatelog report sessions": [self.gatelog, "report", "sessions", "--lake", lake],
            "gatelog status": [self.gatelog, "status", "--lake", lake],
        }
        took = {name: [] for name in commands}
        for number in range(STARTS + 1):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
                if number > 0:
                    took[name].append(round((time.perf_counter() - start) * 1000, 2))
        return took


def table(titles, rows):
    return "\n".join([line(*titles), line(*["---"] * len(titles)), *(line(*row) for row in rows)]) + "\n"


def cores_table(runs):
    rows = []
    for run in (run for run in runs if 1 in run["figures"]):
        one, two = run["figures"][1], run["figures"][2]
        ratios = [slow["work"] / fast["work"] for slow, fast in zip(one, two)]
        held = "held" if statistics.median(ratios) >= TARGET else "missed"
        seconds = [span([of["work"] for of in figures], 3) for figures in (one, two)]
        cpu = [f"{median(figures, 'cpu'):.2f}" for figures in (one, two)]
        rows.append([run["workload"], f"{run['rows']:,}", *seconds, *cpu, f"**{span(ratios, 2)}**", held])
    titles = ["workload", "rows", "1 core, s", "2 cores, s", "CPU s of 1", "CPU s of 2", "ratio", f"target {TARGET}"]
    return table(titles, rows)


def rows_table(runs):
    """Nanoseconds of a row, and the same as a multiple of what it costs at the smallest size."""
    rows, smallest = [], {}
    for run in runs:
        figures = run["figures"][2]
        costs = [median(figures, name) / run["rows"] * 1e9 for name in ("work", "cpu")]
        least = smallest.setdefault(run["workload"], costs)
        shown = [f"{cost:.0f} ({cost / of:.2f} ×)" for cost, of in zip(costs, least)]
        peak, read = max(of["peak_mib"] for of in figures), median(figures, "read_mib")
        seconds = span([of["work"] for of in figures], 3)
        rows.append([run["workload"], f"{run['rows']:,}", seconds, *shown, f"{peak:.0f}", f"{read:.0f}"])
    return table(["workload", "rows", "seconds", "ns a row", "CPU ns a row", "peak MiB", "read MiB"], rows)


def limits_table(runs):
    rows = []
    for run in runs:
        limit, seconds = run["limit"], median(run["figures"][2], "work")
        scan = limit.get("newlines")
        by_scan = [f"{scan:.3f}", f"{seconds / scan:.1f}"] if scan else ["", ""]
        bandwidth = limit["bytes"] / 2**30 / limit["read"]
        rows.append([
            run["workload"], f"{run['rows']:,}", f"{limit['bytes'] / 2**20:.0f}", f"{limit['read']:.3f} ({bandwidth:.1f} GiB/s)",
            by_scan[0], f"{seconds:.3f}", f"{seconds / limit['read']:.1f}", by_scan[1],
        ])
    return table(["workload", "rows", "MiB", "reading, s", "newline scan, s", "gatelog, s", "÷ reading", "÷ scan"], rows)


def starts_table(took):
    return table(["command", "ms"], [[name, span(times, 1)] for name, times in took.items()])


def document(machine, options, runs, took):
    """The record of a run."""
    loads = " → ".join(", ".join(f"{load:.1f}" for load in machine[name]) for name in ("load_before", "load_after"))
    rows = [" ".join(f"{of:g}" for of in sorted(sizes)) for sizes in (options.ingest_rows, options.report_rows)]
    raw = "\n".join(json.dumps(of) for of in [*runs, {"starts_ms": took}])
    return f"""# How gatelog's cost grows

{machine['date']}, {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, {machine['system']}, load {loads}. {machine['gatelog']}.
`python3 benches/scaling.py GATELOG FOLDER --ingest-rows {rows[0]} --report-rows {rows[1]} --rounds {options.rounds}`: medians after a
warm-up, with range; ratios are taken round by round.

## One core and two

{cores_table(runs)}
## Rows

On two cores; in brackets, against the smallest size.

{rows_table(runs)}
## What the machine could do at best

Reading the inputs of a workload whole (of reports, the files of accesses), with all cores and a warm page cache.

{limits_table(runs)}
## Starting

{starts_table(took)}
## Raw figures

One line of JSON for each workload and size.

```
{raw}
```
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gatelog", type=Path)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--ingest-rows", type=float, nargs="+", default=[1, 4], metavar="M")
    arguments.add_argument("--report-rows", type=float, nargs="+", default=[1, 10], metavar="M")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--record", type=Path)
    options = arguments.parse_args()
    machine = record.machine(options.gatelog.resolve())
    scaling = Scaling(options)
    took = scaling.starts()
    runs = [scaling.run(workload) for workload in scaling.workloads()]
    machine["load_after"] = os.getloadavg()
    text = document(machine, options, runs, took)
    print(text.split("\n## Raw figures")[0])
    if options.record:
        options.record.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
