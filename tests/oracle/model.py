"""Checks with DuckDB that report folders are a model: every key joins, is there once, and the calendar has no hole.

    model.py FOLDER…        a line per folder with the keys that joined; exit code 1 when anything is wrong
"""

import sys
from pathlib import Path

import duckdb

# Report, its columns, dimension, the key there. A null key refers to nobody.
JOINS = [
    *[(report, ["environment"], "dim_environment", ["environment"])
      for report in ("sessions", "clients", "gaps", "coverage", "users", "activity", "control", "dim_user")],
    ("sessions", ["environment", "actor_id"], "dim_user", ["environment", "actor_id"]),
    ("users", ["environment", "actor_id"], "dim_user", ["environment", "actor_id"]),
    ("gaps", ["environment", "stopped_by_id"], "dim_user", ["environment", "actor_id"]),
    ("gaps", ["environment", "started_by_id"], "dim_user", ["environment", "actor_id"]),
    ("control", ["environment", "user_id"], "dim_user", ["environment", "actor_id"]),
    ("sessions", ["client"], "dim_client", ["client"]),
    ("clients", ["client"], "dim_client", ["client"]),
    ("activity", ["client"], "dim_client", ["client"]),
    ("control", ["action"], "dim_action", ["action"]),
    ("dim_client", ["action"], "dim_action", ["action"]),
    ("sessions", ["started_date"], "dim_date", ["date"]),
    ("clients", ["period_start"], "dim_date", ["date"]),
    ("coverage", ["date"], "dim_date", ["date"]),
]

# What must hold of every row; the query counts rows of which it does not.
RULES = {
    "dim_date has holes": "SELECT count(*) FROM (SELECT date - lag(date) OVER (ORDER BY date) AS step FROM dim_date)"
                          " WHERE step <> 1",
    "dim_date is not of whole years": "SELECT count(*) FROM (SELECT year, count(*) AS days, min(date) AS first FROM dim_date"
                                      " GROUP BY year) WHERE first <> make_date(year, 1, 1)"
                                      " OR days <> make_date(year + 1, 1, 1) - make_date(year, 1, 1)",
    "dim_date says something else than DuckDB": "SELECT count(*) FROM dim_date WHERE year <> year(date)"
        " OR quarter <> quarter(date) OR month <> month(date) OR month_name <> monthname(date)"
        " OR month_start <> date_trunc('month', date) OR year_month <> strftime(date, '%Y-%m') OR day <> day(date)"
        " OR iso_year <> isoyear(date) OR iso_week <> week(date) OR week_start <> date_trunc('week', date)"
        " OR weekday <> isodow(date) OR weekday_name <> dayname(date) OR is_weekend <> (isodow(date) > 5)",
    "dim_user names another kind or name than users": "SELECT count(*) FROM users JOIN dim_user AS d USING (environment, actor_id)"
        " WHERE users.kind <> d.kind OR users.actor_name IS DISTINCT FROM d.actor_name",
    "dim_action names another action than control": "SELECT count(*) FROM control JOIN dim_action AS d USING (action)"
        " WHERE control.action_name <> d.action_name OR control.meaning <> d.meaning OR d.kind <> 'control'",
}


def check(folder):
    db = duckdb.connect()
    for file in Path(folder).glob("*.parquet"):
        db.execute(f"CREATE VIEW {file.stem} AS FROM read_parquet('{str(file).replace(chr(39), chr(39) * 2)}')")
    count = lambda query: db.execute(query).fetchone()[0]
    faults, joined = [], {}
    for report, columns, dimension, key in JOINS:
        same = " AND ".join(f"r.{column} = d.{of}" for column, of in zip(columns, key))
        asks = " AND ".join(f"r.{column} IS NOT NULL" for column in columns)
        orphans = count(f"SELECT count(*) FROM {report} AS r ANTI JOIN {dimension} AS d ON {same} WHERE {asks}")
        if orphans:
            faults.append(f"{orphans} rows of {report} have no {dimension} by {', '.join(columns)}")
        joined[dimension] = joined.get(dimension, 0) + count(f"SELECT count(*) FROM {report} AS r WHERE {asks}")
        doubles = count(f"SELECT count(*) - count(DISTINCT ({', '.join(key)})) FROM {dimension}")
        if doubles:
            faults.append(f"{doubles} rows of {dimension} repeat a key")
    for fault, query in RULES.items():
        rows = count(query)
        if rows:
            faults.append(f"{fault}: {rows}")
    for fault in faults:
        print(f"WRONG {folder}: {fault}")
    print(", ".join(f"{dimension} {rows}" for dimension, rows in joined.items()))
    return len(faults)


if __name__ == "__main__":
    sys.exit(1 if sum([check(folder) for folder in sys.argv[1:]]) else 0)
