"""What a nightly increment costs: the same day, added to a lake of ten days and to one of ten years.

    python3 benches/lake_cost.py GATELOG FOLDER [--rows-per-day N] [--days N] [--rounds N] [--nightly]

Makes both lakes in FOLDER from one generated log (the small lake gets its last ten days), then adds the day after it to a
fresh copy of each, in alternation, and prints wall time, bytes read by system calls (/proc/self/io), peak memory and
their ratios. With --nightly the large lake is made in as many runs as it has days. Linux only; no packages needed.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

START = date(2016, 2, 1)


def bytes_read():
    """By this process and all children it has waited for."""
    with open("/proc/self/io", encoding="ascii") as io:
        return int(io.readline().split()[1])


def run(command):
    """(seconds, bytes read, peak KiB) of a command that must succeed."""
    before, start = bytes_read(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command} ended with {status}")
    return seconds, bytes_read() - before, usage.ru_maxrss


def generated(gatelog, days, rows_per_day):
    """The lines of a log, day by day: (date, [line])."""
    accesses = days * rows_per_day // 4
    command = [gatelog, "generate", "--out", "-", "--format", "ndjson", "--start", START.isoformat(), "--days", str(days)]
    command += ["--access-rows", str(accesses), "--change-rows", str(days * rows_per_day - accesses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as log:
        day, lines = None, []
        for line in log.stdout:
            at = line.index(b'"createdon":"') + 13
            if line[at : at + 10] != day:
                if lines:
                    yield day.decode(), lines
                day, lines = line[at : at + 10], []
            lines.append(line)
        yield day.decode(), lines


def make_lakes(options, folder):
    """Both lakes, and the day that is added to them."""
    last = START + timedelta(days=options.days)
    parts = {"large": [], "small": []}
    for name, lines in generated(options.gatelog, options.days + 1, options.rows_per_day):
        if name >= last.isoformat():
            (folder / "day.ndjson").open("ab").writelines(lines)
            continue
        file = folder / "large" / (f"{name}.ndjson" if options.nightly else f"{name[:7]}.ndjson")
        file.parent.mkdir(exist_ok=True)
        file.open("ab").writelines(lines)
        if not parts["large"] or parts["large"][-1] != file:
            parts["large"].append(file)
            if not options.nightly:
                continue
        if options.nightly:
            run([options.gatelog, "ingest", str(file), "--lake", str(folder / "lake-large")])
            if name < (last - timedelta(days=10)).isoformat():
                file.unlink()
    small = folder / "small.ndjson"
    first = (last - timedelta(days=10)).isoformat()
    with small.open("wb") as out:
        for file in sorted((folder / "large").glob("*.ndjson")):
            if file.stem >= first[: len(file.stem)]:
                for line in file.open("rb"):
                    at = line.index(b'"createdon":"') + 13
                    if line[at : at + 10].decode() >= first:
                        out.write(line)
    if not options.nightly:
        run([options.gatelog, "ingest", str(folder / "large"), "--lake", str(folder / "lake-large")])
    run([options.gatelog, "ingest", str(small), "--lake", str(folder / "lake-small")])
    shutil.rmtree(folder / "large")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gatelog")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--rows-per-day", type=int, default=2_740)
    arguments.add_argument("--days", type=int, default=3_650)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--nightly", action="store_true")
    options = arguments.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "lake-small").exists():
        make_lakes(options, folder)
    figures = {"small": [], "large": []}
    for _ in range(options.rounds + 1):
        for size, measured in figures.items():
            copy = folder / "lake-copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder / f"lake-{size}", copy)
            os.sync()
            measured.append(run([options.gatelog, "ingest", str(folder / "day.ndjson"), "--lake", str(copy)]))
    print(f"day: {(folder / 'day.ndjson').stat().st_size} bytes; {options.days} days against 10")
    for place, unit in enumerate(["seconds", "bytes read", "peak KiB"]):
        # The first round only warms up.
        small, large = ([figure[place] for figure in figures[size][1:]] for size in ("small", "large"))
        ratio = statistics.median(b / a for a, b in zip(small, large))
        shown = [f"{statistics.median(f):.4g} ({min(f):.4g} to {max(f):.4g})" for f in (small, large)]
        print(f"{unit}: 10 days {shown[0]}, {options.days} days {shown[1]}, ratio {ratio:.2f}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
