#!/usr/bin/env bash
# Runs every target for so many seconds: ./run_all.sh 180
set -u
cd "$(dirname "$0")"
for target in json csv xml decode parquet workbook delta model instant; do
  mkdir -p "corpus/$target"
  RUSTC_BOOTSTRAP=1 cargo fuzz run -s none --fuzz-dir "$PWD" "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="${1:-180}" -rss_limit_mb=1024 -timeout=20 -max_len=16384 -print_final_stats=1 2>&1 | tail -40 > "corpus/$target.log"
  echo "$target: $(grep -E 'stat::number_of_executed_units|stat::peak_rss_mb|ERROR|panicked|Test unit' "corpus/$target.log" | tr '\n' ' ')"
done
