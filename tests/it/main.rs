//! The integration tests: the program and the library as a user meets them. One binary, so that it links once.

mod ask; // what `query` and `schema` print, and what they refuse
mod bad_input; // what cannot be read is refused or set aside with a sentence, and costs nobody else
mod cases; // every case of sample-data/, as its README says
mod cli; // golden texts of what the program prints
mod compaction; // small files become one per month
mod conformance; // what the grammars of JSON and CSV accept and reject, case by case
mod containers; // Synapse Link on disk: every row once, whatever part is named
mod coverage_rules; // contract rules of coverage, activity and control
mod crash; // L4: kills before, within and after a commit
mod dark_windows; // a year in which auditing was off at times: what is found, and who is not called inactive
mod encoded; // compressed, packed and UTF-16 exports are the same lake; what breaks off keeps its records
mod every_form; // one log in every form that carries ids: the same reports
mod explain; // what stands behind a session, a status or a number
mod fault_disk; // a disk that fails at one step, in one of several ways
mod faults; // L4: every fault at every step that changes a file
mod fuzz_smoke; // every fuzz target for a moment
mod gap_rules; // contract rules of the gaps report that no unit test shows
mod header_edges; // headers of tools at their edges
mod header_families; // a small export per family of headers, and what it says
mod headers; // the headers that tools write
mod hostile; // the table of hostile and broken input: exit code, what is kept, what is rejected
mod kills; // L4: the program itself, killed at hundreds of moments
mod lake; // the lake's contract, read back: columns, order, partitions, encodings, manifest (L5, L6)
mod layouts; // lakes of every layout that was ever written
mod ledger; // the books beside the manifest: lost, cut, longer than they count
mod legs; // L2: a log that several cores read at once
mod lock; // one writer at a time, and who waits
mod logs; // small logs of the tests' own making, in each form
mod model; // the tables of a model for BI: keys that join, a calendar without a hole
mod neighbours; // one bad record never costs its neighbours
mod nightly; // L9: a year of nightly exports
mod older; // lakes in which an older version set aside what this one understands
mod oracle; // L8: reports equal their queries/*.sql on DuckDB
mod packed; // the same table for bombs, damaged streams and archives
mod pages; // OData JSON in every shape
mod properties; // L1, L2, L3, L9 on made-up logs and arbitrary bytes
mod python; // a Python with DuckDB
mod query; // questions in SQL, compared with DuckDB on all rows
mod readers; // readers while a lake is written: DuckDB and the program itself
mod rejects; // what was set aside: listing it, and the limit of it
mod replay; // what was set aside, read again
mod replay_crash; // L4: kills of a replay
mod report_memory; // L2: sessions that spill to a file, several environments
mod rules; // contract rules of sessions and clients that no unit test shows
mod runs; // what each run leaves behind
mod sabotage; // what can be wrong with a lake, one thing at a time
mod side_tables; // users and organizations beside the log
mod silence_found; // a year with planted holes: how many are found, and what is told besides
mod silence_holes; // silences that a missing or broken input explains, whatever came first
mod silence_rules; // rules of silence, on logs whose numbers can be worked out by hand
mod status; // what is known of each environment, number by number
mod support; // what the tests share
mod surroundings; // what happens around an input: links, names, pipes, files that grow, memory
mod synapse; // headerless rows of Synapse Link, and a small writer of containers
mod tampered; // a lake that is whole, and the tools to tamper with it
mod tidy; // headers, sizes, doors, and the direction of dependencies
mod typed; // Parquet, workbooks and Delta tables, written by other programs
mod user_rules; // contract rules of users
mod verify; // every statement of the manifest, checked: L1, L5, L6
mod versions; // later versions of a row, and deletions, as Synapse Link appends them
mod versions_crash; // L4: kills while later versions of rows are committed
mod xml; // SOAP and FetchXML exports, written and read
