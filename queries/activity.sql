-- activity: accesses and different actors by weekday (1 is Monday), hour of the local clock and client, over the whole log.
--
-- A weekday and hour is no stretch of time, so there is nothing that a first and a last date could choose.
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
local_access AS (
  SELECT environment, action, actor_id, unix_micros(local_time(created_on, CAST($tz AS STRING))) AS local_us
  FROM logged
  WHERE kind = 'access'
),
-- 1970-01-01 was a Thursday, three days after a Monday.
weekly AS (
  SELECT environment, action, actor_id,
    ((local_us + 259200000000) % 604800000000 + 604800000000) % 604800000000 AS week_us
  FROM local_access
)
SELECT environment,
  CAST((week_us - week_us % 86400000000) / 86400000000 + 1 AS INT) AS weekday,
  CAST((week_us % 86400000000 - week_us % 3600000000) / 3600000000 AS INT) AS hour,
  CASE WHEN action = 64 THEN 'web' ELSE 'web_services' END AS client,
  count(*) AS accesses,
  count(DISTINCT actor_id) AS actors
FROM weekly
GROUP BY 1, 2, 3, 4
ORDER BY environment, weekday, hour, client
