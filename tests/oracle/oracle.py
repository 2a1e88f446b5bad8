"""The second opinion on reports: runs queries/*.sql on DuckDB and compares every row with what the engine wrote (L8).

    oracle.py CASES.json                     compare; exit code 1 when anything differs
    oracle.py --write OUT LAKE PARAMS.json   write the SQL's own answers as Parquet and CSV, to time and to look at

CASES.json is a list of {"name", "lake", "reports", "params", "tables"}: `reports` holds sessions.parquet, ... as the
engine wrote them; `params` are the queries' named parameters, times as RFC 3339 text, intervals as integers, a missing
one is null. Rows must agree in content, number and order, columns in name, type and order; doubles must be equal.
"""

import json
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import duckdb

QUERIES = Path(__file__).resolve().parents[2] / "queries"
REPORTS = ["sessions", "clients", "gaps", "coverage", "users", "activity", "control", "silence"]
TIMES = {"as_of", "from_on", "to_on"}
SHOWN_ROWS = 5

def text(value):
    """A SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def open_lake(lake):
    """A connection with the prelude's macros and views."""
    db = duckdb.connect()
    prelude = (QUERIES / "prelude.duckdb.sql").read_text(encoding="utf-8")
    db.execute(prelude.replace("{lake}", str(lake).replace("'", "''")))
    return db


def answer(db, report, params):
    """Runs the report's SQL into the table `expected`, whose rowid is the row's place."""
    sql = (QUERIES / f"{report}.sql").read_text(encoding="utf-8")
    named = {name: None for name in re.findall(r"\$(\w+)", sql)}
    for name in named:
        value = params.get(name)
        if name in TIMES and value is not None:
            value = datetime.fromisoformat(value).astimezone(timezone.utc).replace(tzinfo=None)
        named[name] = value
    db.execute(f"CREATE OR REPLACE TABLE expected AS {sql}", named)
    if report == "sessions" and params.get("evidence") != "all":
        counted = db.execute("SELECT count(changes) FROM expected").fetchone()[0]
        if counted:
            raise duckdb.Error(f"{counted} rows count changes, which are no evidence")
        db.execute("ALTER TABLE expected DROP COLUMN changes")


def columns_of(db, relation):
    return [(name, kind) for name, kind, *_ in db.execute(f"DESCRIBE {relation}").fetchall()]


def rows_text(db, query):
    """The rows as text, so that the driver need not know time zones."""
    return [", ".join("null" if v is None else v for v in row) for row in db.execute(query).fetchall()]


def compare(db, report, params, file):
    """(rows, what differs); nothing differs when the second is empty."""
    answer(db, report, params)
    db.execute(
        f"CREATE OR REPLACE VIEW engine AS SELECT * EXCLUDE (file_row_number), file_row_number AS place"
        f" FROM read_parquet({text(file)}, file_row_number = true, hive_partitioning = false)"
    )
    db.execute("CREATE OR REPLACE VIEW sql AS SELECT *, rowid AS place FROM expected")
    wanted, found = columns_of(db, "sql")[:-1], columns_of(db, "engine")[:-1]
    if wanted != found:
        lines = [f"  sql column    {c} {k}" for c, k in wanted if (c, k) not in found]
        lines += [f"  engine column {c} {k}" for c, k in found if (c, k) not in wanted]
        return 0, "columns differ\n" + "\n".join(lines or [f"  sql order    {wanted}", f"  engine order {found}"])

    rows = {side: db.execute(f"SELECT count(*) FROM {side}").fetchone()[0] for side in ("sql", "engine")}
    names = [f'"{name}"' for name, _ in wanted]
    same = " AND ".join(f"s.{n} IS NOT DISTINCT FROM e.{n}" for n in names)
    pairs = (
        "FROM sql AS s FULL JOIN engine AS e ON s.place = e.place"
        f" WHERE s.place IS NULL OR e.place IS NULL OR NOT ({same})"
    )
    misplaced = db.execute(f"SELECT count(*) {pairs}").fetchone()[0]
    if misplaced == 0:
        return rows["sql"], ""

    lines = [f"{rows['sql']} rows in sql, {rows['engine']} in the engine, {misplaced} places differ"]
    shown = ", ".join(f"CAST({n} AS VARCHAR)" for n in names)
    content = ", ".join(names)
    for here, there in (("sql", "engine"), ("engine", "sql")):
        only = f"SELECT {content} FROM {here} EXCEPT ALL SELECT {content} FROM {there}"
        query = f"SELECT {shown} FROM ({only}) ORDER BY {content} LIMIT {SHOWN_ROWS}"
        lines += [f"  only in {here:6} {row}" for row in rows_text(db, query)]
    if len(lines) == 1:
        lines[0] += ", by order only"
        for side, alias in (("sql", "s"), ("engine", "e")):
            first = ", ".join(f"CAST({alias}.{n} AS VARCHAR)" for n in names)
            query = f"SELECT CAST({alias}.place AS VARCHAR), {first} {pairs} ORDER BY {alias}.place LIMIT {SHOWN_ROWS}"
            lines += [f"  {side:6} row {row}" for row in rows_text(db, query)]
    return rows["sql"], "\n".join(lines)


def check(cases):
    failed = 0
    for case in cases:
        counts = []
        db = open_lake(case["lake"])
        for report in case.get("tables", REPORTS):
            file = Path(case["reports"]) / f"{report}.parquet"
            try:
                rows, difference = compare(db, report, case.get("params", {}), file)
            except duckdb.Error as error:
                rows, difference = 0, f"cannot compare: {error}"
            if difference:
                failed += 1
                print(f"DIFFERENT {case['name']} {report}: {difference}")
            counts.append(f"{report} {'differs' if difference else rows}")
        db.close()
        print(f"{case['name']}: {', '.join(counts)}", flush=True)
    return failed


def write(out, lake, params):
    out.mkdir(parents=True, exist_ok=True)
    db = open_lake(lake)
    for report in REPORTS:
        start = time.monotonic()
        answer(db, report, params)
        seconds = time.monotonic() - start
        db.execute(f"COPY expected TO {text(out / f'{report}.parquet')} (FORMAT parquet)")
        db.execute(f"COPY expected TO {text(out / f'{report}.csv')} (FORMAT csv, HEADER)")
        rows = db.execute("SELECT count(*) FROM expected").fetchone()[0]
        print(f"{report}: {rows} rows, {seconds:.2f} s")


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "--write":
        write(Path(arguments[1]), arguments[2], json.loads(Path(arguments[3]).read_text(encoding="utf-8")))
        return 0
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        return 1 if check(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))) else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
