"""Exports to sorted Parquet by ClickHouse (chdb), as fast as we know how.

    chdb_ingest.py full FORM EXPORT OUT             the lake's files: every column, no id twice, sorted per kind and month
    chdb_ingest.py lean FORM EXPORT OUT             only what reports read, duplicates and all
    chdb_ingest.py increment FORM EXPORT OUT LAKE   the files that a night adds to LAKE

One statement reads, sorts, drops duplicates (LIMIT 1 BY) and writes; the structure is named, so nothing is sniffed.
"""

import os

from chdb.session import Session

import shared

TYPES = {
    "text": "Nullable(String)", "time": "DateTime64(6, 'UTC')", "int32": "Nullable(Int32)", "int64": "Nullable(Int64)"
}
SETTINGS = """SETTINGS date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1,
    input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_csv_empty_as_default = 1,
    output_format_parquet_compression_method = 'zstd', output_format_compression_level = 1,
    output_format_parquet_string_as_string = 1"""


def text(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def source(export):
    """The export with its own column names."""
    fields = ", ".join(f"`{name}` {TYPES[kind]}" for name, kind in export.kinds.items())
    pattern = os.path.abspath(export.pattern)
    if export.form == "odata":
        structure = f"value Array(Tuple({fields}))"
        page = f"file({text(pattern)}, JSONEachRow, {text(structure)})"
        names = ", ".join(f"tupleElement(record, {text(name)}) AS `{name}`" for name in export.names)
        return f"(SELECT {names} FROM {page} ARRAY JOIN value AS record)"
    form = {"ndjson": "JSONEachRow", "csv": "CSVWithNames", "synapse": "CSV"}[export.form]
    return f"file({text(pattern)}, {form}, {text(fields)})"


def lake_rows(export, columns):
    """A query for the export's rows with the lake's columns."""
    values = {
        lake: f"`{export.source[lake]}`" if lake in export.source else f"CAST(NULL AS {TYPES[kind]})"
        for lake, (kind, *_) in shared.COLUMNS.items()
    }
    about_object = (
        f"action IN (64, 65) AND isNotNull({values['object_id']})"
        f" AND coalesce({values['object_type']}, 'systemuser') IN ('systemuser', '8')"
    )
    values |= {
        "actor_id": f"if({about_object}, {values['object_id']}, {values['user_id']})",
        "actor_name": f"if({about_object}, {values['object_name']}, {values['user_name']})",
        "deleted_in_source": "coalesce(IsDelete = 'True', false)" if export.form == "synapse" else "false",
        "source": text(os.path.basename(export.pattern)),
        "environment": text(shared.ENVIRONMENT),
        "kind": "multiIf(action IN (64, 65), 'access', action BETWEEN 102 AND 113, 'control', 'change')",
        "month": "formatDateTime(createdon, '%Y-%m')",
    }
    return f"SELECT {', '.join(f'{values[name]} AS {name}' for name in columns)} FROM {source(export)}"


def write(db, query, out):
    """The query's rows as files, one per kind and month, in the query's order."""
    for folder in ("access", "change", "control"):
        os.makedirs(f"{out}/audit/environment={shared.ENVIRONMENT}/kind={folder}")
    parts = os.path.abspath(out) + f"/audit/environment={shared.ENVIRONMENT}/kind={{_partition_id}}.parquet"
    files = f"file({text(parts)}, Parquet) PARTITION BY concat(kind, '/month=', month)"
    db.query(f"INSERT INTO FUNCTION {files} {query} {SETTINGS}")


def order(export):
    """Of rows with the same id one; of Synapse Link's, the newest version."""
    newest = ", version_number DESC" if export.form == "synapse" else ""
    return f"ORDER BY created_on, audit_id{newest} LIMIT 1 BY audit_id"


def full(form, folder, out):
    export = shared.Export(form, folder)
    write(Session(), f"{lake_rows(export, shared.LAKE)} {order(export)}", out)


def lean(form, folder, out):
    write(Session(), f"{lake_rows(shared.Export(form, folder), shared.LEAN_LAKE)} ORDER BY created_on, audit_id", out)


def increment(form, folder, out, lake):
    export, db = shared.Export(form, folder), Session()
    db.query(f"CREATE TABLE day ENGINE = Memory AS {lake_rows(export, shared.LAKE)} {SETTINGS}")
    months = str(db.query("SELECT DISTINCT month FROM day")).replace('"', "").split()
    files = f"{os.path.abspath(lake)}/audit/*/*/month={{{','.join(months)}}}/*.parquet"
    known = f"file({text(files)}, Parquet, 'audit_id String')"
    write(db, f"SELECT * FROM day WHERE audit_id NOT IN (SELECT audit_id FROM {known}) {order(export)}", out)


if __name__ == "__main__":
    shared.main({"full": full, "lean": lean, "increment": increment})
