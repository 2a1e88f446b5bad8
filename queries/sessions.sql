-- sessions: the stretches of time in which an actor was seen, one row per session.
--
-- $evidence is 'access' (or null) or 'all'. The column `changes` belongs to the report only with all evidence; else it is
-- null, since SQL cannot leave out a column.
--
-- Audit rows say only that an access happened; after one, further accesses go unlogged for the audit interval. So a
-- session's length is known only within bounds, and a bound that a gap or the end of the log cuts off says so.
-- Times are compared in microseconds; every interval is [start, end), in UTC.
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
-- [shared: names]
-- The newest name of each id; of equally new ones, that of the user's newest exported state.
newest_name AS (
  SELECT environment, id, name
  FROM (
    SELECT environment, id, name,
      row_number() OVER (PARTITION BY environment, id ORDER BY seen_on DESC NULLS LAST, is_state DESC, name DESC) AS age
    FROM (
      SELECT environment, id, name, seen_on, 0 AS is_state FROM names
      UNION ALL
      SELECT environment, user_id, full_name, exported_on, 1 FROM users
    ) AS named
    WHERE name IS NOT NULL
  ) AS aged
  WHERE age = 1
),
-- [end]
-- [shared: intervals]
-- How often a user's access is logged at most, and the longest pause within a session: as asked for, else as the newest
-- organization row of the environment says (in hours, a hundred years at most), else 4 h; and 1.5 times as long.
newest_organization AS (
  SELECT environment, user_access_auditing_interval_h
  FROM (
    SELECT environment, user_access_auditing_interval_h,
      row_number() OVER (
        PARTITION BY environment
        ORDER BY exported_on DESC, version_number DESC NULLS LAST, modified_on DESC NULLS LAST, name DESC NULLS LAST,
          is_audit_enabled DESC NULLS LAST, is_user_access_audit_enabled DESC NULLS LAST,
          user_access_auditing_interval_h DESC NULLS LAST, organization_id DESC) AS age
    FROM organizations
  ) AS aged
  WHERE age = 1
),
audit_interval AS (
  SELECT w.environment,
    coalesce(
      CAST($audit_interval_us AS BIGINT),
      CASE
        WHEN o.user_access_auditing_interval_h > 876600 THEN 876600
        ELSE CAST(o.user_access_auditing_interval_h AS BIGINT)
      END * 3600000000,
      14400000000) AS audit_interval_us
  FROM log_window AS w
  LEFT JOIN newest_organization AS o ON o.environment = w.environment
),
intervals AS (
  SELECT environment, audit_interval_us,
    coalesce(
      CAST($session_gap_us AS BIGINT),
      CAST((audit_interval_us - audit_interval_us % 2) / 2 AS BIGINT) * 3 + audit_interval_us % 2) AS session_gap_us
  FROM audit_interval
),
-- [end]
-- [shared: sessions]
-- A sighting is an access or, with all evidence, a change. A session starts at one that comes more than the session gap
-- after the actor's previous one. The running sum of starts numbers the sessions; its default frame takes equal times
-- together, so their order cannot matter. Changes extend a session, but alone they make none: jobs write in the name of
-- people who are not there.
stepped AS (
  SELECT l.environment, l.actor_id, l.kind, l.action, l.created_on,
    CASE
      WHEN unix_micros(l.created_on)
        - lag(unix_micros(l.created_on)) OVER (PARTITION BY l.environment, l.actor_id ORDER BY l.created_on)
        <= i.session_gap_us THEN 0
      ELSE 1
    END AS starts
  FROM logged AS l
  JOIN intervals AS i ON i.environment = l.environment
  WHERE l.actor_id IS NOT NULL
    AND (l.kind = 'access' OR (l.kind = 'change' AND CAST($evidence AS STRING) = 'all'))
),
numbered AS (
  SELECT environment, actor_id, kind, action, created_on,
    sum(starts) OVER (PARTITION BY environment, actor_id ORDER BY created_on) AS session_number
  FROM stepped
),
actor_session AS (
  SELECT environment, actor_id, session_number,
    min(created_on) AS started_on,
    max(created_on) AS last_seen_on,
    min(CASE WHEN kind = 'access' THEN created_on END) AS first_access_on,
    max(CASE WHEN kind = 'access' THEN created_on END) AS last_access_on,
    count(CASE WHEN kind = 'access' THEN 1 END) AS accesses,
    count(CASE WHEN action = 64 THEN 1 END) AS web_accesses,
    count(CASE WHEN action = 65 THEN 1 END) AS web_services_accesses,
    count(CASE WHEN kind = 'change' THEN 1 END) AS changes
  FROM numbered
  GROUP BY environment, actor_id, session_number
  HAVING count(CASE WHEN kind = 'access' THEN 1 END) > 0
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
session_us AS (
  SELECT actor_session.*,
    unix_micros(started_on) AS started_us,
    unix_micros(last_seen_on) AS last_seen_us,
    CASE WHEN first_access_on > started_on THEN 1 ELSE 0 END AS starts_with_change,
    CASE WHEN last_access_on < last_seen_on THEN 1 ELSE 0 END AS ends_with_change,
    unix_micros(started_on) - i.session_gap_us AS unseen_until_us,
    unix_micros(last_seen_on) + i.audit_interval_us AS unseen_from_us
  FROM actor_session
  JOIN intervals AS i ON i.environment = actor_session.environment
),
effective_us AS (
  SELECT environment,
    unix_micros(window_start) AS start_us,
    unix_micros(window_end) AS end_us,
    unix_micros(ended_on) AS ended_us
  FROM effective
),
-- Sessions near an effective gap, with what it does to them. A change may be made where accesses are not logged: what
-- starts or ends with one inside a gap may have begun earlier or gone on.
cut AS (
  SELECT s.environment, s.actor_id, s.session_number,
    count(CASE
      WHEN g.ended_us > s.unseen_until_us AND g.ended_us <= s.started_us THEN 1
      WHEN s.starts_with_change = 1 AND g.start_us < s.started_us AND g.end_us > s.started_us THEN 1
    END) AS gaps_before,
    count(CASE
      WHEN g.start_us >= s.last_seen_us AND g.start_us < s.unseen_from_us THEN 1
      WHEN s.ends_with_change = 1 AND g.start_us < s.last_seen_us AND g.end_us > s.last_seen_us THEN 1
    END) AS gaps_after,
    sum(CASE
      WHEN g.start_us < s.last_seen_us AND g.end_us > s.started_us
        THEN least(g.end_us, s.last_seen_us) - greatest(g.start_us, s.started_us)
      ELSE 0
    END) AS gap_us
  FROM session_us AS s
  JOIN effective_us AS g
    ON g.environment = s.environment
    AND g.end_us >= s.unseen_until_us
    AND g.start_us <= s.unseen_from_us
  GROUP BY s.environment, s.actor_id, s.session_number
),
judged AS (
  SELECT s.environment, s.actor_id, s.started_on, s.last_seen_on,
    s.last_seen_us - s.started_us AS min_us,
    s.unseen_from_us - s.started_us AS max_us,
    s.accesses, s.web_accesses, s.web_services_accesses, s.changes,
    CASE
      WHEN c.gaps_before > 0 THEN 'audit_gap'
      WHEN unix_micros(w.log_start) > s.unseen_until_us THEN 'log_start'
    END AS start_censored,
    CASE
      WHEN c.gaps_after > 0 THEN 'audit_gap'
      WHEN unix_micros(w.log_end) < s.unseen_from_us THEN 'log_end'
    END AS end_censored,
    CAST(coalesce(c.gap_us, 0) AS BIGINT) AS gap_us
  FROM session_us AS s
  JOIN log_window AS w ON w.environment = s.environment
  LEFT JOIN cut AS c
    ON c.environment = s.environment AND c.actor_id = s.actor_id AND c.session_number = s.session_number
)
-- Seconds are rounded down by taking the remainder away first, which keeps the division exact.
SELECT
  j.environment,
  j.actor_id,
  n.name AS actor_name,
  j.started_on,
  j.last_seen_on,
  local_date(j.started_on, CAST($tz AS STRING)) AS started_date,
  CAST((j.min_us - j.min_us % 1000000) / 1000000 AS BIGINT) AS duration_min_s,
  CASE WHEN j.end_censored IS NULL THEN CAST((j.max_us - j.max_us % 1000000) / 1000000 AS BIGINT) END AS duration_max_s,
  j.accesses,
  j.web_accesses,
  j.web_services_accesses,
  CASE WHEN CAST($evidence AS STRING) = 'all' THEN j.changes END AS changes,
  CASE
    WHEN j.web_services_accesses = 0 THEN 'web'
    WHEN j.web_accesses = 0 THEN 'web_services'
    ELSE 'mixed'
  END AS client,
  j.start_censored,
  j.end_censored,
  CAST((j.gap_us - j.gap_us % 1000000) / 1000000 AS BIGINT) AS audit_gap_s
FROM judged AS j
LEFT JOIN newest_name AS n ON n.environment = j.environment AND n.id = j.actor_id
WHERE (CAST($from_on AS TIMESTAMP) IS NULL OR j.started_on >= CAST($from_on AS TIMESTAMP))
  AND (CAST($to_on AS TIMESTAMP) IS NULL OR j.started_on < CAST($to_on AS TIMESTAMP))
-- An actor's sessions never start together, so the name need not be ordered by.
ORDER BY j.environment, j.actor_id, j.started_on
