-- silence: windows without any access that the log's own rhythm makes implausible, and that no gap explains.
--
-- The model, and why it is so, stands in src/report/silence/mod.rs. Here: an access counts on the local clock, in bins of
-- five minutes; a "usual" number is the lower median of the weeks compared; sums are of whole numbers, and a probability
-- takes nothing but + - * / of doubles in one order, so that every engine finds the same bits.
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
-- Weeks before (false) and after (true) that are compared.
week_apart AS (
  SELECT weeks, is_after
  FROM (VALUES (-4, 0), (-3, 0), (-2, 0), (-1, 0), (1, 1), (2, 1), (3, 1), (4, 1)) AS w(weeks, is_after)
),
local_log AS (
  SELECT environment,
    unix_micros(log_start) AS log_start_us,
    unix_micros(local_time(log_start, CAST($tz AS STRING))) AS log_from,
    greatest(
      unix_micros(local_time(log_start, CAST($tz AS STRING))),
      unix_micros(local_time(log_end, CAST($tz AS STRING)))) AS log_to
  FROM log_window
),
local_gap AS (
  SELECT environment,
    unix_micros(local_time(window_start, CAST($tz AS STRING))) AS gap_from,
    greatest(
      unix_micros(local_time(window_start, CAST($tz AS STRING))),
      unix_micros(local_time(window_end, CAST($tz AS STRING)))) AS gap_to
  FROM effective
),
-- Accesses by five minutes of the local clock. A burst is one event that may be missing: beyond one, a bin counts as many
-- as two of the bins in the half hour before it and after it have, on average.
local_access AS (
  SELECT environment, unix_micros(local_time(created_on, CAST($tz AS STRING))) AS local_us
  FROM logged
  WHERE kind = 'access'
),
bin AS (
  SELECT environment, CAST((local_us - (local_us % 300000000 + 300000000) % 300000000) / 300000000 AS BIGINT) AS bin,
    count(*) AS rows
  FROM local_access
  GROUP BY 1, 2
),
bin_around AS (
  SELECT environment, bin, rows,
    CAST(sum(rows) OVER (PARTITION BY environment ORDER BY bin RANGE BETWEEN 6 PRECEDING AND 6 FOLLOWING) AS BIGINT) - rows
      AS around
  FROM bin
),
bin_count AS (
  SELECT environment, bin, least(rows, 1 + CAST((around - around % 6) / 6 AS BIGINT)) AS accesses
  FROM bin_around
),
total AS (
  SELECT w.environment, CAST(coalesce(sum(b.accesses), 0) AS BIGINT) AS accesses
  FROM log_window AS w
  LEFT JOIN bin_count AS b ON b.environment = w.environment
  GROUP BY w.environment
),
-- Every bin of the log, and two days more on both sides for clocks that are put back there.
every_bin AS (
  SELECT environment, explode(sequence(
    CAST((log_from - (log_from % 300000000 + 300000000) % 300000000) / 300000000 AS BIGINT) - 576,
    CAST((log_to - (log_to % 300000000 + 300000000) % 300000000) / 300000000 AS BIGINT) + 576,
    1)) AS bin
  FROM local_log
),
-- Accesses before a bin and in it.
summed AS (
  SELECT e.environment, e.bin, coalesce(b.accesses, 0) AS accesses,
    CAST(coalesce(sum(b.accesses) OVER (
      PARTITION BY e.environment ORDER BY e.bin ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS BIGINT) AS before
  FROM every_bin AS e
  LEFT JOIN bin_count AS b ON b.environment = e.environment AND b.bin = e.bin
),
-- Dates: what is usual, and which are quiet.
date_count AS (
  SELECT environment, CAST((bin - (bin % 288 + 288) % 288) / 288 AS BIGINT) AS date, CAST(sum(accesses) AS BIGINT) AS accesses
  FROM summed
  GROUP BY 1, 2
),
date_compared AS (
  SELECT d.environment, d.date, c.accesses,
    row_number() OVER (PARTITION BY d.environment, d.date ORDER BY c.accesses) AS place,
    count(*) OVER (PARTITION BY d.environment, d.date) AS weeks
  FROM date_count AS d
  CROSS JOIN week_apart AS w
  JOIN date_count AS c ON c.environment = d.environment AND c.date = d.date + w.weeks * 7
  JOIN local_log AS l ON l.environment = d.environment
    AND l.log_from <= c.date * 86400000000 AND (c.date + 1) * 86400000000 <= l.log_to
),
date_usual AS (
  SELECT environment, date, accesses AS usual
  FROM date_compared
  WHERE weeks >= 4 AND place = CAST((weeks + weeks % 2) / 2 AS BIGINT)
),
dated AS (
  SELECT d.environment, d.date, d.accesses, u.usual,
    CASE WHEN d.accesses * 4 <= u.usual THEN 1 ELSE 0 END AS is_quiet
  FROM date_count AS d
  LEFT JOIN date_usual AS u ON u.environment = d.environment AND u.date = d.date
),
-- A day off is like the quietest weekday: the median of its dates that lie in the log and in no gap.
ordinary_date AS (
  SELECT d.environment, (d.date % 7 + 7) % 7 AS weekday, d.accesses,
    row_number() OVER (PARTITION BY d.environment, (d.date % 7 + 7) % 7 ORDER BY d.accesses) AS place,
    count(*) OVER (PARTITION BY d.environment, (d.date % 7 + 7) % 7) AS dates
  FROM dated AS d
  JOIN local_log AS l ON l.environment = d.environment
    AND l.log_from <= d.date * 86400000000 AND (d.date + 1) * 86400000000 <= l.log_to
  WHERE NOT EXISTS (
    SELECT 1 FROM local_gap AS g
    WHERE g.environment = d.environment AND g.gap_from < (d.date + 1) * 86400000000 AND g.gap_to > d.date * 86400000000)
),
day_off AS (
  SELECT environment, CASE WHEN count(*) = 7 THEN min(accesses) ELSE 0 END AS accesses
  FROM ordinary_date
  WHERE place = CAST((dates + dates % 2) / 2 AS BIGINT)
  GROUP BY environment
),
-- How much stretches of an hour, of six and of a day differ from what was usual beyond what chance explains.
scale AS (
  SELECT scale_us, bins, shortest_us
  FROM (VALUES (3600000000, 12, 0), (21600000000, 72, 28800000000), (86400000000, 288, 86400000000))
    AS s(scale_us, bins, shortest_us)
),
stretch AS (
  SELECT b.environment, s.scale_us, CAST((b.bin - (b.bin % s.bins + s.bins) % s.bins) / s.bins AS BIGINT) AS place,
    CAST(sum(b.accesses) AS BIGINT) AS accesses
  FROM bin_count AS b
  CROSS JOIN scale AS s
  GROUP BY 1, 2, 3
),
stretch_asked AS (
  SELECT DISTINCT s.environment, s.scale_us, s.place + w.weeks * CAST(604800000000 / s.scale_us AS BIGINT) AS place
  FROM stretch AS s
  CROSS JOIN week_apart AS w
),
stretch_chosen AS (
  SELECT a.environment, a.scale_us, a.place
  FROM stretch_asked AS a
  JOIN local_log AS l ON l.environment = a.environment
    AND l.log_from <= a.place * a.scale_us AND (a.place + 1) * a.scale_us <= l.log_to
  JOIN dated AS d ON d.environment = a.environment AND d.is_quiet = 0
    AND d.date = CAST((a.place * a.scale_us - (a.place * a.scale_us % 86400000000 + 86400000000) % 86400000000) / 86400000000 AS BIGINT)
  WHERE NOT EXISTS (
    SELECT 1 FROM local_gap AS g
    WHERE g.environment = a.environment AND g.gap_from < (a.place + 1) * a.scale_us AND g.gap_to > a.place * a.scale_us)
),
stretch_week AS (
  SELECT a.environment, a.scale_us, a.place AS of_place,
    a.place + w.weeks * CAST(604800000000 / a.scale_us AS BIGINT) AS place
  FROM stretch_chosen AS a
  CROSS JOIN week_apart AS w
),
stretch_compared AS (
  SELECT a.environment, a.scale_us, a.of_place, coalesce(s.accesses, 0) AS accesses,
    row_number() OVER (PARTITION BY a.environment, a.scale_us, a.of_place ORDER BY coalesce(s.accesses, 0)) AS place,
    count(*) OVER (PARTITION BY a.environment, a.scale_us, a.of_place) AS weeks
  FROM stretch_week AS a
  JOIN local_log AS l ON l.environment = a.environment
    AND l.log_from <= a.place * a.scale_us AND (a.place + 1) * a.scale_us <= l.log_to
  LEFT JOIN stretch AS s ON s.environment = a.environment AND s.scale_us = a.scale_us AND s.place = a.place
),
-- What comes beyond twice the usual is no silence.
stretch_found AS (
  SELECT c.environment, c.scale_us, c.accesses AS usual, least(coalesce(s.accesses, 0), 2 * c.accesses) - c.accesses AS beyond
  FROM stretch_compared AS c
  LEFT JOIN stretch AS s ON s.environment = c.environment AND s.scale_us = c.scale_us AND s.place = c.of_place
  WHERE c.weeks >= 4 AND c.place = CAST((c.weeks + c.weeks % 2) / 2 AS BIGINT)
),
varied AS (
  SELECT environment, scale_us, sum(usual * usual) AS usual_squares, 4 * sum(beyond * beyond) - 5 * sum(usual) AS beyond
  FROM stretch_found
  GROUP BY environment, scale_us
),
shape AS (
  SELECT l.environment, s.scale_us, s.shortest_us,
    CASE
      WHEN v.beyond > 0 THEN greatest(1, least(16,
        CAST((4 * v.usual_squares - 4 * v.usual_squares % v.beyond) / v.beyond AS BIGINT)))
      ELSE 16
    END AS shape
  FROM local_log AS l
  CROSS JOIN scale AS s
  LEFT JOIN varied AS v ON v.environment = l.environment AND v.scale_us = s.scale_us
),
-- The windows: between two instants at which there is an access, or the log, a gap or a deletion of logs begins or ends.
instant AS (
  SELECT environment, instant, max(is_access) AS is_access
  FROM (
    SELECT environment, created_on AS instant, 1 AS is_access FROM logged WHERE kind = 'access'
    UNION ALL SELECT environment, created_on, 0 FROM logged WHERE kind = 'control' AND action = 111
    UNION ALL SELECT environment, window_start, 0 FROM effective
    UNION ALL SELECT environment, window_end, 0 FROM effective
    UNION ALL SELECT environment, log_start, 0 FROM log_window
    UNION ALL SELECT environment, log_end, 0 FROM log_window
  ) AS instants
  GROUP BY environment, instant
),
between_instants AS (
  SELECT environment, instant AS started_on, is_access AS starts_with_access,
    lead(instant) OVER (PARTITION BY environment ORDER BY instant) AS ended_on,
    lead(is_access) OVER (PARTITION BY environment ORDER BY instant) AS ends_with_access
  FROM instant
),
silent AS (
  SELECT b.environment, b.started_on, b.ended_on, b.starts_with_access, b.ends_with_access,
    unix_micros(local_time(b.started_on, CAST($tz AS STRING))) AS from_us,
    greatest(
      unix_micros(local_time(b.started_on, CAST($tz AS STRING))),
      unix_micros(local_time(b.ended_on, CAST($tz AS STRING)))) AS to_us
  FROM between_instants AS b
  WHERE unix_micros(b.ended_on) - unix_micros(b.started_on) >= 300000000
    AND (CAST($to_on AS TIMESTAMP) IS NULL OR b.started_on < CAST($to_on AS TIMESTAMP))
    AND (CAST($from_on AS TIMESTAMP) IS NULL OR b.ended_on > CAST($from_on AS TIMESTAMP))
    AND NOT EXISTS (
      SELECT 1 FROM effective AS g
      WHERE g.environment = b.environment AND g.window_start <= b.started_on AND b.ended_on <= g.window_end)
),
-- A window of more than a week is judged by its first, and compared with weeks after its end.
measured AS (
  SELECT silent.*, to_us - from_us AS length_us, least(to_us - from_us, 604800000000) AS judged_us,
    CASE
      WHEN to_us - from_us > 604800000000
        THEN CAST((to_us - from_us - 1 - (to_us - from_us - 1) % 604800000000) / 604800000000 AS BIGINT)
      ELSE 0
    END AS weeks_more,
    CAST((from_us - (from_us % 86400000000 + 86400000000) % 86400000000) / 86400000000 AS BIGINT) AS first_date,
    CAST((to_us - 1 - ((to_us - 1) % 86400000000 + 86400000000) % 86400000000) / 86400000000 AS BIGINT) AS last_date
  FROM silent
),
trimmed AS (
  SELECT measured.*,
    from_us + least(CAST((judged_us - judged_us % 8) / 8 AS BIGINT), 1800000000) AS counted_from,
    from_us + judged_us - least(CAST((judged_us - judged_us % 8) / 8 AS BIGINT), 1800000000) AS counted_to,
    least(greatest(judged_us, 3600000000), 43200000000) AS around_us
  FROM measured
),
-- Quiet dates at its ends and in between may be days off, with the noons around them.
quiet_from AS (
  SELECT t.*, t.first_date + CASE WHEN d.is_quiet = 1 THEN 0 ELSE 1 END AS first_quiet
  FROM trimmed AS t
  LEFT JOIN dated AS d ON d.environment = t.environment AND d.date = t.first_date
),
quiet_to AS (
  SELECT q.*,
    q.last_date - CASE WHEN q.last_date >= q.first_quiet AND coalesce(d.is_quiet, 0) = 0 THEN 1 ELSE 0 END AS last_quiet
  FROM quiet_from AS q
  LEFT JOIN dated AS d ON d.environment = q.environment AND d.date = q.last_date
),
working AS (
  SELECT q.environment, q.started_on, count(*) AS quiet_dates
  FROM quiet_to AS q
  JOIN dated AS d ON d.environment = q.environment AND d.date >= q.first_quiet AND d.date <= q.last_quiet
  LEFT JOIN day_off AS o ON o.environment = q.environment
  WHERE d.usual > 2 * coalesce(o.accesses, 0)
  GROUP BY q.environment, q.started_on
),
judged AS (
  SELECT q.*, coalesce(w.quiet_dates, 0) AS quiet_dates, l.log_from, l.log_to,
    q.first_quiet * 86400000000 AS off_from, (q.last_quiet + 1) * 86400000000 AS off_to
  FROM quiet_to AS q
  JOIN local_log AS l ON l.environment = q.environment
  LEFT JOIN working AS w ON w.environment = q.environment AND w.started_on = q.started_on
),
-- What is to be compared: the counted part, the hours around, and the time at work around days off.
asked AS (
  SELECT environment, started_on, 'counted' AS part, counted_from AS from_us, counted_to AS to_us, weeks_more
  FROM judged
  UNION ALL
  SELECT environment, started_on, 'before', least(greatest(from_us - around_us, log_from), from_us), from_us, 0
  FROM judged
  WHERE starts_with_access = 1
  UNION ALL
  SELECT environment, started_on, 'after', to_us, greatest(least(to_us + around_us, log_to), to_us), 0
  FROM judged
  WHERE ends_with_access = 1 AND length_us <= 604800000000
  UNION ALL
  SELECT environment, started_on, 'head', counted_from, off_from - 43200000000, 0
  FROM judged
  WHERE quiet_dates > 0 AND counted_from < off_from - 43200000000
  UNION ALL
  SELECT environment, started_on, 'tail', off_to + 43200000000, counted_to, 0
  FROM judged
  WHERE quiet_dates > 0 AND off_to + 43200000000 < counted_to
),
-- As they are (week 0), and as they were in the weeks compared.
part_week AS (
  SELECT environment, started_on, part, 0 AS weeks, from_us, to_us
  FROM asked
  WHERE part IN ('before', 'after')
  UNION ALL
  SELECT p.environment, p.started_on, p.part, w.weeks,
    p.from_us + (w.weeks + p.weeks_more * w.is_after) * 604800000000,
    p.to_us + (w.weeks + p.weeks_more * w.is_after) * 604800000000
  FROM asked AS p
  CROSS JOIN week_apart AS w
),
part_bin AS (
  SELECT p.environment, p.started_on, p.part, p.weeks,
    (p.from_us % 300000000 + 300000000) % 300000000 AS from_beyond,
    CAST((p.from_us - (p.from_us % 300000000 + 300000000) % 300000000) / 300000000 AS BIGINT) AS from_bin,
    (p.to_us % 300000000 + 300000000) % 300000000 AS to_beyond,
    CAST((p.to_us - (p.to_us % 300000000 + 300000000) % 300000000) / 300000000 AS BIGINT) AS to_bin
  FROM part_week AS p
  JOIN local_log AS l ON l.environment = p.environment
  WHERE p.weeks = 0 OR (l.log_from <= p.from_us AND p.to_us <= l.log_to)
),
-- Accesses times 300,000,000, the micros of a bin: inside a bin they are spread evenly.
part_count AS (
  SELECT p.environment, p.started_on, p.part, p.weeks,
    (t.before - f.before) * 300000000 + t.accesses * p.to_beyond - f.accesses * p.from_beyond AS access_us
  FROM part_bin AS p
  JOIN summed AS f ON f.environment = p.environment AND f.bin = p.from_bin
  JOIN summed AS t ON t.environment = p.environment AND t.bin = p.to_bin
),
part_compared AS (
  SELECT part_count.*,
    row_number() OVER (PARTITION BY environment, started_on, part ORDER BY access_us) AS place,
    count(*) OVER (PARTITION BY environment, started_on, part) AS compared
  FROM part_count
  WHERE weeks <> 0
),
part_usual AS (
  SELECT environment, started_on, part, compared, CAST(access_us AS DOUBLE) / CAST(300000000 AS DOUBLE) AS usual
  FROM part_compared
  WHERE compared >= 4 AND place = CAST((compared + compared % 2) / 2 AS BIGINT)
),
part_level AS (
  SELECT u.environment, u.started_on,
    min((4 + CAST(c.access_us AS DOUBLE) / CAST(300000000 AS DOUBLE)) / (4 + u.usual)) AS level
  FROM part_usual AS u
  JOIN part_count AS c
    ON c.environment = u.environment AND c.started_on = u.started_on AND c.part = u.part AND c.weeks = 0
  GROUP BY u.environment, u.started_on
),
leveled AS (
  SELECT j.*, u.usual, u.compared, least(coalesce(l.level, 1), CAST(1 AS DOUBLE)) AS level,
    coalesce(h.usual, 0) + coalesce(t.usual, 0) AS at_work,
    CASE
      WHEN j.length_us > 604800000000 THEN CAST(j.length_us AS DOUBLE) / CAST(604800000000 AS DOUBLE)
      ELSE CAST(1 AS DOUBLE)
    END AS times,
    coalesce(o.accesses, 0) AS day_off,
    CAST(least(j.off_to, j.to_us) - greatest(j.off_from, j.from_us) AS DOUBLE) / CAST(86400000000 AS DOUBLE) AS days_off,
    s.shape, a.accesses,
    CAST(
      (j.log_to - (j.log_to % 86400000000 + 86400000000) % 86400000000) / 86400000000
      - (j.log_from - (j.log_from % 86400000000 + 86400000000) % 86400000000) / 86400000000 AS BIGINT) + 1 AS dates
  FROM judged AS j
  JOIN part_usual AS u ON u.environment = j.environment AND u.started_on = j.started_on AND u.part = 'counted' AND u.usual > 0
  LEFT JOIN part_level AS l ON l.environment = j.environment AND l.started_on = j.started_on
  LEFT JOIN part_usual AS h ON h.environment = j.environment AND h.started_on = j.started_on AND h.part = 'head'
  LEFT JOIN part_usual AS t ON t.environment = j.environment AND t.started_on = j.started_on AND t.part = 'tail'
  LEFT JOIN day_off AS o ON o.environment = j.environment
  JOIN total AS a ON a.environment = j.environment
  JOIN shape AS s ON s.environment = j.environment
    AND s.scale_us = CASE
      WHEN j.judged_us >= 86400000000 THEN 86400000000
      WHEN j.judged_us >= 28800000000 THEN 21600000000
      ELSE 3600000000
    END
),
foreseen AS (
  SELECT leveled.*, usual * level * times AS expected, at_work * level + day_off * days_off AS off
  FROM leveled
),
-- Three chances as powers: of no access, of none if the quiet dates were days off, of so many days off in a row.
base AS (
  SELECT environment, started_on, 'none' AS what, shape AS exponent,
    CAST(shape AS DOUBLE) / (CAST(shape AS DOUBLE) + expected) AS base
  FROM foreseen
  UNION ALL
  SELECT environment, started_on, 'off', shape, CAST(shape AS DOUBLE) / (CAST(shape AS DOUBLE) + off)
  FROM foreseen
  WHERE quiet_dates > 0
  UNION ALL
  SELECT environment, started_on, 'next', least(quiet_dates - 1, 31), CAST(1 AS DOUBLE) / CAST(3 AS DOUBLE)
  FROM foreseen
  WHERE quiet_dates > 0
),
square AS (
  SELECT base.*, base * base AS p2, (base * base) * (base * base) AS p4,
    ((base * base) * (base * base)) * ((base * base) * (base * base)) AS p8
  FROM base
),
powered AS (
  SELECT environment, started_on, what,
    (CASE WHEN exponent % 2 >= 1 THEN base ELSE 1 END)
      * (CASE WHEN exponent % 4 >= 2 THEN p2 ELSE 1 END)
      * (CASE WHEN exponent % 8 >= 4 THEN p4 ELSE 1 END)
      * (CASE WHEN exponent % 16 >= 8 THEN p8 ELSE 1 END)
      * (CASE WHEN exponent >= 16 THEN p8 * p8 ELSE 1 END) AS chance
  FROM square
),
probable AS (
  SELECT e.environment, e.started_on, e.ended_on, e.usual, e.compared, e.level, e.expected, e.shape, e.quiet_dates,
    CAST(e.accesses AS DOUBLE) * n.chance
      + coalesce(CAST(e.dates AS DOUBLE) / CAST(25 AS DOUBLE) * x.chance * o.chance, 0) AS probability
  FROM foreseen AS e
  JOIN powered AS n ON n.environment = e.environment AND n.started_on = e.started_on AND n.what = 'none'
  LEFT JOIN powered AS o ON o.environment = e.environment AND o.started_on = e.started_on AND o.what = 'off'
  LEFT JOIN powered AS x ON x.environment = e.environment AND x.started_on = e.started_on AND x.what = 'next'
),
implausible AS (
  SELECT *
  FROM probable
  WHERE probability <= CAST($silence_threshold AS DOUBLE)
),
-- What may explain it: a deletion of logs, ...
deleted AS (
  SELECT i.environment, i.started_on, min(c.created_on) AS deleted_on
  FROM implausible AS i
  JOIN logged AS c ON c.environment = i.environment AND c.kind = 'control' AND c.action = 111 AND c.created_on >= i.ended_on
  GROUP BY i.environment, i.started_on
),
first_access AS (
  SELECT environment, min(created_on) AS first_on
  FROM logged
  WHERE kind = 'access'
  GROUP BY environment
),
-- ... an input that broke off just there, or inputs missing between two of a series that counts by one; unless an input
-- has accesses before the silence and after it.
broken_off AS (
  SELECT DISTINCT i.environment, i.started_on
  FROM implausible AS i
  JOIN input_accesses AS a ON a.environment = i.environment AND (a.last_on = i.started_on OR a.first_on = i.ended_on)
  JOIN rejects AS r ON r.source = a.name AND r.code IN ('corrupt', 'too-large', 'truncated')
),
split AS (
  SELECT DISTINCT name,
    regexp_extract(name, '^(.*?)([0-9]+)([^0-9]*)$', 1) AS name_before,
    regexp_extract(name, '^(.*?)([0-9]+)([^0-9]*)$', 2) AS digits,
    regexp_extract(name, '^(.*?)([0-9]+)([^0-9]*)$', 3) AS name_after
  FROM inputs
),
numbered AS (
  SELECT name, name_before, name_after, CAST(digits AS BIGINT) AS number
  FROM split
  WHERE length(digits) BETWEEN 1 AND 6
),
with_accesses AS (
  SELECT a.environment, n.name_before, n.name_after, n.number,
    min(a.first_on) AS first_on, max(a.last_on) AS last_on
  FROM numbered AS n
  JOIN input_accesses AS a ON a.name = n.name
  GROUP BY a.environment, n.name_before, n.name_after, n.number
),
followed AS (
  SELECT with_accesses.*,
    lead(number) OVER (PARTITION BY environment, name_before, name_after ORDER BY number) AS next_number,
    lead(first_on) OVER (PARTITION BY environment, name_before, name_after ORDER BY number) AS next_first_on,
    lead(last_on) OVER (PARTITION BY environment, name_before, name_after ORDER BY number) AS next_last_on
  FROM with_accesses
),
apart AS (
  SELECT environment, name_before, name_after, number, next_number,
    CASE WHEN last_on <= next_first_on THEN last_on ELSE next_last_on END AS from_on,
    CASE WHEN last_on <= next_first_on THEN next_first_on ELSE first_on END AS to_on
  FROM followed
  WHERE last_on <= next_first_on OR next_last_on <= first_on
),
missing AS (
  SELECT a.environment, a.from_on, a.to_on
  FROM apart AS a
  JOIN numbered AS n ON n.name_before = a.name_before AND n.name_after = a.name_after
  GROUP BY a.environment, a.name_before, a.name_after, a.number, a.next_number, a.from_on, a.to_on
  HAVING max(CASE WHEN n.number IN (a.number - 1, a.next_number + 1) THEN 1 ELSE 0 END) = 1
    AND count(DISTINCT CASE WHEN n.number BETWEEN a.number AND a.next_number THEN n.number END)
      < a.next_number - a.number + 1
),
left_out AS (
  SELECT environment, started_on FROM broken_off
  UNION
  SELECT i.environment, i.started_on
  FROM implausible AS i
  JOIN missing AS m ON m.environment = i.environment AND m.from_on <= i.started_on AND i.ended_on <= m.to_on
),
read_through AS (
  SELECT DISTINCT i.environment, i.started_on
  FROM implausible AS i
  JOIN input_accesses AS a ON a.environment = i.environment AND a.first_on <= i.started_on AND i.ended_on <= a.last_on
),
ingest_hole AS (
  SELECT l.environment, l.started_on
  FROM left_out AS l
  LEFT JOIN read_through AS r ON r.environment = l.environment AND r.started_on = l.started_on
  WHERE r.environment IS NULL
),
changed AS (
  SELECT i.environment, i.started_on, count(*) AS changes
  FROM implausible AS i
  JOIN logged AS c
    ON c.environment = i.environment AND c.kind = 'change' AND c.created_on > i.started_on AND c.created_on < i.ended_on
  GROUP BY i.environment, i.started_on
)
SELECT i.environment, i.started_on, i.ended_on,
  CAST((unix_micros(i.ended_on) - unix_micros(i.started_on)
    - (unix_micros(i.ended_on) - unix_micros(i.started_on)) % 1000000) / 1000000 AS BIGINT) AS duration_s,
  i.usual AS usual_accesses, i.compared AS weeks_compared, i.level, i.expected AS expected_accesses,
  i.shape, i.quiet_dates, i.probability,
  coalesce(c.changes, 0) AS changes_inside,
  d.deleted_on,
  CASE
    WHEN h.started_on IS NOT NULL THEN 'ingest_hole'
    WHEN d.deleted_on IS NOT NULL AND (d.deleted_on = i.ended_on OR i.started_on < f.first_on) THEN 'log_deleted'
  END AS explained_by
FROM implausible AS i
LEFT JOIN deleted AS d ON d.environment = i.environment AND d.started_on = i.started_on
LEFT JOIN first_access AS f ON f.environment = i.environment
LEFT JOIN ingest_hole AS h ON h.environment = i.environment AND h.started_on = i.started_on
LEFT JOIN changed AS c ON c.environment = i.environment AND c.started_on = i.started_on
ORDER BY i.environment, i.started_on
