"""What a nightly increment costs: the same nights, added to a lake of ten days and to one of ten years.

    python3 benches/lake_cost.py GATELOG FOLDER [--rows-per-day N] [--days N] [--nights N] [--rounds N] [--nightly]

Makes both lakes in FOLDER from one generated log (the small lake gets its last ten days), then adds the nights after it,
each in a run of its own, to a fresh copy of each, in alternation. Prints wall time and bytes read by system calls
(/proc/self/io) of a night, the highest memory of all, and their ratios: of the first night alone, and on average, which
counts what comes now and then as well, as merges of the index and of a month that is over. With --nightly both lakes are
made in as many runs as they have days. Linux only; no packages needed.
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
    """Both lakes, and the nights that are added to them."""
    first_night = START + timedelta(days=options.days)
    first_of_small = (first_night - timedelta(days=10)).isoformat()
    for name in ("nights", "small", "large"):
        (folder / name).mkdir()
    for name, lines in generated(options.gatelog, options.days + options.nights, options.rows_per_day):
        if name >= first_night.isoformat():
            (folder / "nights" / f"{name}.ndjson").open("ab").writelines(lines)
            continue
        small = folder / "small" / f"{name}.ndjson"
        if name >= first_of_small:
            small.write_bytes(b"".join(lines))
        if options.nightly:
            file = folder / "night.ndjson"
            file.write_bytes(b"".join(lines))
            ingest(options, file, folder / "lake-large")
        else:
            (folder / "large" / f"{name[:7]}.ndjson").open("ab").writelines(lines)
    if options.nightly:
        for file in sorted((folder / "small").iterdir()):
            ingest(options, file, folder / "lake-small")
    else:
        ingest(options, folder / "small", folder / "lake-small")
        ingest(options, folder / "large", folder / "lake-large")
    shutil.rmtree(folder / "large")


def ingest(options, path, lake):
    return run([options.gatelog, "ingest", str(path), "--lake", str(lake)])


def show(title, figures):
    """Figures of both lakes, a round each: (seconds, bytes read, peak KiB)."""
    print(title)
    for place, unit in enumerate(["seconds", "bytes read", "peak KiB"]):
        small, large = ([figure[place] for figure in figures[size]] for size in ("small", "large"))
        ratio = statistics.median(b / a for a, b in zip(small, large))
        shown = [f"{statistics.median(f):.4g} ({min(f):.4g} to {max(f):.4g})" for f in (small, large)]
        print(f"  {unit}: 10 days {shown[0]}, large {shown[1]}, ratio {ratio:.2f}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gatelog")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--rows-per-day", type=int, default=2_740)
    arguments.add_argument("--days", type=int, default=3_650)
    arguments.add_argument("--nights", type=int, default=30)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--nightly", action="store_true")
    options = arguments.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "lake-small").exists():
        make_lakes(options, folder)
    nights = sorted((folder / "nights").iterdir())
    first, mean = {"small": [], "large": []}, {"small": [], "large": []}
    for number in range(options.rounds + 1):
        for size in first:
            copy = folder / "lake-copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder / f"lake-{size}", copy)
            os.sync()
            measured = [ingest(options, night, copy) for night in nights]
            # The first round only warms up.
            if number > 0:
                first[size].append(measured[0])
                seconds, read, peak = zip(*measured)
                mean[size].append((statistics.mean(seconds), statistics.mean(read), max(peak)))
    size = statistics.mean(night.stat().st_size for night in nights)
    print(f"{len(nights)} nights of {size:.0f} bytes on average; {options.days} days against 10")
    show("the first night", first)
    show("all nights, each on average", mean)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
