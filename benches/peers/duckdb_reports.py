"""Reports from a lake by DuckDB, as fast as we know how.

    duckdb_reports.py sessions|clients|gaps|coverage|users|activity LAKE OUT.parquet
    duckdb_reports.py sql REPORT LAKE OUT.parquet      the text of queries/REPORT.sql as it stands: readable, not fast

Sessions: actors become dense integers in the order of their ids, accesses are sorted once by (actor, time), and windows with
an empty OVER walk the sorted table without sorting or hashing again (they keep its order: order preservation, in the manual).
A session's length and counts are differences between its first row and that of the next one.
"""

import re
from pathlib import Path

import duckdb

import shared
from duckdb_ingest import PARQUET, text

TYPES = {"text": "VARCHAR", "time": "TIMESTAMPTZ", "int64": "BIGINT"}


class Lake:
    """A lake with its access rows as the view `access`, its window and its intervals (microseconds)."""

    def __init__(self, folder):
        self.folder = folder
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
        access = f"read_parquet({text(shared.access_files(folder))}, hive_partitioning = false)"
        self.db.execute(f"CREATE VIEW access AS SELECT epoch_us(created_on) AS us, actor_id, action FROM {access}")

    def value(self, sql, *parameters):
        return self.db.execute(sql, parameters).fetchone()[0]

    def window(self):
        edge = "SELECT epoch_us(min(created_on)), epoch_us(max(created_on)) FROM read_parquet(?, hive_partitioning = false)"
        return self.db.execute(edge, [shared.edge_files(self.folder)]).fetchone()

    def interval(self):
        hours = self.db.execute(
            f"SELECT user_access_auditing_interval_h FROM '{self.folder}/organizations/*.parquet'"
            " ORDER BY exported_on DESC LIMIT 1"
        ).fetchone()
        return (hours[0] if hours and hours[0] is not None else 4) * 3_600_000_000

    def gaps(self, log_start, log_end):
        switches = self.db.execute(
            "SELECT epoch_us(created_on), audit_id, action, object_id, user_id"
            f" FROM read_parquet({text(shared.control_files(self.folder))}, hive_partitioning = false)"
        ).fetchall()
        newest = lambda us: self.value("SELECT max(us) FROM access WHERE us <= ?", us)
        return shared.gaps(switches, log_start, log_end, newest)

    def spans(self, name, spans):
        """A table of (start_us, end_us, …) of integers."""
        columns = ["start_us", "end_us", "ended_us"][: len(spans[0]) if spans else 3]
        self.db.execute(f"CREATE TABLE {name} ({', '.join(f'{column} BIGINT' for column in columns)})")
        if spans:
            self.db.execute(f"INSERT INTO {name} VALUES {shared.tuples(spans)}")

    def names(self):
        """The newest name of each id, as the table `newest_name`."""
        self.db.execute(f"""
            CREATE TABLE newest_name AS
            SELECT id, arg_max(name, row(seen_on, is_state, name)) AS name
            FROM (
                SELECT id, name, seen_on, 0 AS is_state FROM '{self.folder}/names/*.parquet'
                UNION ALL SELECT user_id, full_name, exported_on, 1 FROM '{self.folder}/users/*.parquet'
            )
            WHERE name IS NOT NULL GROUP BY id""")

    def sessions(self, session_gap):
        """The table `session`: nr (of the table `actor`), started_us, seen_us, accesses, web; sorted."""
        self.db.execute("""
            CREATE TABLE actor AS
            SELECT actor_id, CAST(row_number() OVER (ORDER BY actor_id) AS INTEGER) AS nr
            FROM (SELECT DISTINCT actor_id FROM access WHERE actor_id IS NOT NULL)""")
        self.db.execute("""
            CREATE TABLE sorted AS
            SELECT nr, us, CAST(action = 64 AS INTEGER) AS web FROM access JOIN actor USING (actor_id) ORDER BY nr, us""")
        rows, web, last = self.db.execute("SELECT count(*), sum(web), arg_max(us, rowid) FROM sorted").fetchone()
        self.db.execute(f"""
            CREATE TABLE session AS
            WITH stepped AS (
                SELECT nr, us, lag(nr) OVER () AS nr_before, lag(us) OVER () AS us_before, row_number() OVER () AS place,
                    sum(web) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - web AS web_before
                FROM sorted
            ),
            first_row AS (
                SELECT * FROM stepped WHERE nr_before IS DISTINCT FROM nr OR us - us_before > {session_gap}
            )
            SELECT nr, us AS started_us,
                coalesce(lead(us_before) OVER (), {last or 0}) AS seen_us,
                coalesce(lead(place) OVER (), {rows + 1}) - place AS accesses,
                CAST(coalesce(lead(web_before) OVER (), {web or 0}) - web_before AS BIGINT) AS web
            FROM first_row""")

    def write(self, query, out):
        self.db.execute(f"COPY ({query}) TO {text(out)} {PARQUET}")


def sessions(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    interval = lake.interval()
    session_gap = interval * 3 // 2
    lake.names()
    lake.spans("gap", shared.effective(lake.gaps(log_start, log_end)))
    lake.sessions(session_gap)
    # Few sessions are near a gap; what it does to them.
    lake.db.execute(f"""
        CREATE TABLE cut AS
        SELECT nr, started_us,
            bool_or(ended_us > started_us - {session_gap} AND ended_us <= started_us) AS before,
            bool_or(start_us >= seen_us AND start_us < seen_us + {interval}) AS after,
            CAST(sum(greatest(0, least(end_us, seen_us) - greatest(start_us, started_us))) AS BIGINT) AS dark_us
        FROM session JOIN gap ON end_us >= started_us - {session_gap} AND start_us <= seen_us + {interval}
        GROUP BY nr, started_us""")
    lake.write(f"""
        WITH judged AS (
            SELECT session.*, actor_id, name, dark_us,
                CASE WHEN before THEN 'audit_gap' WHEN started_us < {log_start + session_gap} THEN 'log_start' END
                    AS cut_before,
                CASE WHEN after THEN 'audit_gap' WHEN seen_us > {log_end - interval} THEN 'log_end' END AS cut_after
            FROM session JOIN actor USING (nr) LEFT JOIN newest_name ON id = actor_id LEFT JOIN cut USING (nr, started_us)
        )
        SELECT '{shared.ENVIRONMENT}' AS environment, actor_id, name AS actor_name,
            make_timestamptz(started_us) AS started_on, make_timestamptz(seen_us) AS last_seen_on,
            CAST(make_timestamp(started_us) AS DATE) AS started_date,
            (seen_us - started_us) // 1000000 AS duration_min_s,
            CASE WHEN cut_after IS NULL THEN (seen_us + {interval} - started_us) // 1000000 END AS duration_max_s,
            accesses, web AS web_accesses, accesses - web AS web_services_accesses,
            CASE web WHEN accesses THEN 'web' WHEN 0 THEN 'web_services' ELSE 'mixed' END AS client,
            cut_before AS start_censored, cut_after AS end_censored, coalesce(dark_us // 1000000, 0) AS audit_gap_s
        FROM judged ORDER BY nr, started_us""", out)


def clients(folder, out):
    lake = Lake(folder)
    log_start, _ = lake.window()
    lake.sessions(lake.interval() * 3 // 2)
    grains = {
        "day": "day", "week": "CAST(date_trunc('week', day) AS DATE)", "month": "CAST(date_trunc('month', day) AS DATE)",
        "all": f"CAST(make_timestamp({log_start}) AS DATE)",
    }
    counted = " UNION ALL ".join(
        f"SELECT '{grain}' AS grain, {start} AS period_start, web, CAST(sum(accesses) AS BIGINT) AS accesses,"
        " count(DISTINCT actor_id) AS actors, CAST(sum(sessions) AS BIGINT) AS sessions FROM event GROUP BY ALL"
        for grain, start in grains.items()
    )
    lake.write(f"""
        WITH access_day AS (
            SELECT CAST(make_timestamp(us) AS DATE) AS day, action = 64 AS web, actor_id, count(*) AS accesses
            FROM access GROUP BY ALL
        ),
        session_day AS (
            SELECT CAST(make_timestamp(started_us) AS DATE) AS day, count(*) FILTER (web > 0) AS by_web,
                count(*) FILTER (web < accesses) AS by_services
            FROM session GROUP BY day
        ),
        event AS (
            SELECT day, web, actor_id, accesses, 0 AS sessions FROM access_day
            UNION ALL SELECT day, true, NULL, 0, by_web FROM session_day WHERE by_web > 0
            UNION ALL SELECT day, false, NULL, 0, by_services FROM session_day WHERE by_services > 0
        ),
        counted AS ({counted})
        SELECT '{shared.ENVIRONMENT}' AS environment, grain, period_start, if(web, 'web', 'web_services') AS client,
            accesses, actors, sessions,
            accesses / CAST(sum(accesses) OVER (PARTITION BY grain, period_start) AS DOUBLE) AS share
        FROM counted ORDER BY grain, period_start, client""", out)


def activity(folder, out):
    Lake(folder).write(f"""
        SELECT '{shared.ENVIRONMENT}' AS environment,
            -- 1970-01-01 was a Thursday, three days after a Monday.
            CAST((us // {shared.DAY} + 3) % 7 + 1 AS INTEGER) AS weekday,
            CAST(us % {shared.DAY} // 3600000000 AS INTEGER) AS hour,
            if(action = 64, 'web', 'web_services') AS client, count(*) AS accesses, count(DISTINCT actor_id) AS actors
        FROM access GROUP BY ALL ORDER BY weekday, hour, client""", out)


def coverage(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    days = shared.covered_days(log_start, log_end, shared.effective(lake.gaps(log_start, log_end)))
    lake.db.execute("CREATE TABLE covered (day BIGINT, audited_s BIGINT, gap_s BIGINT, coverage DOUBLE)")
    lake.db.execute(f"INSERT INTO covered VALUES {shared.tuples(days)}")
    lake.write(f"""
        SELECT '{shared.ENVIRONMENT}' AS environment, DATE '1970-01-01' + CAST(day AS INTEGER) AS date, audited_s, gap_s,
            coverage, coalesce(accesses, 0) AS accesses, coalesce(actors, 0) AS actors
        FROM covered LEFT JOIN (
            SELECT us // {shared.DAY} AS day, count(*) AS accesses, count(DISTINCT actor_id) AS actors FROM access GROUP BY day
        ) USING (day)
        ORDER BY day""", out)


def users(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    effective = shared.effective(lake.gaps(log_start, log_end))
    since, share = shared.recent(log_start, log_end, effective)
    lake.names()
    lake.spans("gap", effective)
    lake.sessions(lake.interval() * 3 // 2)
    lake.write(f"""
        WITH started AS (SELECT nr, count(*) AS sessions FROM session GROUP BY nr),
        seen AS (
            SELECT nr, min(us) AS first_us, max(us) AS last_us, max(us) FILTER (web = 1) AS web_us,
                max(us) FILTER (web = 0) AS services_us, count(*) AS accesses, count(*) FILTER (web = 1) AS web_accesses
            FROM sorted GROUP BY nr
        ),
        -- The table is sorted by actor and time, so a day is new where it differs from the row before.
        active AS (
            SELECT nr, count(*) AS active_days
            FROM (
                SELECT nr, us // {shared.DAY} AS day, lag(nr) OVER () AS nr_before,
                    lag(us) OVER () // {shared.DAY} AS day_before
                FROM sorted
            )
            WHERE nr IS DISTINCT FROM nr_before OR day <> day_before
            GROUP BY nr
        ),
        dark AS (
            SELECT nr, sum(end_us - greatest(start_us, last_us)) AS dark_us FROM seen JOIN gap ON end_us > last_us GROUP BY nr
        ),
        known AS (
            SELECT user_id AS actor_id, CASE WHEN is_disabled OR deleted_in_source THEN 'disabled'
                WHEN application_id IS NOT NULL THEN 'application' WHEN access_mode = 4 THEN 'non_interactive'
                ELSE 'person' END AS kind
            FROM '{folder}/users/*.parquet'
        ),
        everybody AS (
            SELECT coalesce(actor.actor_id, known.actor_id) AS actor_id, nr, kind FROM actor FULL JOIN known USING (actor_id)
        )
        SELECT '{shared.ENVIRONMENT}' AS environment, actor_id, name AS actor_name, coalesce(kind, 'unknown') AS kind,
            make_timestamptz(first_us) AS first_access_on, make_timestamptz(last_us) AS last_access_on,
            make_timestamptz(web_us) AS last_web_on, make_timestamptz(services_us) AS last_web_services_on,
            coalesce(accesses, 0) AS accesses, coalesce(web_accesses, 0) AS web_accesses,
            coalesce(accesses - web_accesses, 0) AS web_services_accesses,
            coalesce(sessions, 0) AS sessions, coalesce(active_days, 0) AS active_days,
            CASE WHEN web_accesses = accesses THEN 'web_only' WHEN web_accesses = 0 THEN 'web_services_only'
                WHEN accesses > 0 THEN 'both' END AS client_usage,
            ({log_end} - last_us) // {shared.DAY} AS days_since_last_access,
            CASE WHEN last_us < {log_end} THEN CAST({log_end} - last_us - coalesce(dark_us, 0) AS DOUBLE)
                / CAST({log_end} - last_us AS DOUBLE) END AS coverage_since_last,
            CASE WHEN last_us >= {since} THEN 'active' WHEN {share!r} >= 0.9 THEN if(accesses > 0, 'inactive', 'never_seen')
                ELSE 'unknown' END AS status
        FROM everybody LEFT JOIN seen USING (nr) LEFT JOIN started USING (nr) LEFT JOIN active USING (nr)
            LEFT JOIN dark USING (nr) LEFT JOIN newest_name ON id = actor_id
        ORDER BY actor_id""", out)


def gaps(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    interval = lake.interval()
    session_gap = interval * 3 // 2
    found = lake.gaps(log_start, log_end)
    spans = sorted({(g["start_us"], g["end_us"]) for g in found})
    inside, before = [], []
    # Windows are few and mostly short: each reads only the months, and in them the row groups, that it needs.
    for start, end in spans:
        inside.append(f"""
            SELECT {start}, {end}, count(*) FILTER (kind = 'access'), count(*) FILTER (kind = 'change')
            FROM {between(folder, "*", start, end)}
            WHERE created_on > TIMESTAMPTZ '{shared.instant(start)}' AND created_on < TIMESTAMPTZ '{shared.instant(end)}'""")
        # A session ends at an access that its actor follows by none within the session gap.
        first, last = start - interval, start + session_gap
        before.append(f"""
            SELECT {start}, {end}, count(DISTINCT actor_id) FILTER (us < {start}),
                count(*) FILTER (us > {first} AND us <= {start} AND (next_us IS NULL OR next_us - us > {session_gap}))
            FROM (
                SELECT epoch_us(created_on) AS us, actor_id, lead(us) OVER (PARTITION BY actor_id ORDER BY us) AS next_us
                FROM {between(folder, "access", first, last)}
                WHERE created_on >= TIMESTAMPTZ '{shared.instant(first)}' AND created_on <= TIMESTAMPTZ '{shared.instant(last)}'
                    AND actor_id IS NOT NULL
            )""")
    inside, before = (lake.db.execute(" UNION ALL ".join(parts)).fetchall() if parts else [] for parts in (inside, before))
    inside, before = ({row[:2]: row[2:] for row in rows} for rows in (inside, before))
    counts = {span: inside.get(span, (0, 0)) + before.get(span, (0, 0)) for span in spans}
    lake.names()
    ids = [g[who] for g in found for who in ("stopped_by_id", "started_by_id")]
    names = dict(lake.db.execute("SELECT id, name FROM newest_name WHERE id IN (SELECT unnest(?))", [ids]).fetchall())
    lake.db.execute(f"CREATE TABLE result ({', '.join(f'{name} {TYPES[kind]}' for name, kind in shared.GAP_COLUMNS.items())})")
    for row in shared.gap_rows(found, names, counts):
        marks = ["make_timestamptz(?)" if kind == "time" else "?" for kind in shared.GAP_COLUMNS.values()]
        lake.db.execute(f"INSERT INTO result VALUES ({', '.join(marks)})", row)
    lake.write("FROM result", out)


def between(folder, kind, start, end):
    files = ", ".join(text(file) for file in shared.files_between(folder, kind, start, end))
    return f"read_parquet([{files}], hive_partitioning = false)"


def sql(report, folder, out):
    queries = Path(__file__).resolve().parents[2] / "queries"
    query = (queries / f"{report}.sql").read_text(encoding="utf-8")
    db = duckdb.connect()
    db.execute((queries / "prelude.duckdb.sql").read_text(encoding="utf-8").replace("{lake}", folder))
    parameters = {name: "UTC" if name == "tz" else None for name in re.findall(r"\$(\w+)", query)}
    # Where changes are no evidence, the report does not count them.
    columns = "* EXCLUDE (changes)" if report == "sessions" else "*"
    db.execute(f"COPY (SELECT {columns} FROM ({query})) TO {text(out)} {PARQUET}", parameters)


if __name__ == "__main__":
    jobs = {"sessions": sessions, "clients": clients, "gaps": gaps, "coverage": coverage, "users": users, "activity": activity}
    shared.main(jobs | {"sql": sql})
