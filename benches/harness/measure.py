"""One process measured from outside, and what the machine could do at best with the same bytes."""

import json
import os
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

BLOCK = 1 << 20
PART = 64 << 20


def bytes_read():
    """By system calls of this process and all children it has waited for."""
    with open("/proc/self/io", encoding="ascii") as io:
        return int(io.readline().split()[1])


def run(command, log):
    """Figures of a command: work and cpu (seconds), whole and whole_cpu, peak_mib, read_mib (by system calls, not maps).

    `work` and `cpu` are what a peer says on its last line of output, without its start and imports, so that nobody loses by
    being written in Python; gatelog, which says nothing, is measured as a whole. None if the command fails; what it wrote is
    then in `log`.
    """
    os.sync()
    before = bytes_read()
    with open(log, "w", encoding="utf-8") as errors:
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=errors)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if status != 0:
        return None
    last = output.splitlines()[-1:] or [b""]
    cpu = usage.ru_utime + usage.ru_stime
    said = json.loads(last[0]) if last[0].startswith(b'{"seconds"') else {"seconds": seconds, "cpu": cpu}
    return {
        "work": round(said["seconds"], 4),
        "cpu": round(said["cpu"], 3),
        "whole": round(seconds, 4),
        "whole_cpu": round(cpu, 3),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
        "read_mib": round((bytes_read() - before) / 2**20, 1),
    }


def files_in(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file()) if Path(folder).is_dir() else [Path(folder)]


def size_of(paths):
    """Bytes of files and of all files in folders."""
    return sum(file.stat().st_size for path in paths for file in files_in(path))


def read_part(task):
    """Reads a part of a file, and counts its line ends if asked to."""
    file, start, end, count = task
    block, lines = bytearray(BLOCK), 0
    with open(file, "rb", buffering=0) as source:
        source.seek(start)
        while start < end:
            got = source.readinto(memoryview(block)[: min(BLOCK, end - start)])
            if not got:
                break
            lines += block.count(b"\n", 0, got) if count else 0
            start += got
    return lines


def limit(paths, is_text):
    """Seconds that reading all bytes takes with all cores, page cache warm, and a newline scan of them: best of three."""
    parts = []
    for path in paths:
        for file in files_in(path):
            size = file.stat().st_size
            parts += [(file, start, min(start + PART, size)) for start in range(0, size, PART)]
    best = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(read_part, [(*part, False) for part in parts]))
        for name, count in [("read", False)] + ([("newlines", True)] if is_text else []):
            times = []
            for _ in range(3):
                start = time.perf_counter()
                list(pool.map(read_part, [(*part, count) for part in parts]))
                times.append(time.perf_counter() - start)
            best[name] = round(min(times), 4)
    return {"bytes": size_of(paths), **best}
