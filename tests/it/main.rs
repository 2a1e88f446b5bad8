//! The integration tests: the program and the library as a user meets them. One binary, so that it links once.

mod cases; // every case of sample-data/, as its README says
mod logs; // small logs of the tests' own making, in each form
mod oracle; // L8: reports equal their queries/*.sql on DuckDB
mod support; // what the tests share
