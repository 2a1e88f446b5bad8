"""Whether two programs made the same thing, judged on all rows; prints one line of JSON.

    equal.py lake EXPECTED FOUND              two lakes: the same rows, `source` left out; FOUND sorted and partitioned
    equal.py added BEFORE EXPECTED FOUND      FOUND has just the rows that EXPECTED has more than BEFORE
    equal.py report EXPECTED FOUND            two Parquet files: the same columns, rows and order

Rows are compared as a multiset: their number, and the sum of a 64-bit hash of each row. Values count in EXPECTED's types.
"""

import glob
import json
import sys

import duckdb

SHOWN = 3


def parquet(path):
    return f"read_parquet('{path}', hive_partitioning = false, file_row_number = true, filename = true)"


def lake(path):
    return parquet(f"{path}/audit/**/*.parquet")


def columns_of(db, relation, without=()):
    described = db.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number, filename) FROM {relation}").fetchall()
    return {name: kind for name, kind, *_ in described if name not in without}


def values(columns, kinds):
    return ", ".join(f'CAST("{name}" AS {kinds[name]})' for name in columns)


def multiset(db, relation, columns, kinds, place=""):
    """(rows, sum of their hashes); with the row's place, order counts."""
    sql = f"SELECT count(*), coalesce(sum(hash({place}{values(columns, kinds)})::HUGEINT), 0)::VARCHAR FROM {relation}"
    rows, total = db.execute(sql).fetchone()
    return rows, int(total)


def difference(db, expected, found, columns, kinds):
    """A few rows that only one side has."""
    lines = []
    listed = values(columns, kinds)
    for name, here, there in (("expected", expected, found), ("found", found, expected)):
        only = f"SELECT {listed} FROM {here} EXCEPT ALL SELECT {listed} FROM {there} LIMIT {SHOWN}"
        lines += [f"only {name}: {tuple(map(str, row))}" for row in db.execute(only).fetchall()]
    return "; ".join(lines)


def unsorted(db, folder):
    """A file of a lake that is not sorted, or holds more than one kind or month."""
    for file in glob.glob(f"{folder}/audit/**/*.parquet", recursive=True):
        rows = f"SELECT *, lag(row(created_on, audit_id)) OVER (ORDER BY file_row_number) AS before FROM {parquet(file)}"
        bad, parts = db.execute(
            f"SELECT count(*) FILTER (before > row(created_on, audit_id)), count(DISTINCT (kind, month)) FROM ({rows})"
        ).fetchone()
        if bad or parts > 1:
            return f"{file}: {bad} rows out of order, {parts} partitions"
    return ""


def compare_lakes(db, expected, found):
    kinds = columns_of(db, lake(expected), ["source"])
    names = columns_of(db, lake(found), ["source"])
    if list(kinds) != list(names):
        return 0, f"columns differ: {list(kinds)} and {list(names)}"
    wanted, got = (multiset(db, lake(path), kinds, kinds) for path in (expected, found))
    if wanted != got:
        return wanted[0], f"{wanted[0]} and {got[0]} rows: " + difference(db, lake(expected), lake(found), kinds, kinds)
    return wanted[0], unsorted(db, found)


def compare_added(db, before, expected, found):
    kinds = columns_of(db, lake(expected), ["source"])
    old, new, got = (multiset(db, lake(path), kinds, kinds) for path in (before, expected, found))
    wanted = new[0] - old[0], new[1] - old[1]
    return wanted[0], "" if wanted == got else f"{wanted[0]} and {got[0]} rows, or other ones"


def compare_reports(db, expected, found):
    expected, found = parquet(expected), parquet(found)
    kinds, names = columns_of(db, expected), columns_of(db, found)
    if list(kinds) != list(names):
        return 0, f"columns differ: {list(kinds)} and {list(names)}"
    wanted, got = (multiset(db, side, kinds, kinds, "file_row_number, ") for side in (expected, found))
    if wanted == got:
        return wanted[0], ""
    shown = difference(db, expected, found, kinds, kinds) or "by order only"
    return wanted[0], f"{wanted[0]} and {got[0]} rows differ: {shown}"


def main(kind, *paths):
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    compare = {"lake": compare_lakes, "added": compare_added, "report": compare_reports}[kind]
    rows, why = compare(db, *paths)
    print(json.dumps({"rows": rows, "difference": why}))


if __name__ == "__main__":
    main(*sys.argv[1:])
