//! The integration tests: the program and the library as a user meets them. One binary, so that it links once.

mod bad_input; // what cannot be read is refused or set aside with a sentence, and costs nobody else
mod cases; // every case of sample-data/, as its README says
mod cli; // golden texts of what the program prints
mod crash; // L4: kills before, within and after a commit
mod gap_rules; // contract rules of the gaps report that no unit test shows
mod lake; // the lake's contract, read back: columns, order, partitions, encodings, manifest (L5, L6)
mod logs; // small logs of the tests' own making, in each form
mod neighbours; // one bad record never costs its neighbours
mod oracle; // L8: reports equal their queries/*.sql on DuckDB
mod properties; // L1, L2, L3, L9 on made-up logs and arbitrary bytes
mod python; // a Python with DuckDB
mod rules; // contract rules of sessions and clients that no unit test shows
mod support; // what the tests share
mod tidy; // headers, sizes, doors, and the direction of dependencies
mod xml; // SOAP and FetchXML exports, written and read
