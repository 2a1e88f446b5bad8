-- DuckDB's side of the reports: the functions that Spark names otherwise, and the lake as four views.
-- The harness puts the lake's folder where {lake} stands. Everything else is in the reports themselves.

SET TimeZone = 'UTC';

CREATE OR REPLACE MACRO unix_micros(instant) AS epoch_us(instant);
CREATE OR REPLACE MACRO local_date(instant, zone) AS CAST(timezone(zone, CAST(instant AS TIMESTAMPTZ)) AS DATE);
CREATE OR REPLACE MACRO local_time(instant, zone) AS timezone(zone, CAST(instant AS TIMESTAMPTZ));
CREATE OR REPLACE MACRO timestamp_micros(micros) AS make_timestamp(micros);
CREATE OR REPLACE MACRO sequence(first, last, step) AS generate_series(first, last, step);
CREATE OR REPLACE MACRO explode(list) AS unnest(list);

-- environment, kind and month stand in the files, so the folder names are not read.
CREATE OR REPLACE VIEW audit AS SELECT * FROM read_parquet('{lake}/audit/**/*.parquet', hive_partitioning = false);

-- While a commit runs, a side table may be there twice: the later one counts.
CREATE OR REPLACE MACRO latest(pattern) AS TABLE
    SELECT * EXCLUDE (filename) FROM read_parquet(pattern, filename = true) QUALIFY filename = max(filename) OVER ();
CREATE OR REPLACE VIEW names AS FROM latest('{lake}/names/*.parquet');
CREATE OR REPLACE VIEW users AS FROM latest('{lake}/users/*.parquet');
CREATE OR REPLACE VIEW organizations AS FROM latest('{lake}/organizations/*.parquet');

-- What was set aside, and every input there was. (Lakes of layouts before 3 name their inputs in manifest.json.)
CREATE OR REPLACE VIEW rejects AS
    SELECT source, code FROM read_parquet('{lake}/rejects/*.parquet', union_by_name = true);
CREATE OR REPLACE VIEW inputs AS
    SELECT unnest(inputs, max_depth := 2)
    FROM read_json('{lake}/ledger/commits.jsonl', columns = {'inputs': 'STRUCT(name VARCHAR)[]'});
