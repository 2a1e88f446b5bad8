"""Reads the rows of a lake in a loop, as anybody with DuckDB would, until standard input is closed.

    readers.py LAKE

Each reading is a line of JSON: when it began and ended (nanoseconds since 1970), and rows, distinct ids and the sum of
all instants (microseconds); or, when a file it had listed was gone at the time it was to be opened, the error.
"""

import json
import sys
import threading
import time

import duckdb

READING = """
    SELECT count(*), count(DISTINCT audit_id), sum(epoch_us(created_on))::BIGINT
    FROM read_parquet(?, hive_partitioning = false)
"""


def main(lake):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    db = duckdb.connect()
    db.execute("SET threads = 1")
    while not ended.is_set():
        reading = {"begun": time.time_ns()}
        try:
            found = db.execute(READING, [f"{lake}/audit/**/*.parquet"]).fetchone()
            reading |= zip(["rows", "ids", "sum"], found)
        except duckdb.IOException as cause:
            reading["gone"] = str(cause)
        reading["ended"] = time.time_ns()
        print(json.dumps(reading), flush=True)


main(sys.argv[1])
