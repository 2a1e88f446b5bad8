"""Exports to sorted Parquet by polars, as fast as we know how.

    polars_ingest.py full FORM EXPORT OUT             the lake's files: every column, no id twice, sorted per kind and month
    polars_ingest.py lean FORM EXPORT OUT             only what reports read, duplicates and all
    polars_ingest.py increment FORM EXPORT OUT LAKE   the files that a night adds to LAKE

The streaming engine parses; sorting and unique ids are faster in memory, and so is writing each partition, compared with
sink_parquet and PartitionBy. polars has no streaming reader for a JSON page, so OData pages are read one by one.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import polars as pl

import shared

TYPES = {"text": pl.String, "time": pl.String, "int32": pl.Int32, "int64": pl.Int64}
TIMES = {"synapse": "%Y-%m-%dT%H:%M:%S%.f%:z"}
col = pl.col


def pages(export, schema):
    """The records of OData pages."""
    page = {"value": pl.List(pl.Struct(schema))}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        frames = threads.map(lambda file: pl.read_json(file, schema=page)["value"].explode().struct.unnest(), export.files)
        return pl.concat(list(frames), rechunk=False).lazy()


def source(export):
    """The export with its own column names."""
    schema = {name: TYPES[kind] for name, kind in export.kinds.items()}
    if export.form == "ndjson":
        return pl.scan_ndjson(export.files, schema=schema)
    if export.form == "odata":
        return pages(export, schema)
    return pl.scan_csv(export.files, schema=schema, has_header=export.form == "csv")


def lake_rows(export, columns):
    """The export's rows with the lake's columns."""
    values = {
        lake: col(export.source[lake]) if lake in export.source else pl.lit(None, TYPES[kind])
        for lake, (kind, *_) in shared.COLUMNS.items()
    }
    created_on = values["created_on"]
    is_access = col("action").is_in([64, 65])
    about_object = (
        is_access & values["object_id"].is_not_null() & values["object_type"].fill_null("systemuser").is_in(["systemuser", "8"])
    )
    values |= {
        "created_on": created_on.str.to_datetime(TIMES.get(export.form, "%Y-%m-%dT%H:%M:%SZ"), time_unit="us", time_zone="UTC"),
        "actor_id": pl.when(about_object).then(values["object_id"]).otherwise(values["user_id"]),
        "actor_name": pl.when(about_object).then(values["object_name"]).otherwise(values["user_name"]),
        "deleted_in_source": (col("IsDelete") == "True").fill_null(False) if export.form == "synapse" else pl.lit(False),
        "source": pl.lit(os.path.basename(export.pattern)),
        "environment": pl.lit(shared.ENVIRONMENT),
        "kind": pl.when(is_access).then(pl.lit("access"))
        .when(col("action").is_between(102, 113)).then(pl.lit("control")).otherwise(pl.lit("change")),
        "month": created_on.str.slice(0, 7),
    }
    return source(export).select(values[name].alias(name) for name in columns).collect(engine="streaming")


def write(rows, out):
    """Sorted rows as files, one per kind and month."""
    for (environment, kind, month), part in rows.partition_by("environment", "kind", "month", as_dict=True).items():
        folder = f"{out}/audit/environment={environment}/kind={kind}/month={month}"
        os.makedirs(folder)
        part.write_parquet(f"{folder}/part.parquet", compression="zstd", compression_level=1)


def unique(export, rows):
    """Of rows with the same id one; of Synapse Link's, the newest version."""
    if export.form == "synapse":
        rows = rows.sort("version_number", descending=True)
        return rows.unique("audit_id", keep="first", maintain_order=True)
    return rows.unique("audit_id")


def full(form, folder, out):
    export = shared.Export(form, folder)
    write(unique(export, lake_rows(export, shared.LAKE)).sort("created_on", "audit_id"), out)


def lean(form, folder, out):
    write(lake_rows(shared.Export(form, folder), shared.LEAN_LAKE).sort("created_on", "audit_id"), out)


def increment(form, folder, out, lake):
    export = shared.Export(form, folder)
    rows = unique(export, lake_rows(export, shared.LAKE))
    present = shared.months(lake)
    files = [file for month in rows["month"].unique() for file in present.get(month, [])]
    if files:
        known = pl.scan_parquet(files, hive_partitioning=False).select("audit_id").collect(engine="streaming")
        rows = rows.join(known, on="audit_id", how="anti")
    write(rows.sort("created_on", "audit_id"), out)


if __name__ == "__main__":
    shared.main({"full": full, "lean": lean, "increment": increment})
