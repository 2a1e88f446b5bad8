"""Asks DuckDB what `gatelog query` was asked, and compares every row of the answers.

    questions.py CASES.json

CASES.json is a list of {"name", "lake", "reports", "tz", "questions", "answers"}: `reports` holds sessions.parquet, ... of
the same options, `questions` is a file of statements that begin with `-- ? name`, and `answers` holds what gatelog
answered, 0.parquet, 1.parquet, ... in their order. Rows must agree in content, number and order, columns in name and
order; a number may come in another width, and doubles may differ in their last digits.
"""

import json
import re
import sys
from pathlib import Path

import duckdb

# What a lake's files hold → the name of the table.
SIDE = {"users": "systemusers", "organizations": "organizations", "names": "names"}
KINDS = ["access", "change", "control"]
SHOWN_ROWS = 5


def text(value):
    """A SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def connect(case):
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    lake, zone = Path(case["lake"]), text(case["tz"])
    db.execute(
        f"CREATE VIEW audit AS SELECT *, CAST(timezone({zone}, created_on) AS DATE) AS created_date,"
        f" hour(timezone({zone}, created_on)) AS created_hour"
        f" FROM read_parquet({text(lake / 'audit/**/*.parquet')}, hive_partitioning = false)"
    )
    for kind in KINDS:
        db.execute(f"CREATE VIEW {kind} AS FROM audit WHERE kind = '{kind}'")
    for folder, name in SIDE.items():
        db.execute(f"CREATE VIEW {name} AS FROM read_parquet({text(lake / folder / '*.parquet')})")
    for file in Path(case["reports"]).glob("*.parquet"):
        name = file.stem if file.stem not in KINDS else f"{file.stem}_timeline"
        db.execute(f"CREATE VIEW {name} AS FROM read_parquet({text(file)})")
    # A difference of instants is a number of microseconds.
    db.execute("CREATE MACRO micros(x) AS epoch_us(x)")
    return db


def questions(path):
    parts = re.split(r"^-- \? (.*)$", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return list(zip(parts[1::2], (part.strip() for part in parts[2::2])))


def compare(db, sql, file):
    """(rows, what differs)"""
    # DuckDB has no cast from a duration to a number.
    asked = re.sub(r"CAST\((\w+ - \w+) AS BIGINT\)", r"micros(\1)", sql)
    db.execute(f"CREATE OR REPLACE TABLE wanted AS SELECT *, row_number() OVER () AS place_ FROM ({asked}) AS q")
    db.execute(
        f"CREATE OR REPLACE TABLE found AS SELECT *, file_row_number + 1 AS place_"
        f" FROM (SELECT * FROM read_parquet({text(file)}, file_row_number = true))"
    )
    columns = [(c, k) for c, k, *_ in db.execute("DESCRIBE wanted").fetchall()][:-1]
    names = [c for c, *_ in db.execute("DESCRIBE found").fetchall() if c not in ("place_", "file_row_number")]
    if [name for name, _ in columns] != names:
        return 0, f"columns {names} instead of {[name for name, _ in columns]}"

    def differs(name, kind):
        wanted, found = f'w."{name}"', f'CAST(f."{name}" AS {kind})'
        if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
            wanted, found = (f"CAST({side} AS DOUBLE)" for side in (wanted, found))
            near = f"abs({wanted} - {found}) <= 1e-9 * greatest(abs({wanted}), abs({found}))"
            return f"NOT coalesce({near}, {wanted} IS NULL AND {found} IS NULL)"
        return f"{wanted} IS DISTINCT FROM {found}"

    any_differs = " OR ".join(differs(name, kind) for name, kind in columns)
    pairs = f"FROM wanted AS w FULL JOIN found AS f ON w.place_ = f.place_ WHERE w.place_ IS NULL OR f.place_ IS NULL OR {any_differs}"
    rows = db.execute("SELECT count(*) FROM wanted").fetchone()[0]
    wrong = db.execute(f"SELECT count(*) {pairs}").fetchone()[0]
    if wrong == 0:
        return rows, ""
    lines = [f"{wrong} of {rows} rows differ"]
    for side, alias in (("duckdb", "w"), ("gatelog", "f")):
        shown = ", ".join(f'CAST({alias}."{name}" AS VARCHAR)' for name in names)
        for row in db.execute(f"SELECT {shown} {pairs} ORDER BY coalesce(w.place_, f.place_) LIMIT {SHOWN_ROWS}").fetchall():
            lines.append(f"  {side:8} {', '.join('null' if v is None else v for v in row)}")
    return rows, "\n".join(lines)


def main(path):
    failed = 0
    for case in json.loads(Path(path).read_text(encoding="utf-8")):
        db = connect(case)
        for place, (name, sql) in enumerate(questions(case["questions"])):
            try:
                rows, difference = compare(db, sql, Path(case["answers"]) / f"{place}.parquet")
            except duckdb.Error as error:
                rows, difference = 0, f"cannot compare: {error}"
            failed += bool(difference)
            print(f"{case['name']}, {name}: {'DIFFERENT ' + difference if difference else rows}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
