"""Writes the flattened CSV exports of a folder as typed exports of other programs.

    exports.py CSV_FOLDER OUT     OUT/xlsx/*.xlsx by openpyxl, OUT/delta/NAME/ by delta-rs, in several commits
"""

import sys
from pathlib import Path

import duckdb
import openpyxl
from deltalake import write_deltalake

KINDS = {
    "action": "INTEGER", "operation": "INTEGER", "versionnumber": "BIGINT", "accessmode": "INTEGER",
    "useraccessauditinginterval": "INTEGER", "auditretentionperiodv2": "INTEGER",
}
COMMITS = 3


def main(folder, out):
    for path in sorted(Path(folder).glob("*.csv")):
        db = duckdb.connect()
        db.execute("SET TimeZone = 'UTC'")
        db.execute("CREATE TABLE texts AS SELECT * FROM read_csv(?, all_varchar = true, header = true)", [str(path)])
        names = [name for name, *_ in db.execute("DESCRIBE texts").fetchall()]

        def rows(time, where="true"):
            kinds = {"createdon": time, **KINDS}
            columns = ", ".join(f'CAST("{name}" AS {kinds.get(name, "VARCHAR")}) AS "{name}"' for name in names)
            return db.sql(f"SELECT {columns} FROM texts WHERE {where} ORDER BY rowid")

        book = openpyxl.Workbook()
        book.active.append(names)
        for row in rows("TIMESTAMP").fetchall():
            book.active.append(row)
        target = Path(out) / "xlsx" / f"{path.stem}.xlsx"
        target.parent.mkdir(parents=True, exist_ok=True)
        book.save(target)

        for commit in range(COMMITS):
            part = rows("TIMESTAMPTZ", f"rowid % {COMMITS} = {commit}")
            write_deltalake(str(Path(out) / "delta" / path.stem), part, mode="append")


if __name__ == "__main__":
    main(*sys.argv[1:])
