"""Writes the rows of an NDJSON log in typed forms, with the writers that people use.

    typed.py parquet ROWS.ndjson FOLDER    Parquet by DuckDB: types, time zones, codecs
    typed.py workbook ROWS.ndjson FOLDER   workbooks by openpyxl
    typed.py delta ROWS.ndjson FOLDER      a Delta table by delta-rs, after appends, a delete, a compaction, a checkpoint
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import duckdb

UUIDS = ["auditid", "_objectid_value", "_userid_value"]
INTEGERS = {"action": "INTEGER", "operation": "SMALLINT", "versionnumber": "BIGINT"}


def table(rows):
    """A connection with the rows as a table of texts."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    names = {name: "VARCHAR" for row in map(json.loads, Path(rows).open(encoding="utf-8")) for name in row}
    db.execute("CREATE TABLE texts AS SELECT * FROM read_json(?, columns = ?, format = 'newline_delimited')",
               [rows, names])
    return db, list(names)


def typed(names, time, numbers=INTEGERS):
    kinds = {"createdon": time, **{name: "UUID" for name in UUIDS}, **numbers}
    return ", ".join(f'CAST("{name}" AS {kinds.get(name, "VARCHAR")}) AS "{name}"' for name in names)


def parquet(rows, folder):
    db, names = table(rows)
    doubles = {name: "DOUBLE" for name in INTEGERS}
    for name, columns, codec in [
        ("instants", typed(names, "TIMESTAMPTZ"), "snappy"),
        ("times", typed(names, "TIMESTAMP"), "zstd"),
        ("nanoseconds", typed(names, "TIMESTAMP_NS"), "gzip"),
        ("floats", typed(names, "TIMESTAMP_MS", doubles), "lz4_raw"),
        ("texts", "*", "uncompressed"),
        ("unread", "*", "brotli"),
    ]:
        query = f"SELECT {columns} FROM texts"
        db.execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION {codec})")


def workbook(rows, folder):
    import openpyxl
    from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

    db, names = table(rows)
    values = db.execute(f"SELECT {typed(names, 'TIMESTAMP')} FROM texts").fetchall()
    values = [[v if v is None or isinstance(v, (int, str, datetime)) else str(v) for v in row] for row in values]
    for name, epoch in [("windows", CALENDAR_WINDOWS_1900), ("mac", CALENDAR_MAC_1904)]:
        book = openpyxl.Workbook()
        book.epoch = epoch
        cover = book.active
        cover.title = "Cover"
        cover.append(["Who used the system", None, 2026])
        sheet = book.create_sheet("Audit, all")
        sheet["A1"] = "Audit log of Contoso"
        # The header begins in B4; a column behind it is somebody's remark.
        for row, line in [(4, names), *((place + (5 if place < 7 else 8), line) for place, line in enumerate(values))]:
            for column, value in enumerate(line):
                sheet.cell(row, column + 2, value)
        sheet.cell(6, len(names) + 4, "looks odd")
        # The cells of rows 12 to 14 are empty, one of them has a format, one an error.
        sheet.cell(12, 2).number_format = "0.00"
        sheet.cell(13, 3, "#N/A")
        book.create_sheet("Audit 2").append(["auditid", "createdon", "action"])
        book.save(folder / f"{name}.xlsx")


def delta(rows, folder):
    from deltalake import DeltaTable, write_deltalake

    db, names = table(rows)
    synapse = {"_objectid_value": "objectid", "_userid_value": "userid"}
    formatted = "@OData.Community.Display.V1.FormattedValue"
    renamed = {name: (synapse.get(name.removesuffix(formatted), name) + ("name" if formatted in name else ""))
               for name in names}
    columns = ", ".join(f'CAST("{old}" AS {"TIMESTAMPTZ" if new == "createdon" else INTEGERS.get(new, "VARCHAR")})'
                        f" AS {new}" for old, new in renamed.items())
    db.execute(f"CREATE TABLE rows AS SELECT {columns}, rowid % 4 AS part,"
               " CASE rowid % 3 WHEN 0 THEN '2026' WHEN 1 THEN 'ü %/2' END AS PartitionId FROM texts")
    path = str(folder / "audit_partitioned")

    def append(where):
        write_deltalake(path, db.sql(f"SELECT * EXCLUDE (part) FROM rows WHERE {where}"), mode="append",
                        partition_by=["PartitionId"])

    append("part = 0")
    append("part = 1")
    db.execute("INSERT INTO rows (createdon, action, versionnumber, part, PartitionId)"
               " VALUES ('2001-01-01 00:00:00Z', 64, -1, 9, '2026')")
    append("part = 9")
    DeltaTable(path).delete("versionnumber = -1")
    append("part = 2")
    DeltaTable(path).optimize.compact()
    DeltaTable(path).create_checkpoint()
    append("part = 3")


def main(arguments):
    kind, rows, folder = arguments
    Path(folder).mkdir(parents=True, exist_ok=True)
    {"parquet": parquet, "workbook": workbook, "delta": delta}[kind](rows, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
