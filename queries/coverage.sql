-- coverage: how much of each local day was audited, and what was seen on it.
--
-- A day has no, one or two midnights and 23 to 25 hours, so no midnight is computed: the log window is cut into quarter
-- hours, and those that hold two dates into minutes. Seconds are floored per day; their sum is the day's part of the log.
-- A block from [shared: …] to [end] is the same text in every report that has it; a test keeps it so.

WITH
-- [shared: log]
-- The rows asked about; an environment without any does not exist.
logged AS (
  SELECT environment, kind, action, created_on, audit_id, actor_id, object_id, user_id
  FROM audit
  WHERE (CAST($environment AS STRING) IS NULL OR environment = CAST($environment AS STRING))
    AND (CAST($as_of AS TIMESTAMP) IS NULL OR created_on <= CAST($as_of AS TIMESTAMP))
),
log_window AS (
  SELECT environment, min(created_on) AS log_start, coalesce(CAST($as_of AS TIMESTAMP), max(created_on)) AS log_end
  FROM logged
  GROUP BY environment
),
-- [end]
-- [shared: gaps]
-- Control rows that stop or start auditing, by what they stop or start.
switch AS (
  SELECT environment, created_on, audit_id, user_id,
    CASE
      WHEN action IN (112, 113) THEN 'user_access'
      WHEN action IN (107, 110) THEN 'organization'
      WHEN action IN (105, 108) THEN 'table'
      ELSE 'column'
    END AS scope,
    CASE WHEN action IN (105, 106, 108, 109) THEN object_id END AS object_id,
    CASE WHEN action IN (108, 109, 110, 113) THEN 1 ELSE 0 END AS stops
  FROM logged
  WHERE kind = 'control' AND action IN (105, 106, 107, 108, 109, 110, 112, 113)
),
-- A turn is the Stopped rows since the last Started row, and the Started row that ends them: it has either or both.
-- Beyond (created_on, audit_id) the order only matters for rows without an id.
turned AS (
  SELECT switch.*,
    coalesce(sum(1 - stops) OVER (
      PARTITION BY environment, scope, object_id
      ORDER BY created_on, audit_id NULLS FIRST, stops, user_id NULLS FIRST
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS turn
  FROM switch
),
placed AS (
  SELECT turned.*,
    row_number() OVER (
      PARTITION BY environment, scope, object_id, turn
      ORDER BY created_on, audit_id NULLS FIRST, stops, user_id NULLS FIRST) AS place
  FROM turned
),
stop_and_start AS (
  SELECT environment, scope, object_id, turn,
    min(CASE WHEN stops = 1 THEN created_on END) AS started_on,
    max(CASE WHEN stops = 0 THEN created_on END) AS ended_on,
    max(CASE WHEN stops = 1 AND place = 1 THEN user_id END) AS stopped_by_id,
    max(CASE WHEN stops = 0 THEN user_id END) AS started_by_id,
    count(CASE WHEN stops = 1 THEN 1 END) AS stopped_rows
  FROM placed
  GROUP BY environment, scope, object_id, turn
),
-- The newest access at or before each Started row: one pass over both in time order, since comparing each with each
-- would be quadratic. The default frame lets an access at the same instant count.
access_or_start AS (
  SELECT environment, created_on AS instant, created_on AS access_on, 0 AS asked
  FROM logged
  WHERE kind = 'access'
  UNION ALL
  SELECT DISTINCT environment, ended_on AS instant, CAST(NULL AS TIMESTAMP) AS access_on, 1 AS asked
  FROM stop_and_start
  WHERE started_on IS NULL AND scope IN ('user_access', 'organization')
),
newest_access AS (
  SELECT environment, instant, access_on
  FROM (
    SELECT environment, instant, asked, max(access_on) OVER (PARTITION BY environment ORDER BY instant) AS access_on
    FROM access_or_start
  ) AS passed
  WHERE asked = 1
),
-- What is known about the time before a Started row without a Stopped row: the latest proof that auditing ran.
explained AS (
  SELECT s.environment, s.scope, s.object_id, s.started_on, s.ended_on, s.stopped_by_id, s.started_by_id,
    s.stopped_rows,
    lag(s.ended_on) OVER (PARTITION BY s.environment, s.scope, s.object_id ORDER BY s.turn) AS previous_start,
    CASE WHEN s.scope IN ('user_access', 'organization') THEN a.access_on END AS access_on
  FROM stop_and_start AS s
  LEFT JOIN newest_access AS a ON a.environment = s.environment AND a.instant = s.ended_on
),
bounded AS (
  SELECT e.environment, e.scope, e.object_id, e.started_on, e.ended_on, e.stopped_by_id, e.started_by_id,
    e.stopped_rows,
    w.log_end,
    CASE WHEN e.started_on IS NULL THEN coalesce(greatest(e.previous_start, e.access_on), w.log_start) END AS not_before
  FROM explained AS e
  JOIN log_window AS w ON w.environment = e.environment
),
gap AS (
  SELECT environment, scope, object_id, started_on, not_before, ended_on, stopped_by_id, started_by_id,
    CASE WHEN stopped_rows > 0 THEN stopped_rows - 1 ELSE 0 END AS repeated_stops,
    coalesce(started_on, not_before) AS window_start,
    coalesce(ended_on, log_end) AS window_end
  FROM bounded
  WHERE started_on IS NOT NULL OR not_before < ended_on
),
-- Nobody's access was watched while either scope was off: their windows, merged where they overlap or touch.
part AS (
  SELECT gap.*,
    CASE
      WHEN window_start <= max(window_end) OVER (
        PARTITION BY environment ORDER BY window_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0
      ELSE 1
    END AS begins
  FROM gap
  WHERE scope IN ('user_access', 'organization')
),
merging AS (
  SELECT part.*, sum(begins) OVER (PARTITION BY environment ORDER BY window_start) AS effective_number
  FROM part
),
merged AS (
  SELECT environment, effective_number,
    min(window_start) AS window_start,
    max(window_end) AS window_end,
    min(started_on) AS first_started_on,
    count(CASE WHEN ended_on IS NULL THEN 1 END) AS open_parts,
    CASE WHEN min(scope) = max(scope) THEN min(scope) ELSE 'organization+user_access' END AS causes
  FROM merging
  GROUP BY environment, effective_number
),
effective AS (
  SELECT environment, causes, window_start, window_end,
    CASE WHEN first_started_on = window_start THEN window_start END AS started_on,
    CASE WHEN first_started_on = window_start THEN NULL ELSE window_start END AS not_before,
    CASE WHEN open_parts = 0 THEN window_end END AS ended_on
  FROM merged
),
-- [end]
log_us AS (
  SELECT environment, unix_micros(log_start) AS log_start_us, unix_micros(log_end) AS log_end_us
  FROM log_window
),
quarter AS (
  SELECT environment, log_start_us, log_end_us,
    explode(sequence(
      log_start_us - (log_start_us % 900000000 + 900000000) % 900000000, log_end_us, 900000000)) AS start_us
  FROM log_us
),
dated_quarter AS (
  SELECT quarter.*,
    local_date(timestamp_micros(start_us), CAST($tz AS STRING)) AS first_date,
    local_date(timestamp_micros(start_us + 899999999), CAST($tz AS STRING)) AS last_date
  FROM quarter
),
-- Stretches of one date each.
stretch AS (
  SELECT environment, log_start_us, log_end_us, first_date AS date, start_us, start_us + 900000000 AS end_us
  FROM dated_quarter
  WHERE first_date = last_date
  UNION ALL
  SELECT q.environment, q.log_start_us, q.log_end_us,
    local_date(timestamp_micros(q.start_us + m.minute * 60000000), CAST($tz AS STRING)) AS date,
    q.start_us + m.minute * 60000000 AS start_us,
    q.start_us + (m.minute + 1) * 60000000 AS end_us
  FROM dated_quarter AS q
  CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14)) AS m(minute)
  WHERE q.first_date <> q.last_date
),
-- The log window holds its end, so the last stretch may be empty.
logged_stretch AS (
  SELECT environment, date, greatest(start_us, log_start_us) AS start_us, least(end_us, log_end_us) AS end_us
  FROM stretch
  WHERE end_us > log_start_us AND start_us <= log_end_us
),
logged_day AS (
  SELECT environment, date, CAST(sum(end_us - start_us) AS BIGINT) AS day_us
  FROM logged_stretch
  GROUP BY environment, date
),
dark_day AS (
  SELECT s.environment, s.date,
    CAST(sum(least(s.end_us, g.end_us) - greatest(s.start_us, g.start_us)) AS BIGINT) AS gap_us
  FROM logged_stretch AS s
  JOIN (
    SELECT environment, unix_micros(window_start) AS start_us, unix_micros(window_end) AS end_us FROM effective
  ) AS g ON g.environment = s.environment AND g.start_us < s.end_us AND g.end_us > s.start_us
  GROUP BY s.environment, s.date
),
used_day AS (
  SELECT environment, local_date(created_on, CAST($tz AS STRING)) AS date,
    count(*) AS accesses, count(DISTINCT actor_id) AS actors
  FROM logged
  WHERE kind = 'access'
  GROUP BY 1, 2
),
counted AS (
  SELECT d.environment, d.date,
    CAST((d.day_us - d.day_us % 1000000) / 1000000 AS BIGINT) AS day_s,
    CAST((coalesce(g.gap_us, 0) - coalesce(g.gap_us, 0) % 1000000) / 1000000 AS BIGINT) AS gap_s,
    coalesce(u.accesses, 0) AS accesses,
    coalesce(u.actors, 0) AS actors
  FROM logged_day AS d
  LEFT JOIN dark_day AS g ON g.environment = d.environment AND g.date = d.date
  LEFT JOIN used_day AS u ON u.environment = d.environment AND u.date = d.date
)
SELECT environment, date, day_s - gap_s AS audited_s, gap_s,
  CASE WHEN day_s > 0 THEN CAST(day_s - gap_s AS DOUBLE) / CAST(day_s AS DOUBLE) END AS coverage,
  accesses, actors
FROM counted
-- A day is shown when it lies between the first and the last date asked for.
WHERE date >= coalesce(local_date(CAST($from_on AS TIMESTAMP), CAST($tz AS STRING)), date)
  AND date <= coalesce(local_date(CAST($to_on AS TIMESTAMP) - INTERVAL '1' MICROSECOND, CAST($tz AS STRING)), date)
ORDER BY environment, date
