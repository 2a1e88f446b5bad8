"""How well `silence` finds what is missing: recall and false alarms on generated logs of a year, with and without planted holes.

    python3 benches/silence.py GATELOG FOLDER [--first-seed 1] [--seeds 3] [--sizes 20,100,500] [--clean]

GATELOG is the program, FOLDER is for logs and lakes. The generator's logs are regular, so they are made uneven here, and
made unlike what the model assumes. A log is judged clean (every row is a false alarm) and with holes cut out of it (a hole
is found when a row overlaps at least half of it; every other row that overlaps none is a false alarm). Recall is given by
what kind of hole it is and by how many accesses it took.
"""

import argparse
import csv
import io
import json
import random
import subprocess
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

START = datetime(2025, 1, 6, tzinfo=timezone.utc)
DAYS = 365
THRESHOLDS = [0.1, 0.01, 0.001, 0.0001]
HOUR, DAY = 3600, 86400


def generated(gatelog, folder, seed, people):
    """Rows of a log as (second, is access, actor, line) and the header."""
    out = folder / f"log-{people}-{seed}"
    if not out.exists():
        rows = people * 500
        command = [gatelog, "generate", "--out", out, "--format", "csv", "--seed", seed, "--days", DAYS, "--gaps", 0]
        command += ["--start", START.date(), "--access-rows", rows, "--change-rows", rows, "--environment", "e"]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
    header, rows = None, []
    with open(next(out.glob("*.csv")), encoding="utf-8") as file:
        header = file.readline()
        for line in file:
            cells = line.split(",", 10)
            if cells[8] not in ("64", "65", "1", "2", "3"):
                cells = next(csv.reader([line]))
            at = datetime.fromisoformat(cells[4]).timestamp() - START.timestamp()
            if cells[8] not in ("111",):
                rows.append((int(at), cells[8] in ("64", "65"), cells[0], line))
    return header, rows


def is_weekday(day):
    return (START + timedelta(days=day)).weekday() < 5


def thinned(rows, share, chance):
    """Accesses stay with the share that `share(second, actor)` says."""
    return [row for row in rows if not row[1] or chance.random() < share(row[0], row[2])]


def as_generated(rows, chance):
    return rows


def uneven(rows, chance):
    """Days and hours of every level, eight days with hardly any access, two half days, a fortnight of vacations."""
    days = [0.62 * chance.lognormvariate(0, 0.25) for _ in range(DAYS + 1)]
    hours = [chance.lognormvariate(0, 0.3) for _ in range(24 * (DAYS + 1))]
    working = [day for day in range(DAYS) if is_weekday(day)]
    for day in chance.sample(working, 8):
        days[day] = 0.03
    halves = set(chance.sample(working, 2))
    vacation = chance.randrange(30, 320)
    for day in range(vacation, vacation + 14):
        days[day] *= 0.5

    def share(second, _):
        day = second // DAY
        late = 0.05 if day in halves and second % DAY > 12 * HOUR else 1
        return days[day] * hours[second // HOUR] * late

    return thinned(rows, share, chance)


def services(rows):
    seen = defaultdict(set)
    for second, is_access, actor, _ in rows:
        if is_access:
            seen[actor].add(second // DAY)
    return {actor for actor, days in seen.items() if len(days) > 300}


def office(rows, chance):
    """Nobody at night, no service account; uneven; ten days off and one long Christmas without any access."""
    robots = services(rows)
    rows = uneven([row for row in rows if not row[1] or row[2] not in robots], chance)
    off = set(chance.sample([day for day in range(DAYS) if is_weekday(day)], 10))
    eve = (datetime(2025, 12, 24, tzinfo=timezone.utc) - START).days
    off |= {eve + 1, eve + 2}

    def share(second, _):
        day = second // DAY
        is_off = day in off or day == eve and second % DAY > 13 * HOUR
        return 0 if is_off else 1

    return thinned(rows, share, chance)


def growing(rows, chance):
    """A fifth at first, all at last, and twice as much from one day to the next in between; uneven."""
    live = chance.randrange(60, 300)

    def share(second, _):
        day = second / DAY
        return (0.2 + 0.8 * day / DAYS) * (1 if day > live else 0.5)

    return uneven(thinned(rows, share, chance), chance)


def bursting(rows, chance):
    """Uneven, and 40 services that come together within 20 s, every night at 02:00 and each hour of the day, give or take
    four minutes; on one night in 40 the job does not run."""
    rows = uneven(rows, chance)
    line = next(row[3] for row in rows if row[1])
    cells = next(csv.reader([line]))
    for day in range(DAYS):
        for hour in (2, 8, 9, 10, 11, 12, 13, 14, 15, 16):
            if chance.random() < 1 / 40:
                continue
            at = day * DAY + hour * HOUR + chance.randrange(-240, 240)
            for _ in range(40):
                cells[4] = text(at + chance.randrange(20))
                cells[5] = f"{chance.getrandbits(128):032x}"
                out = io.StringIO()
                csv.writer(out, lineterminator="\n").writerow(cells)
                rows.append((at, True, cells[0], out.getvalue()))
    return sorted(rows, key=lambda row: row[0])


def text(second):
    return (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


KINDS = [as_generated, uneven, office, growing, bursting]

HOLES = ["500 records", "5000 records", "1 h at work", "2 h at work", "4 h at work", "8 h at work", "8 h at night",
         "1 day from 10:00", "a date", "3 days from 10:00", "3 dates", "10 days"]
LENGTHS = {"1 h": HOUR, "2 h": 2 * HOUR, "4 h": 4 * HOUR, "8 h": 8 * HOUR, "1 day": DAY, "a date": DAY, "3 days": 3 * DAY,
           "3 dates": 3 * DAY, "10 days": 10 * DAY}


def hole(kind, rows, week, chance):
    """Where a hole of this kind begins and ends in a week: seconds."""
    day = week * 7 + chance.randrange(0, 5)
    if kind.endswith("records"):
        at = day * DAY + chance.randrange(8 * HOUR, 16 * HOUR)
        first = next(place for place, row in enumerate(rows) if row[0] >= at)
        last = min(first + int(kind.split()[0]), len(rows) - 1)
        return rows[first][0], rows[last][0]
    begins = {"at work": (8 * HOUR, 14 * HOUR), "at night": (19 * HOUR, 21 * HOUR), "from 10:00": (10 * HOUR, 10 * HOUR + 1)}
    low, high = next((hours for word, hours in begins.items() if word in kind), (0, 1))
    start = day * DAY + chance.randrange(low, high)
    return start, start + next(length for word, length in LENGTHS.items() if kind.startswith(word))


def silences(gatelog, folder, header, rows):
    """(start, end, probability, ...) of every silence, whatever its probability."""
    lake = folder / "lake"
    subprocess.run(["rm", "-rf", lake], check=True)
    exported = (header + "".join(row[3] for row in rows)).encode()
    subprocess.run([gatelog, "ingest", "-", "--lake", lake, "--environment", "e"], input=exported, check=True,
                   capture_output=True)
    found = subprocess.run([gatelog, "report", "silence", "--lake", lake, "--format", "json", "--silence-threshold", "1"],
                           check=True, capture_output=True).stdout
    table = json.loads(found)
    table = table["silence"] if isinstance(table, dict) else table
    at = lambda row, name: datetime.fromisoformat(row[name]).timestamp() - START.timestamp()
    return [(at(row, "started_on"), at(row, "ended_on"), row) for row in table]


def overlap(a, b):
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


BUCKETS = [(0, 5), (5, 10), (10, 20), (20, 40), (40, 80), (80, 1 << 60)]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("gatelog")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--first-seed", type=int, default=1)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--sizes", default="20,100,500")
    arguments.add_argument("--clean", action="store_true", help="no holes: false alarms alone")
    arguments.add_argument("--verbose", action="store_true")
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    alarms = defaultdict(lambda: [0] * len(THRESHOLDS))
    years = defaultdict(int)
    shapes = defaultdict(list)
    by_kind = defaultdict(lambda: [0, [0] * len(THRESHOLDS)])
    by_count = defaultdict(lambda: [0, [0] * len(THRESHOLDS)])
    for people in map(int, given.sizes.split(",")):
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            header, base = generated(given.gatelog, given.folder, seed, people)
            for made in KINDS:
                chance = random.Random(f"{made.__name__} {people} {seed}")
                rows = made(base, chance)
                # Four rounds of six holes, eight weeks apart: each kind twice.
                kinds = HOLES * 2
                chance.shuffle(kinds)
                rounds = [[]] + [kinds[first:first + 6] for first in range(0, len(kinds), 6) if not given.clean]
                for holes in rounds:
                    planted = []
                    for number, kind in enumerate(holes):
                        start, end = hole(kind, rows, 4 + 8 * number + chance.randrange(0, 2), chance)
                        lost = sum(1 for row in rows if row[1] and start <= row[0] < end)
                        planted.append((start, end, kind, lost))
                    kept = [row for row in rows if not any(of[0] <= row[0] < of[1] for of in planted)]
                    found = silences(given.gatelog, given.folder, header, kept)
                    key = (made.__name__, people)
                    years[key] += 1
                    for place, threshold in enumerate(THRESHOLDS):
                        rows_here = [row for row in found if row[2]["probability"] <= threshold]
                        for row in rows_here:
                            if not any(overlap(row, of) for of in planted):
                                alarms[key][place] += 1
                                if given.verbose and place == 1:
                                    print("false", key, seed, row[2])
                        for of in planted:
                            is_found = any(overlap(row, of) * 2 >= of[1] - of[0] for row in rows_here)
                            if given.verbose and place == 1 and not is_found and of[3] >= 40:
                                print("missed", key, seed, text(of[0]), text(of[1]), of[2:])
                            bucket = next(b for b in BUCKETS if b[0] <= of[3] < b[1])
                            for counted in (by_kind[(of[2], people)], by_count[(made.__name__, bucket)]):
                                counted[0] += place == 0
                                counted[1][place] += is_found
                    shapes[key] += [row[2]["shape"] for row in found[:1]]
    print("\n## False alarms per year\n")
    print("| log | people | years | shape |" + "".join(f" ≤ {threshold} |" for threshold in THRESHOLDS))
    print("|---|---|---|---|" + "---|" * len(THRESHOLDS))
    for key in sorted(years):
        rates = alarms[key]
        shape = "/".join(map(str, sorted(set(shapes[key])))) or "–"
        print(f"| {key[0]} | {key[1]} | {years[key]} | {shape} |" + "".join(f" {rate / years[key]:.3f} |" for rate in rates))
    totals = [sum(alarms[key][place] for key in years) / sum(years.values()) for place in range(len(THRESHOLDS))]
    print(f"| all | | {sum(years.values())} | |" + "".join(f" {total:.4f} |" for total in totals))
    for title, table in () if given.clean else (("kind of hole, people", by_kind), ("log, accesses lost", by_count)):
        print(f"\n## Recall by {title}\n")
        print("| | | holes |" + "".join(f" ≤ {threshold} |" for threshold in THRESHOLDS))
        print("|---|---|---|" + "---|" * len(THRESHOLDS))
        for key in sorted(table, key=lambda key: (HOLES.index(key[0]) if key[0] in HOLES else key[0], key[1])):
            holes, found = table[key]
            label = key[1] if isinstance(key[1], int) else f"{key[1][0]}–{key[1][1] - 1}" if key[1][1] < 1 << 60 else "80 and more"
            print(f"| {key[0]} | {label} | {holes} |" + "".join(f" {one / holes:.2f} |" for one in found))


if __name__ == "__main__":
    main()
