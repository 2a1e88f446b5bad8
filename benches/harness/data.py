"""The inputs of the workloads, made by `gatelog generate` and kept in a folder until their parameters change."""

import itertools
import json
import random
import shutil
import subprocess
from datetime import date, timedelta

START = date(2026, 1, 5)

# Rows of each input: (accesses, changes), change rows of `wide`, rows of a `night`. `small` tries everything in minutes.
SIZES = {
    "small": {
        "exports": (100_000, 35_000), "wide": 2_000, "night": 1_000,
        "lake": (1_000_000, 100_000), "sparse": (25_000, 475_000),
    },
    "medium": {
        "exports": (1_500_000, 500_000), "wide": 20_000, "night": 10_000,
        "lake": (10_000_000, 1_000_000), "sparse": (500_000, 9_500_000),
    },
    "large": {
        "exports": (4_000_000, 1_000_000), "wide": 60_000, "night": 100_000,
        "lake": (100_000_000, 10_000_000), "sparse": (2_500_000, 47_500_000),
    },
}
# Exports of accesses alone, as those were of which the targets were set.
SIZES["accesses"] = SIZES["medium"] | {"exports": (4_380_000, 0)}


class Data:
    """Inputs of one size, or of the rows given. Each is made when it is first asked for; `made` says how."""

    def __init__(self, gatelog, folder, size, rows=None):
        self.gatelog, self.folder, self.rows, self.made = gatelog, folder / f"data-{size}", rows or SIZES[size], {}
        self.folder.mkdir(parents=True, exist_ok=True)

    def kept(self, name, parameters, make):
        """The folder of an input, made anew unless it is there with the same parameters."""
        folder, done = self.folder / name, self.folder / f"{name}.json"
        text = json.dumps(parameters)
        if not (done.exists() and done.read_text(encoding="utf-8") == text):
            print(f"making {name}: {text}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            done.unlink(missing_ok=True)
            make(folder)
            done.write_text(text, encoding="utf-8")
        self.made[name] = parameters
        return folder

    def run(self, *words, **streams):
        command = [str(word) for word in (self.gatelog, *words)]
        return subprocess.Popen(command, stdout=streams.pop("stdout", subprocess.DEVNULL), stderr=subprocess.DEVNULL, **streams)

    def must(self, *words):
        if self.run(*words).wait() != 0:
            raise SystemExit(f"gatelog {' '.join(map(str, words))} failed")

    def generate(self, form, accesses, changes, days, *more):
        rows = ["--access-rows", accesses, "--change-rows", changes, "--days", days, "--start", START, "--seed", 11]
        return ["generate", "--format", form, *rows, *more]

    def export(self, form):
        """A log of a quarter, 2 % of its rows twice: ndjson, odata, csv or synapse; or wide, NDJSON with large changedata."""
        if form == "wide":
            rows = self.rows["wide"]
            return self.kept("wide", {"rows": rows, "seed": 11}, lambda folder: self.make_wide(folder, rows))
        command = self.generate(form, *self.rows["exports"], 90, "--duplicates", 0.02)
        return self.kept(form, command[1:3] + list(map(str, command[3:])), lambda folder: self.must(*command, "--out", folder))

    def make_wide(self, folder, rows):
        """Change rows whose changedata has 20 to 120 KB: many columns at once, with long texts, no two alike."""
        folder.mkdir()
        narrow = self.run(*self.generate("ndjson", 100, rows, 90), "--out", "-", stdout=subprocess.PIPE)
        words = ["".join(syllables) for syllables in itertools.product(("ba", "de", "li", "mo", "nu", "per", "sta"), repeat=4)]
        chance = random.Random(11)
        with open(folder / "audits.ndjson", "w", encoding="utf-8") as out:
            for line in narrow.stdout:
                record = json.loads(line)
                if (record["changedata"] or "").startswith("{"):
                    changed, left = [], chance.randrange(20_000, 120_000)
                    while left > 0:
                        old, new = (" ".join(chance.choices(words, k=chance.randrange(1, 40))) for _ in range(2))
                        changed.append({"logicalName": f"sim_column{len(changed)}", "oldValue": old, "newValue": new})
                        left -= len(old) + len(new) + 60
                    record["changedata"] = json.dumps({"changedAttributes": changed}, separators=(",", ":"))
                out.write(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n")
        if narrow.wait() != 0:
            raise SystemExit("gatelog generate failed")

    def lake(self, name):
        """A lake of a year with side tables: `lake`, or `sparse`, where accesses are 5 % of the rows."""
        command = self.generate("parquet", *self.rows[name], 365, "--gaps", 24, "--side-tables")

        def make(folder):
            export = self.folder / f"{name}-export"
            shutil.rmtree(export, ignore_errors=True)
            self.must(*command, "--out", export)
            self.must("ingest", export, "--lake", folder, "--environment", "bench")
            shutil.rmtree(export)

        return self.kept(f"lake-{name}", list(map(str, command[1:])), make)

    def night(self):
        """`lake`, of a year, and `day`, NDJSON of the day after it, with the rows of the evening before once more."""
        rows = self.rows["night"]
        command = self.generate("ndjson", 366 * rows * 3 // 4, 366 * rows // 4, 366)
        last = START + timedelta(days=365)

        def make(folder):
            (folder / "day").mkdir(parents=True)
            log = self.run(*command, "--out", "-", stdout=subprocess.PIPE)
            year = self.run("ingest", "-", "--lake", folder / "lake", "--environment", "bench", stdin=subprocess.PIPE)
            evening = f"{last - timedelta(days=1)}T20".encode()
            with open(folder / "day" / "audits.ndjson", "wb") as day:
                for line in log.stdout:
                    at = line.index(b'"createdon":"') + 13
                    if line[at : at + 10] < last.isoformat().encode():
                        year.stdin.write(line)
                    if line[at : at + 13] >= evening:
                        day.write(line)
            year.stdin.close()
            if log.wait() != 0 or year.wait() != 0:
                raise SystemExit("gatelog generate or ingest failed")

        return self.kept("night", list(map(str, command[1:])), make)
