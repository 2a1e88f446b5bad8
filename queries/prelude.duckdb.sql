-- DuckDB's side of the reports (2.0 or newer): the functions that Spark names otherwise, and the lake as views.
-- The lake's folder stands for {lake}. Everything else is in the reports themselves.
--
-- A lake has no file of what it has nothing of: without rejects there is no rejects/*.parquet. DuckDB then answers with
-- no row of a column `empty`; so each view begins with no row of the columns that reports read, and takes what there is.

SET TimeZone = 'UTC';

CREATE OR REPLACE MACRO unix_micros(instant) AS epoch_us(instant);
CREATE OR REPLACE MACRO local_date(instant, zone) AS CAST(timezone(zone, CAST(instant AS TIMESTAMPTZ)) AS DATE);
CREATE OR REPLACE MACRO local_time(instant, zone) AS timezone(zone, CAST(instant AS TIMESTAMPTZ));
CREATE OR REPLACE MACRO timestamp_micros(micros) AS make_timestamp(micros);
CREATE OR REPLACE MACRO sequence(first, last, step) AS generate_series(first, last, step);
CREATE OR REPLACE MACRO explode(list) AS unnest(list);

-- environment, kind and month stand in the files, so the folder names are not read.
CREATE OR REPLACE VIEW audit AS
    SELECT * EXCLUDE ("empty")
    FROM (
        SELECT NULL::VARCHAR AS environment, NULL::VARCHAR AS kind, NULL::TIMESTAMPTZ AS created_on,
            NULL::VARCHAR AS audit_id, NULL::INTEGER AS action, NULL::VARCHAR AS object_id, NULL::VARCHAR AS user_id,
            NULL::VARCHAR AS actor_id, NULL::BOOLEAN AS "empty"
        WHERE false
        UNION ALL BY NAME
        FROM read_parquet('{lake}/audit/**/*.parquet', hive_partitioning = false, allow_empty = true)
    );

-- While a commit runs, a side table may be there twice: the later one counts. (Layout 1 had it beside the folders.)
CREATE OR REPLACE MACRO latest(patterns) AS TABLE
    FROM (
        SELECT NULL::VARCHAR AS filename WHERE false
        UNION ALL BY NAME
        FROM read_parquet(patterns, filename = true, allow_empty = true)
    )
    QUALIFY filename = max(filename) OVER ();
CREATE OR REPLACE VIEW names AS
    SELECT environment, id, name, seen_on
    FROM (
        SELECT NULL::VARCHAR AS environment, NULL::VARCHAR AS id, NULL::VARCHAR AS name, NULL::TIMESTAMPTZ AS seen_on
        WHERE false
        UNION ALL BY NAME
        FROM latest(['{lake}/names.parquet', '{lake}/names/*.parquet'])
    );
CREATE OR REPLACE VIEW users AS
    SELECT * EXCLUDE (filename, "empty")
    FROM (
        SELECT NULL::VARCHAR AS environment, NULL::VARCHAR AS user_id, NULL::VARCHAR AS full_name,
            NULL::BOOLEAN AS is_disabled, NULL::INTEGER AS access_mode, NULL::VARCHAR AS application_id,
            NULL::BOOLEAN AS deleted_in_source, NULL::TIMESTAMPTZ AS exported_on, NULL::BOOLEAN AS "empty"
        WHERE false
        UNION ALL BY NAME
        FROM latest(['{lake}/users.parquet', '{lake}/users/*.parquet'])
    );
CREATE OR REPLACE VIEW organizations AS
    SELECT * EXCLUDE (filename, "empty")
    FROM (
        SELECT NULL::VARCHAR AS environment, NULL::VARCHAR AS organization_id, NULL::VARCHAR AS name,
            NULL::BOOLEAN AS is_audit_enabled, NULL::BOOLEAN AS is_user_access_audit_enabled,
            NULL::INTEGER AS user_access_auditing_interval_h, NULL::TIMESTAMPTZ AS modified_on,
            NULL::BIGINT AS version_number, NULL::TIMESTAMPTZ AS exported_on, NULL::BOOLEAN AS "empty"
        WHERE false
        UNION ALL BY NAME
        FROM latest(['{lake}/organizations.parquet', '{lake}/organizations/*.parquet'])
    );

-- What was set aside.
CREATE OR REPLACE VIEW rejects AS
    SELECT source, code
    FROM (
        SELECT NULL::VARCHAR AS source, NULL::VARCHAR AS code
        WHERE false
        UNION ALL BY NAME
        FROM read_parquet('{lake}/rejects/*.parquet', union_by_name = true, allow_empty = true)
    );

-- Every input there was, and its first and last access by environment. Lakes of layouts before 3 do not say.
-- Lines that are not committed yet, and perhaps not whole, do not count.
CREATE OR REPLACE VIEW ledger AS
    SELECT unnest(inputs, max_depth := 2)
    FROM (
        SELECT NULL::BIGINT AS generation,
            NULL::STRUCT(name VARCHAR, accesses STRUCT(environment VARCHAR, first_on_us BIGINT, last_on_us BIGINT)[])[] AS inputs
        WHERE false
        UNION ALL BY NAME
        FROM read_json('{lake}/ledger/commits.jsonl', format = 'newline_delimited', ignore_errors = true, allow_empty = true,
            maximum_object_size = 134217728, columns = {
                'generation': 'BIGINT',
                'inputs': 'STRUCT(name VARCHAR, accesses STRUCT(environment VARCHAR, first_on_us BIGINT, last_on_us BIGINT)[])[]'
            })
    )
    WHERE generation <= (SELECT generation FROM read_json('{lake}/manifest.json', columns = {'generation': 'BIGINT'}));
CREATE OR REPLACE VIEW inputs AS SELECT name FROM ledger;
CREATE OR REPLACE VIEW input_accesses AS
    SELECT name, environment, make_timestamptz(first_on_us) AS first_on, make_timestamptz(last_on_us) AS last_on
    FROM (SELECT name, unnest(accesses, max_depth := 2) FROM ledger);
