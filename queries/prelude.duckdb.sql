-- DuckDB's side of the reports: two functions that Spark names otherwise, and the lake as four views.
-- The harness puts the lake's folder where {lake} stands. Everything else is in the reports themselves.

SET TimeZone = 'UTC';

CREATE OR REPLACE MACRO unix_micros(instant) AS epoch_us(instant);
CREATE OR REPLACE MACRO local_date(instant, zone) AS CAST(timezone(zone, CAST(instant AS TIMESTAMPTZ)) AS DATE);

-- environment, kind and month stand in the files, so the folder names are not read.
CREATE OR REPLACE VIEW audit AS SELECT * FROM read_parquet('{lake}/audit/**/*.parquet', hive_partitioning = false);
CREATE OR REPLACE VIEW names AS SELECT * FROM read_parquet('{lake}/names.parquet');
CREATE OR REPLACE VIEW users AS SELECT * FROM read_parquet('{lake}/users.parquet');
CREATE OR REPLACE VIEW organizations AS SELECT * FROM read_parquet('{lake}/organizations.parquet');
