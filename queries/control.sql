-- control: who changed auditing itself, when and how, in plain language.
--
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
meant AS (
  SELECT action, action_name, meaning
  FROM (VALUES
    (102, 'Audit Change at Entity Level',
      'The audit setting of a table was changed.'),
    (103, 'Audit Change at Attribute Level',
      'The audit setting of a column was changed.'),
    (104, 'Audit Change at Org Level',
      'An audit setting of the organization was changed.'),
    (105, 'Entity Audit Started',
      'Auditing of a table was started: from here on its changes are logged.'),
    (106, 'Attribute Audit Started',
      'Auditing of a column was started: from here on its changes are logged.'),
    (107, 'Audit Enabled',
      'Auditing of the organization was started: from here on accesses and changes can be logged.'),
    (108, 'Entity Audit Stopped',
      'Auditing of a table was stopped: its changes are not logged until it is started again.'),
    (109, 'Attribute Audit Stopped',
      'Auditing of a column was stopped: its changes are not logged until it is started again.'),
    (110, 'Audit Disabled',
      'Auditing of the organization was stopped: neither accesses nor changes are logged until it is started again.'),
    (111, 'Audit Log Deletion',
      'Audit logs were deleted: earlier rows may be missing, so their absence proves nothing.'),
    (112, 'User Access Audit Started',
      'Auditing of user access was started: from here on accesses are logged.'),
    (113, 'User Access Audit Stopped',
      'Auditing of user access was stopped: accesses are not logged until it is started again.')
  ) AS m(action, action_name, meaning)
)
SELECT
  l.environment,
  l.created_on,
  l.action,
  m.action_name,
  m.meaning,
  l.action = 111 AS is_log_deletion,
  l.user_id,
  n.name AS user_name,
  l.object_id
FROM logged AS l
LEFT JOIN meant AS m ON m.action = l.action
LEFT JOIN newest_name AS n ON n.environment = l.environment AND n.id = l.user_id
WHERE l.kind = 'control'
  AND (CAST($from_on AS TIMESTAMP) IS NULL OR l.created_on >= CAST($from_on AS TIMESTAMP))
  AND (CAST($to_on AS TIMESTAMP) IS NULL OR l.created_on < CAST($to_on AS TIMESTAMP))
-- The names follow from action and id.
ORDER BY
  l.environment, l.created_on, l.action, l.user_id NULLS LAST, l.object_id NULLS LAST
