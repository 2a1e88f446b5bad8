"""Figures as people read them: the table, what was missed, and the Markdown record of a run."""

import json
import os
import platform
import statistics
import subprocess
from datetime import datetime, timezone

# What gatelog's time must be divided by: the median of the ratios, from the issue that asked for this comparison.
TARGETS = {
    "ndjson": 2.5, "odata": 2.5, "csv": 3, "synapse": 3, "sessions": 8, "gaps": 5, "users": 5, "clients": 2, "activity": 2,
}
PEAK_MIB = 512
SPARSE_SHARE = 0.1


def first_line(command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def machine(gatelog, python=None):
    """What the figures depend on; `python` is one that has the peers."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    versions = "import chdb, duckdb, polars; print('chdb', chdb.__version__, '(ClickHouse', chdb.engine_version + ')'" \
        " if hasattr(chdb, 'engine_version') else '', '· duckdb', duckdb.__version__, '· polars', polars.__version__)"
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "cpu": model,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()}, {' '.join(platform.libc_ver())}",
        "gatelog": first_line([gatelog, "--version"]),
        "peers": first_line([python, "-c", versions]) + f" · Python {platform.python_version()}" if python else None,
        "load_before": os.getloadavg(),
    }


def heading(machine, size, rounds):
    load = ", ".join(f"{load:.1f}" for load in machine["load_before"])
    return (
        f"{machine['date']}, {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, load {load}\n"
        f"{machine['gatelog']} · {machine['peers']}\nsize {size}, {rounds} rounds after a warm-up\n"
    )


def median(figures, name):
    return statistics.median(figure[name] for figure in figures)


def best_peer(run):
    """The program that does the full work with the smallest median, gatelog apart."""
    able = {
        program: median(figures, "work") for program, figures in run["figures"].items()
        if program != "gatelog" and program not in run["informative"] and program not in run["different"] and figures
    }
    return min(able, key=able.get) if able else None


def ratios(run, program, name="work"):
    """The program's time divided by gatelog's, in each round that both have."""
    return [other[name] / own[name] for own, other in zip(run["figures"]["gatelog"], run["figures"][program])]


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def span(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(runs):
    """A line for each workload and program, as Markdown; the best peer is set in bold."""
    titles = ["workload", "program", "seconds", "CPU s", "peak MiB", "read MiB", "written MiB", "÷ gatelog", "CPU ÷ gatelog"]
    lines = [line(*titles), line(*["---"] * len(titles))]
    for run in runs:
        best = best_peer(run)
        for program, figures in run["figures"].items():
            if not figures:
                continue
            note = " (for information)" if program in run["informative"] else ""
            note = " **DIFFERENT**" if program in run["different"] else note
            ratio = by_cpu = ""
            if program != "gatelog":
                ratio = span(ratios(run, program), 2)
                ratio = f"**{ratio}**" if program == best else ratio
                by_cpu = f"{statistics.median(ratios(run, program, 'cpu')):.2f}"
            lines.append(line(
                run["workload"], program + note, span([figure["work"] for figure in figures], 3),
                f"{median(figures, 'cpu'):.2f}", f"{max(figure['peak_mib'] for figure in figures):.0f}",
                f"{median(figures, 'read_mib'):.0f}", f"{run['written_bytes'][program] / 2**20:.1f}", ratio, by_cpu,
            ))
        limit = run["limit"]
        scan = f", {limit['newlines']:.3f} with newline scan" if "newlines" in limit else ""
        judged = "NOT ALL EQUAL" if run["different"] else "all equal"
        lines.append(line(
            run["workload"], "*only reading*", f"{limit['read']:.3f}{scan}", "", "", f"{limit['bytes'] / 2**20:.0f}", "",
            f"{run['rows']} rows, {judged}", "",
        ))
    return "\n".join(lines) + "\n"


def verdict(runs):
    """What must hold, and by how much it does or does not."""
    lines = []
    for run in runs:
        name, own = run["workload"], run["figures"]["gatelog"]
        best = best_peer(run)
        if best:
            ratio, target = statistics.median(ratios(run, best)), TARGETS.get(name)
            aim = "no target" if target is None else f"target {target}: " + (
                "held" if ratio >= target else f"missed, gatelog would have to be {target / ratio:.2f} times as fast"
            )
            lines.append(f"- {name}: {ratio:.2f} × {best}; {aim}")
        peak = max(figure["peak_mib"] for figure in own)
        if peak > PEAK_MIB:
            lines.append(f"- {name}: peak {peak:.0f} MiB, more than {PEAK_MIB}: missed")
        if "lake_bytes" in run:
            share = median(own, "read_mib") * 2**20 / run["lake_bytes"]
            held = "held" if share <= SPARSE_SHARE else "missed"
            lines.append(f"- {name}: reads {share:.1%} of the lake's bytes; target {SPARSE_SHARE:.0%}: {held}")
        lines += [f"- {name}: {program} DIFFERS: {why}" for program, why in run["different"].items()]
        lines += [f"- {name}: {program} failed: {why.strip()[-300:]}" for program, why in run["failed"].items()]
    return "\n".join(lines) + "\n"


def document(machine, options, made, runs):
    """The record of a run."""
    loads = " → ".join(", ".join(f"{load:.1f}" for load in machine[name]) for name in ("load_before", "load_after"))
    raw = "\n".join(json.dumps(run) for run in runs)
    inputs = "\n".join(f"- {name}: `{json.dumps(parameters)}`" for name, parameters in made.items())
    return f"""# gatelog and its peers, size {options.size}

{machine['date']}, {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, {machine['system']}, load {loads}.
{machine['gatelog']} · {machine['peers']}.
`python3 benches/compare.py GATELOG FOLDER --size {options.size} --rounds {options.rounds}`: medians after a warm-up, with range.
A peer's time leaves out its start and imports; so does its CPU time; its bytes read do not. Ratios are taken round by round.

{table(runs)}
## What must hold

{verdict(runs)}
## Inputs

{inputs}

## Raw figures

One line of JSON for each workload.

```
{raw}
```
"""
