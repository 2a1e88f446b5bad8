-- clients: accesses, actors and sessions by door (web or web services), per day, week, month and over the whole log.
--
-- A session counts where it started, under each client it used at any time, so a row can have sessions but no accesses.
-- Accesses without an actor belong to no session, but they are accesses. Dates are local to the zone asked for.
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
-- Both kinds of events per local day; a week, a month and the whole log are unions of days.
access_day AS (
  SELECT environment, local_date(created_on, CAST($tz AS STRING)) AS event_date,
    CASE WHEN action = 64 THEN 'web' ELSE 'web_services' END AS client,
    actor_id, count(*) AS accesses, 0 AS sessions
  FROM logged
  WHERE kind = 'access'
  GROUP BY 1, 2, 3, 4
),
session_day AS (
  SELECT s.environment, local_date(s.started_on, CAST($tz AS STRING)) AS event_date, c.client,
    CAST(NULL AS STRING) AS actor_id, 0 AS accesses, count(*) AS sessions
  FROM actor_session AS s
  JOIN (VALUES ('web'), ('web_services')) AS c(client)
    ON CASE c.client WHEN 'web' THEN s.web_accesses ELSE s.web_services_accesses END > 0
  GROUP BY 1, 2, 3
),
event AS (
  SELECT environment, event_date, client, actor_id, accesses, sessions FROM access_day
  UNION ALL
  SELECT environment, event_date, client, actor_id, accesses, sessions FROM session_day
),
log_date AS (
  SELECT environment,
    local_date(log_start, CAST($tz AS STRING)) AS first_date,
    local_date(log_end, CAST($tz AS STRING)) AS last_date
  FROM log_window
),
dated AS (
  SELECT e.environment, g.grain, e.client, e.actor_id, e.accesses, e.sessions, d.last_date,
    CASE g.grain
      WHEN 'day' THEN e.event_date
      WHEN 'week' THEN CAST(date_trunc('week', e.event_date) AS DATE)
      WHEN 'month' THEN CAST(date_trunc('month', e.event_date) AS DATE)
      ELSE d.first_date
    END AS period_start
  FROM event AS e
  JOIN log_date AS d ON d.environment = e.environment
  CROSS JOIN (VALUES ('day'), ('week'), ('month'), ('all')) AS g(grain)
),
counted AS (
  SELECT environment, grain, period_start, client,
    CAST(sum(accesses) AS BIGINT) AS accesses,
    count(DISTINCT actor_id) AS actors,
    CAST(sum(sessions) AS BIGINT) AS sessions,
    CASE grain
      WHEN 'day' THEN period_start
      WHEN 'week' THEN date_add(period_start, 6)
      WHEN 'month' THEN last_day(period_start)
      ELSE max(last_date)
    END AS period_end
  FROM dated
  GROUP BY environment, grain, period_start, client
),
-- The share is of the whole period, so it is taken before periods are chosen.
shared AS (
  SELECT counted.*,
    CAST(accesses AS DOUBLE)
      / CAST(sum(accesses) OVER (PARTITION BY environment, grain, period_start) AS DOUBLE) AS share
  FROM counted
)
SELECT environment, grain, period_start, client, accesses, actors, sessions, share
FROM shared
-- A period is shown when one of its dates lies between the first and the last date asked for.
WHERE greatest(period_start, coalesce(local_date(CAST($from_on AS TIMESTAMP), CAST($tz AS STRING)), period_start))
  <= least(
    period_end,
    coalesce(local_date(CAST($to_on AS TIMESTAMP) - INTERVAL '1' MICROSECOND, CAST($tz AS STRING)), period_end))
ORDER BY environment, grain, period_start, client
