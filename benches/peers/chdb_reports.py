"""Reports from a lake by ClickHouse (chdb), as fast as we know how.

    chdb_reports.py sessions|clients|gaps|coverage|users|activity LAKE OUT.parquet

Sessions: window functions are ClickHouse's slow way; its arrays are the fast one. One hash aggregation collects the accesses
of each actor, which are sorted as an array, arraySplit cuts them where the pause is too long, and ARRAY JOIN makes a row of
each part. Ids are read as LowCardinality, so that each is hashed once for a block's dictionary.
"""

import json
import os

from chdb.session import Session

import shared
from chdb_ingest import text

TYPES = {"text": "Nullable(String)", "time": "Nullable(DateTime64(6, 'UTC'))", "int64": "Nullable(Int64)"}
SETTINGS = """SETTINGS output_format_parquet_compression_method = 'zstd', output_format_compression_level = 1,
    output_format_parquet_string_as_string = 1, join_use_nulls = 1"""


def parquet(pattern, structure):
    return f"file({text(pattern)}, Parquet, {text(structure)})"


def by_month(folder, kind, files):
    """A pattern for the months of some files of a kind (or `*`)."""
    months = sorted({file.split("/month=")[1][:7] for file in files})
    chosen = months[0] if len(months) == 1 else "{" + ",".join(months) + "}"
    return f"{folder}/audit/environment=*/kind={kind}/month={chosen}/*.parquet"


class Lake:
    """A lake with its access rows as a query, its window and its intervals (microseconds)."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.db = Session()
        structure = "created_on DateTime64(6, 'UTC'), actor_id LowCardinality(Nullable(String)), action Int32"
        rows = parquet(shared.access_files(self.folder), structure)
        self.access = f"(SELECT toUnixTimestamp64Micro(created_on) AS us, actor_id, action = 64 AS web FROM {rows})"

    def rows(self, sql):
        return [tuple(json.loads(line)) for line in str(self.db.query(sql, "JSONCompactEachRow")).splitlines()]

    def window(self):
        edge = parquet(by_month(self.folder, "*", shared.edge_files(self.folder)), "created_on DateTime64(6, 'UTC')")
        us = "toUnixTimestamp64Micro"
        return self.rows(f"SELECT {us}(min(created_on)), {us}(max(created_on)) FROM {edge}")[0]

    def interval(self):
        structure = "user_access_auditing_interval_h Nullable(Int32), exported_on DateTime64(6, 'UTC')"
        files = parquet(f"{self.folder}/organizations/*.parquet", structure)
        rows = self.rows(f"SELECT user_access_auditing_interval_h FROM {files} ORDER BY exported_on DESC LIMIT 1")
        return (rows[0][0] if rows and rows[0][0] is not None else 4) * 3_600_000_000

    def gaps(self, log_start, log_end):
        structure = "created_on DateTime64(6, 'UTC'), audit_id String, action Int32, object_id Nullable(String)"
        structure += ", user_id Nullable(String)"
        switches = self.rows(
            "SELECT toUnixTimestamp64Micro(created_on), audit_id, action, object_id, user_id"
            f" FROM {parquet(shared.control_files(self.folder), structure)}"
        )
        newest = lambda us: self.rows(f"SELECT maxOrNull(us) FROM {self.access} WHERE us <= {us}")[0][0]
        return shared.gaps(switches, log_start, log_end, newest)

    def names(self):
        """A query for the newest name of each id."""
        names = parquet(f"{self.folder}/names/*.parquet", "id String, name Nullable(String), seen_on DateTime64(6, 'UTC')")
        users = parquet(
            f"{self.folder}/users/*.parquet", "user_id String, full_name Nullable(String), exported_on DateTime64(6, 'UTC')"
        )
        return f"""(
            SELECT id, argMax(name, (seen_on, is_state, name)) AS newest_name
            FROM (
                SELECT id, name, seen_on, 0 AS is_state FROM {names}
                UNION ALL SELECT user_id, full_name, exported_on, 1 FROM {users}
            )
            WHERE isNotNull(name) GROUP BY id)"""

    def by_actor(self):
        """A query for the sorted accesses of each actor as an array of (us, web)."""
        return f"""(
            SELECT assumeNotNull(actor_id) AS actor_id, arraySort(groupArray((us, web))) AS seen
            FROM {self.access} WHERE isNotNull(actor_id) GROUP BY actor_id)"""

    def sessions(self, session_gap):
        """A query for actor_id, started_us, seen_us, accesses, web of each session."""
        return f"""(
            SELECT actor_id, part[1].1 AS started_us, part[-1].1 AS seen_us, toInt64(length(part)) AS accesses,
                toInt64(arrayCount(row -> row.2, part)) AS web
            FROM {self.by_actor()}
            ARRAY JOIN arraySplit((row, pause) -> pause > {session_gap}, seen, arrayDifference(seen.1)) AS part)"""

    def write(self, query, out):
        self.db.query(f"INSERT INTO FUNCTION file({text(os.path.abspath(out))}, Parquet) {query} {SETTINGS}")


def instant(us):
    return f"fromUnixTimestamp64Micro({us}, 'UTC')"


def date(us):
    return f"toDate32(intDiv({us}, {shared.DAY}))"


def any_of(conditions):
    return " OR ".join(conditions) or "false"


def sessions(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    interval = lake.interval()
    session_gap = interval * 3 // 2
    effective = shared.effective(lake.gaps(log_start, log_end))
    # Gaps are few, so each is a term of an expression over all sessions.
    before = any_of(f"started_us >= {end} AND started_us < {end + session_gap}" for *_, end in effective if end is not None)
    after = any_of(f"seen_us <= {start} AND seen_us > {start - interval}" for start, *_ in effective)
    dark = " + ".join(f"greatest(0, least({end}, seen_us) - greatest({start}, started_us))" for start, end, _ in effective)
    lake.write(f"""
        SELECT '{shared.ENVIRONMENT}' AS environment, actor_id, newest_name AS actor_name,
            {instant("started_us")} AS started_on, {instant("seen_us")} AS last_seen_on, {date("started_us")} AS started_date,
            intDiv(seen_us - started_us, 1000000) AS duration_min_s,
            if(isNull(end_censored), intDiv(seen_us + {interval} - started_us, 1000000), NULL) AS duration_max_s,
            accesses, web AS web_accesses, accesses - web AS web_services_accesses,
            multiIf(web = accesses, 'web', web = 0, 'web_services', 'mixed') AS client,
            multiIf({before}, 'audit_gap', started_us < {log_start + session_gap}, 'log_start', NULL) AS start_censored,
            multiIf({after}, 'audit_gap', seen_us > {log_end - interval}, 'log_end', NULL) AS end_censored,
            toInt64(intDiv({dark or 0}, 1000000)) AS audit_gap_s
        FROM {lake.sessions(session_gap)} AS session LEFT JOIN {lake.names()} AS names ON id = actor_id
        ORDER BY actor_id, started_us""", out)


def clients(folder, out):
    lake = Lake(folder)
    log_start, _ = lake.window()
    lake.db.query(f"""
        CREATE TABLE event ENGINE = Memory AS
        SELECT {date("us")} AS day, web, actor_id, toInt64(count()) AS accesses, 0::Int64 AS sessions
        FROM {lake.access} GROUP BY day, web, actor_id
        UNION ALL
        SELECT {date("started_us")} AS day, by_web, NULL, 0, toInt64(count())
        FROM {lake.sessions(lake.interval() * 3 // 2)}
        ARRAY JOIN arrayConcat(if(web > 0, [true], []), if(web < accesses, [false], [])) AS by_web
        GROUP BY day, by_web""")
    grains = {"all": date(log_start), "day": "day", "month": "toStartOfMonth(day)", "week": "toMonday(day)"}
    counted = " UNION ALL ".join(
        f"SELECT '{grain}' AS grain, toDate32({start}) AS period_start, web, sum(accesses) AS accesses,"
        " toInt64(uniqExact(actor_id)) AS actors, sum(sessions) AS sessions FROM event GROUP BY period_start, web"
        for grain, start in grains.items()
    )
    lake.write(f"""
        SELECT '{shared.ENVIRONMENT}' AS environment, grain, period_start, if(web, 'web', 'web_services') AS client,
            accesses, actors, sessions, accesses / sum(accesses) OVER (PARTITION BY grain, period_start) AS share
        FROM ({counted}) ORDER BY grain, period_start, client""", out)


def activity(folder, out):
    lake = Lake(folder)
    # 1970-01-01 was a Thursday, three days after a Monday.
    lake.write(f"""
        SELECT '{shared.ENVIRONMENT}' AS environment, toInt32((intDiv(us, {shared.DAY}) + 3) % 7 + 1) AS weekday,
            toInt32(intDiv(us % {shared.DAY}, 3600000000)) AS hour, if(web, 'web', 'web_services') AS client,
            toInt64(count()) AS accesses, toInt64(uniqExact(actor_id)) AS actors
        FROM {lake.access} GROUP BY weekday, hour, client ORDER BY weekday, hour, client""", out)


def coverage(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    days = shared.covered_days(log_start, log_end, shared.effective(lake.gaps(log_start, log_end)))
    lake.write(f"""
        SELECT '{shared.ENVIRONMENT}' AS environment, toDate32(day) AS date, audited_s, gap_s, coverage,
            coalesce(accesses, 0) AS accesses, coalesce(actors, 0) AS actors
        FROM values('day Int64, audited_s Int64, gap_s Int64, coverage Nullable(Float64)', {shared.tuples(days)}) AS covered
        LEFT JOIN (
            SELECT intDiv(us, {shared.DAY}) AS day, toInt64(count()) AS accesses, toInt64(uniqExact(actor_id)) AS actors
            FROM {lake.access} GROUP BY day
        ) AS used USING (day)
        ORDER BY day""", out)


def users(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    effective = shared.effective(lake.gaps(log_start, log_end))
    since, share = shared.recent(log_start, log_end, effective)
    session_gap = lake.interval() * 3 // 2
    dark = " + ".join(f"greatest(0, {end} - greatest({start}, last_us))" for start, end, _ in effective) or "0"
    structure = "user_id String, is_disabled Nullable(Bool), deleted_in_source Nullable(Bool)"
    structure += ", application_id Nullable(String), access_mode Nullable(Int32)"
    known = parquet(f"{lake.folder}/users/*.parquet", structure)
    silent = "if(accesses > 0, 'inactive', 'never_seen')" if share >= 0.9 else "'unknown'"
    lake.write(f"""
        WITH everybody AS (
            SELECT coalesce(known.user_id, seen.actor_id) AS actor_id, known.kind AS kind, seen.* EXCEPT (actor_id, at)
            FROM (
                SELECT assumeNotNull(actor_id)::String AS actor_id, min(us) AS first_us, max(us) AS last_us,
                    maxIfOrNull(us, web) AS web_us, maxIfOrNull(us, NOT web) AS services_us,
                    toInt64(count()) AS accesses, toInt64(countIf(web)) AS by_web,
                    toInt64(uniqExact(intDiv(us, {shared.DAY}))) AS active_days,
                    arraySort(groupArray(us)) AS at,
                    toInt64(1 + arrayCount(pause -> pause > {session_gap}, arrayDifference(at))) AS sessions
                FROM {lake.access} WHERE isNotNull(actor_id) GROUP BY actor_id
            ) AS seen
            FULL JOIN (
                SELECT user_id, multiIf(is_disabled OR deleted_in_source, 'disabled', isNotNull(application_id), 'application',
                    access_mode = 4, 'non_interactive', 'person') AS kind
                FROM {known}
            ) AS known ON known.user_id = seen.actor_id
        )
        SELECT '{shared.ENVIRONMENT}' AS environment, actor_id, newest_name AS actor_name, coalesce(kind, 'unknown') AS kind,
            {instant("first_us")} AS first_access_on, {instant("last_us")} AS last_access_on,
            {instant("web_us")} AS last_web_on, {instant("services_us")} AS last_web_services_on,
            coalesce(accesses, 0) AS accesses, coalesce(by_web, 0) AS web_accesses,
            coalesce(everybody.accesses - by_web, 0) AS web_services_accesses,
            coalesce(everybody.sessions, 0) AS sessions, coalesce(everybody.active_days, 0) AS active_days,
            multiIf(by_web = everybody.accesses, 'web_only', by_web = 0, 'web_services_only', everybody.accesses > 0, 'both',
                NULL) AS client_usage,
            intDiv({log_end} - last_us, {shared.DAY}) AS days_since_last_access,
            if(last_us < {log_end}, ({log_end} - last_us - ({dark})) / ({log_end} - last_us), NULL) AS coverage_since_last,
            multiIf(last_us >= {since}, 'active', {silent.replace("accesses", "everybody.accesses")}) AS status
        FROM everybody LEFT JOIN {lake.names()} AS names ON names.id = everybody.actor_id
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
    structure = "created_on DateTime64(6, 'UTC'), kind LowCardinality(String), actor_id LowCardinality(Nullable(String))"
    for start, end in spans:
        rows = parquet(by_month(lake.folder, "*", shared.files_between(folder, "*", start, end)), structure)
        inside.append(f"""
            SELECT {start}, {end}, countIf(kind = 'access'), countIf(kind = 'change')
            FROM {rows} WHERE created_on > {moment(start)} AND created_on < {moment(end)}""")
        # A session ends at an access that its actor follows by none within the session gap.
        first, last = start - interval, start + session_gap
        rows = parquet(by_month(lake.folder, "access", shared.files_between(folder, "access", first, last)), structure)
        before.append(f"""
            SELECT {start}, {end}, countIf(seen[1] < {start}),
                sum(arrayCount((us, next) -> us > {first} AND us <= {start} AND next - us > {session_gap},
                    seen, arrayPushBack(arrayPopFront(seen), {2 ** 62})))
            FROM (
                SELECT arraySort(groupArray(toUnixTimestamp64Micro(created_on))) AS seen
                FROM {rows} WHERE created_on >= {moment(first)} AND created_on <= {moment(last)} AND isNotNull(actor_id)
                GROUP BY actor_id
            )""")
    inside, before = (lake.rows(" UNION ALL ".join(parts)) if parts else [] for parts in (inside, before))
    inside, before = ({row[:2]: row[2:] for row in rows} for rows in (inside, before))
    counts = {span: inside.get(span, (0, 0)) + before.get(span, (0, 0)) for span in spans}
    ids = sorted({g[who] for g in found for who in ("stopped_by_id", "started_by_id") if g[who]})
    names = dict(lake.rows(f"SELECT id, newest_name FROM {lake.names()} WHERE id IN ({', '.join(map(text, ids)) or 'NULL'})"))
    rows = [", ".join(map(literal, row)) for row in shared.gap_rows(found, names, counts)]
    structure = ", ".join(f"{name} {TYPES['int64' if kind == 'time' else kind]}" for name, kind in shared.GAP_COLUMNS.items())
    shown = ", ".join(f"{instant(name)} AS {name}" if kind == "time" else name for name, kind in shared.GAP_COLUMNS.items())
    lake.write(f"SELECT {shown} FROM values({text(structure)}, {', '.join(f'({row})' for row in rows)})", out)


def literal(value):
    return "NULL" if value is None else text(value) if isinstance(value, str) else str(value)


def moment(us):
    return f"toDateTime64('{shared.instant(us)}', 6, 'UTC')"


if __name__ == "__main__":
    jobs = {"sessions": sessions, "clients": clients, "gaps": gaps, "coverage": coverage, "users": users, "activity": activity}
    shared.main(jobs)
