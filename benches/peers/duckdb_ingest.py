"""Exports to sorted Parquet by DuckDB, as fast as we know how.

    duckdb_ingest.py full FORM EXPORT OUT             the lake's files: every column, no id twice, sorted per kind and month
    duckdb_ingest.py lean FORM EXPORT OUT             only what reports read, duplicates and all
    duckdb_ingest.py increment FORM EXPORT OUT LAKE   the files that a night adds to LAKE

Types are named, so nothing is sniffed; reading, the window and sorting use all threads. COPY with PARTITION_BY does not keep
the order of rows within a file, so each partition is sorted and written by its own COPY, two of them at a time. An OData page
goes through read_text and from_json, since read_json takes ten times as long for one object of several megabytes.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import duckdb

import shared

TYPES = {"text": "VARCHAR", "time": "TIMESTAMPTZ", "int32": "INTEGER", "int64": "BIGINT"}
PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"


def source(export):
    """A table function call that reads the export with its own column names."""
    columns = ", ".join(f"{text(name)}: '{TYPES[kind]}'" for name, kind in export.kinds.items())
    if export.form == "ndjson":
        return f"read_json({text(export.pattern)}, format = 'newline_delimited', columns = {{{columns}}})"
    if export.form == "odata":
        page = json.dumps({"value": [{name: TYPES[kind] for name, kind in export.kinds.items()}]})
        records = f"from_json(content, {text(page)}).value"
        return f"(SELECT unnest({records}, max_depth := 2) FROM read_text({text(export.pattern)}))"
    header = "true" if export.form == "csv" else "false"
    return f"read_csv({text(export.pattern)}, header = {header}, auto_detect = false, columns = {{{columns}}})"


def lake_rows(export, columns):
    """A query for the export's rows with the lake's columns."""
    names = {lake: quoted(name) for lake, name in export.source.items()}
    about_object = (
        f"action IN (64, 65) AND {names['object_id']} IS NOT NULL"
        f" AND coalesce({names['object_type']}, 'systemuser') IN ('systemuser', '8')"
    )
    values = {lake: names.get(lake, f"CAST(NULL AS {TYPES[kind]})") for lake, (kind, *_) in shared.COLUMNS.items()}
    values |= {
        "actor_id": f"CASE WHEN {about_object} THEN {values['object_id']} ELSE {values['user_id']} END",
        "actor_name": f"CASE WHEN {about_object} THEN {values['object_name']} ELSE {values['user_name']} END",
        "deleted_in_source": "IsDelete IS NOT DISTINCT FROM 'True'" if export.form == "synapse" else "false",
        "source": text(os.path.basename(export.pattern)),
        "environment": text(shared.ENVIRONMENT),
        "kind": "CASE WHEN action IN (64, 65) THEN 'access' WHEN action BETWEEN 102 AND 113 THEN 'control' ELSE 'change' END",
        "month": "strftime(createdon, '%Y-%m')",
    }
    return f"SELECT {', '.join(f'{values[name]} AS {name}' for name in columns)} FROM {source(export)}"


def connect():
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    return db


def write(db, out):
    """The table `rows` as sorted files, one per kind and month."""
    def one(part):
        environment, kind, month = part
        folder = f"{out}/audit/environment={environment}/kind={kind}/month={month}"
        os.makedirs(folder)
        db.cursor().execute(
            f"COPY (SELECT * FROM rows WHERE kind = '{kind}' AND month = '{month}' ORDER BY created_on, audit_id)"
            f" TO {text(folder + '/part.parquet')} {PARQUET}"
        )

    parts = db.execute("SELECT DISTINCT environment, kind, month FROM rows").fetchall()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, parts))


def unique(export):
    """Of rows with the same id one; of Synapse Link's, the newest version."""
    order = " ORDER BY version_number DESC" if export.form == "synapse" else ""
    return f"QUALIFY row_number() OVER (PARTITION BY audit_id{order}) = 1"


def full(form, folder, out):
    export, db = shared.Export(form, folder), connect()
    db.execute(f"CREATE TABLE rows AS {lake_rows(export, shared.LAKE)} {unique(export)}")
    write(db, out)


def lean(form, folder, out):
    export, db = shared.Export(form, folder), connect()
    db.execute(f"CREATE TABLE rows AS {lake_rows(export, shared.LEAN_LAKE)}")
    write(db, out)


def increment(form, folder, out, lake):
    export, db = shared.Export(form, folder), connect()
    db.execute(f"CREATE TABLE rows AS {lake_rows(export, shared.LAKE)} {unique(export)}")
    present = shared.months(lake)
    months = [month for [month] in db.execute("SELECT DISTINCT month FROM rows").fetchall()]
    files = [file for month in months for file in present.get(month, [])]
    if files:
        db.execute(
            "DELETE FROM rows WHERE audit_id IN (SELECT audit_id FROM read_parquet(?, hive_partitioning = false))", [files]
        )
    write(db, out)


if __name__ == "__main__":
    shared.main({"full": full, "lean": lean, "increment": increment})
