-- Questions as analysts ask them. The same text runs on gatelog and on DuckDB, and every row of the answers must agree.
-- A line `-- ? name` begins a question. Where rows can tie, ORDER BY names enough columns to tell them apart.

-- ? whole lake
SELECT * FROM audit ORDER BY environment, created_on, audit_id, source

-- ? whole sessions
SELECT * FROM sessions ORDER BY environment, actor_id, started_on

-- ? counts by kind
SELECT kind, count(*) AS total, count(audit_id) AS with_id, min(created_on) AS first_on, max(created_on) AS last_on
FROM audit GROUP BY kind ORDER BY kind

-- ? actions
SELECT action, operation, count(*) AS total FROM audit GROUP BY action, operation HAVING count(*) > 2
ORDER BY total DESC, action, operation

-- ? people per day
SELECT created_date AS day, count(DISTINCT actor_id) AS people, count(*) AS accesses
FROM access GROUP BY created_date ORDER BY day

-- ? hours of the day
SELECT created_hour AS hour, count(*) AS accesses FROM access GROUP BY created_hour ORDER BY hour

-- ? weeks and months
SELECT EXTRACT(isoyear FROM created_date) AS year, EXTRACT(week FROM created_date) AS week, month, count(*) AS accesses
FROM access GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- ? time of an instant
SELECT audit_id, created_on, EXTRACT(year FROM created_on) AS y, EXTRACT(month FROM created_on) AS m,
  EXTRACT(day FROM created_on) AS d, EXTRACT(hour FROM created_on) AS h, EXTRACT(minute FROM created_on) AS mi,
  EXTRACT(isodow FROM created_on) AS weekday, EXTRACT(week FROM created_on) AS week, CAST(created_on AS DATE) AS day,
  strftime(created_on, '%Y-%m-%d %H:%M') AS text
FROM access ORDER BY created_on, audit_id

-- ? a range of time as texts
SELECT count(*) AS total FROM access WHERE created_on >= '2026-03-20' AND created_on < '2026-04-01 12:00:00'

-- ? a range of time between
SELECT environment, count(*) AS total FROM audit WHERE created_on BETWEEN '2026-03-18' AND '2026-03-28T23:59:59'
GROUP BY environment ORDER BY environment

-- ? a month of a partition
SELECT kind, count(*) AS total FROM audit WHERE month = '2026-03' AND kind IN ('access', 'change') GROUP BY kind ORDER BY kind

-- ? nobody
SELECT * FROM access WHERE actor_id = 'nobody' ORDER BY audit_id

-- ? never true
SELECT audit_id FROM access WHERE 1 = 0

-- ? names like
SELECT DISTINCT actor_id, actor_name FROM sessions WHERE actor_name LIKE '%a%' AND actor_name NOT LIKE 'S%'
ORDER BY actor_id, actor_name

-- ? names in any case
SELECT lower(actor_name) AS low, upper(actor_name) AS high, length(actor_name) AS letters, substr(actor_name, 1, 3) AS three,
  replace(actor_name, ' ', '_') AS joined, concat(actor_id, '/', client) AS both
FROM sessions WHERE actor_name ILIKE '%A%' ORDER BY actor_id, started_on

-- ? what is unknown
SELECT count(*) AS total, count(object_name) AS named, sum(CASE WHEN object_name IS NULL THEN 1 ELSE 0 END) AS unnamed,
  count(DISTINCT object_name) AS names, count(DISTINCT calling_user_id) AS callers
FROM audit

-- ? unknown is neither equal nor unequal
SELECT count(*) AS total FROM audit WHERE calling_user_id <> 'x' OR NOT (calling_user_id = 'x')

-- ? coalesce and nullif
SELECT coalesce(actor_name, actor_id) AS who, nullif(client, 'web') AS not_web, accesses FROM sessions
ORDER BY environment, actor_id, started_on

-- ? case
SELECT CASE WHEN duration_min_s = 0 THEN 'one access' WHEN duration_min_s < 3600 THEN 'short' ELSE 'long' END AS length,
  count(*) AS total, avg(duration_min_s) AS mean, max(duration_max_s) AS longest
FROM sessions GROUP BY 1 ORDER BY 1

-- ? numbers
SELECT environment, sum(accesses) AS accesses, min(duration_min_s) AS least, avg(CAST(accesses AS DOUBLE)) AS mean,
  round(avg(accesses), 2) AS rounded, sum(web_accesses) * 1.0 / sum(accesses) AS share,
  floor(avg(accesses)) AS low, ceil(avg(accesses)) AS high, abs(min(audit_gap_s) - 5) AS far
FROM sessions GROUP BY environment ORDER BY environment

-- ? medians
SELECT client, median(accesses) AS middle, quantile_cont(accesses, 0.9) AS ninety FROM sessions GROUP BY client ORDER BY client

-- ? sessions with users
SELECT s.environment, s.actor_id, u.status, count(*) AS sessions, sum(s.accesses) AS accesses
FROM sessions AS s JOIN users AS u ON s.environment = u.environment AND s.actor_id = u.actor_id
WHERE u.kind <> 'application' GROUP BY s.environment, s.actor_id, u.status ORDER BY s.environment, s.actor_id, u.status

-- ? users without a session
SELECT u.environment, u.actor_id, u.status FROM users AS u
LEFT JOIN sessions AS s ON s.environment = u.environment AND s.actor_id = u.actor_id
WHERE s.actor_id IS NULL ORDER BY u.environment, u.actor_id

-- ? in a subquery
SELECT environment, actor_id, count(*) AS total FROM access
WHERE actor_id IN (SELECT actor_id FROM users WHERE status = 'active') GROUP BY environment, actor_id
ORDER BY environment, actor_id

-- ? not in a subquery
SELECT DISTINCT environment, actor_id FROM access
WHERE actor_id IS NOT NULL AND actor_id NOT IN (SELECT actor_id FROM sessions WHERE client = 'web')
ORDER BY environment, actor_id

-- ? sessions during gaps
SELECT s.environment, s.actor_id, s.started_on, g.started_on AS gap_on, g.ended_on AS gap_end
FROM sessions AS s JOIN gaps AS g ON s.environment = g.environment
WHERE g.scope = 'effective' AND s.started_on < g.ended_on AND s.last_seen_on > g.started_on
ORDER BY s.environment, s.actor_id, s.started_on, g.started_on

-- ? first of each
SELECT environment, actor_id, started_on, row_number() OVER (PARTITION BY environment, actor_id ORDER BY started_on) AS number
FROM sessions ORDER BY environment, actor_id, started_on

-- ? the one before
SELECT environment, actor_id, started_on,
  lag(last_seen_on) OVER (PARTITION BY environment, actor_id ORDER BY started_on) AS before,
  sum(accesses) OVER (PARTITION BY environment, actor_id) AS of_all,
  rank() OVER (PARTITION BY environment ORDER BY accesses DESC) AS place
FROM sessions ORDER BY environment, actor_id, started_on

-- ? running sum
SELECT environment, date, accesses, sum(accesses) OVER (PARTITION BY environment ORDER BY date) AS until
FROM coverage ORDER BY environment, date

-- ? with
WITH busy AS (SELECT environment, actor_id, count(*) AS total FROM access GROUP BY environment, actor_id),
  most AS (SELECT environment, max(total) AS total FROM busy GROUP BY environment)
SELECT b.environment, b.actor_id, b.total FROM busy AS b JOIN most AS m ON b.environment = m.environment AND b.total = m.total
ORDER BY b.environment, b.actor_id

-- ? union
SELECT environment, actor_id FROM users UNION SELECT environment, actor_id FROM access WHERE actor_id IS NOT NULL
ORDER BY environment, actor_id

-- ? union all
SELECT client, accesses FROM activity UNION ALL SELECT client, accesses FROM clients ORDER BY client, accesses

-- ? except
SELECT environment, actor_id FROM users EXCEPT SELECT environment, actor_id FROM sessions ORDER BY environment, actor_id

-- ? intersect
SELECT environment, actor_id FROM users INTERSECT SELECT environment, actor_id FROM sessions ORDER BY environment, actor_id

-- ? limit and offset
SELECT environment, created_on, audit_id FROM audit ORDER BY created_on DESC, audit_id, environment LIMIT 7 OFFSET 3

-- ? changed data
SELECT audit_id, change_data FROM change WHERE change_data LIKE '%name%' ORDER BY environment, created_on, audit_id

-- ? who did what to which table
SELECT object_type, count(*) AS total, count(DISTINCT object_id) AS objects, count(DISTINCT user_id) AS people
FROM change GROUP BY object_type ORDER BY total DESC, object_type

-- ? control rows
SELECT environment, created_on, action, user_id FROM control ORDER BY environment, created_on, audit_id

-- ? control timeline
SELECT * FROM control_timeline ORDER BY environment, created_on, action, user_id, object_id

-- ? gaps with seconds
SELECT environment, scope, state, duration_s, CAST(ended_on - started_on AS BIGINT) AS micros FROM gaps
ORDER BY environment, scope, started_on, not_before, object_id

-- ? whole clients
SELECT * FROM clients ORDER BY environment, grain, period_start, client

-- ? dark days
SELECT environment, date, coverage FROM coverage WHERE coverage < 1 ORDER BY environment, date

-- ? known users
SELECT environment, user_id, full_name, is_disabled, access_mode, exported_on FROM systemusers ORDER BY environment, user_id

-- ? names
SELECT environment, id, count(*) AS names, max(seen_on) AS last_on FROM names GROUP BY environment, id ORDER BY environment, id

-- ? organizations
SELECT environment, organization_id, name, user_access_auditing_interval_h FROM organizations ORDER BY environment, organization_id

-- ? true and false
SELECT deleted_in_source, count(*) AS total FROM audit WHERE deleted_in_source OR NOT deleted_in_source
GROUP BY deleted_in_source ORDER BY deleted_in_source

-- ? a column as a condition
SELECT count(*) AS total FROM audit WHERE deleted_in_source

-- ? a long list
SELECT count(*) AS total FROM audit WHERE action IN (1, 2, 3, 13, 14, 64, 65, 104, 107, 110, 112, 113)

-- ? nested
SELECT day, max(total) AS most FROM (SELECT created_date AS day, actor_id, count(*) AS total
FROM access GROUP BY created_date, actor_id) AS per_day GROUP BY day ORDER BY day

-- ? a scalar subquery
SELECT environment, actor_id, started_on FROM sessions
WHERE accesses IN (SELECT max(accesses) FROM sessions) ORDER BY environment, actor_id, started_on

-- ? exists
SELECT u.environment, u.actor_id FROM users AS u
WHERE EXISTS (SELECT 1 FROM sessions AS s WHERE s.actor_id = u.actor_id AND s.environment = u.environment AND s.client = 'mixed')
ORDER BY u.environment, u.actor_id

-- ? a time as SQL writes it
SELECT count(*) AS total FROM access WHERE created_on >= TIMESTAMP '2026-03-20 00:00:00' AND created_date < DATE '2026-04-01'

-- ? a local day
SELECT audit_id, change_data, created_date, created_hour FROM change WHERE created_date = '2026-03-29' AND created_hour < 12
ORDER BY environment, created_on, audit_id

-- ? of two environments in one
SELECT a.actor_id, count(*) AS total FROM access AS a JOIN access AS b
ON a.environment = b.environment AND a.created_date = b.created_date AND a.actor_id = b.actor_id
WHERE a.action < b.action GROUP BY a.actor_id ORDER BY a.actor_id

-- ? conditions of every kind
SELECT 1 AS number, count(*) AS total FROM audit WHERE CASE WHEN action > 60 THEN operation = 4 ELSE created_hour < 12 END
UNION ALL SELECT 2, count(*) FROM audit WHERE (action + operation) % 3 = 1
UNION ALL SELECT 3, count(*) FROM audit WHERE length(coalesce(object_name, '')) > 12 OR object_type IS NULL
UNION ALL SELECT 4, count(*) FROM audit WHERE NOT (user_id = actor_id)
UNION ALL SELECT 5, count(*) FROM audit WHERE CAST(action AS VARCHAR) LIKE '6%'
UNION ALL SELECT 6, count(*) FROM audit WHERE 2 > 1
UNION ALL SELECT 7, count(*) FROM audit WHERE calling_user_id IS NULL AND user_id IS NOT NULL
UNION ALL SELECT 8, count(*) FROM audit WHERE created_date BETWEEN '2026-03-28' AND '2026-03-30'
UNION ALL SELECT 9, count(*) FROM audit WHERE user_id < actor_id
UNION ALL SELECT 10, count(*) FROM audit WHERE lower(object_name) IN ('account', 'contact') OR action NOT IN (1, 2, 64)
ORDER BY 1

-- ? a condition on what a window says
SELECT environment, actor_id, created_on, audit_id FROM access WHERE actor_id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY environment, actor_id ORDER BY created_on, audit_id) = 2
ORDER BY environment, actor_id

-- ? a condition on a group
SELECT * FROM (SELECT actor_id, count(*) AS total FROM access GROUP BY actor_id) AS per_actor
WHERE total > 10 AND actor_id IS NOT NULL ORDER BY actor_id

-- ? the top of an order
SELECT environment, created_on, audit_id, change_data FROM change ORDER BY created_on DESC, audit_id LIMIT 5
