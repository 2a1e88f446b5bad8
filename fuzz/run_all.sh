#!/usr/bin/env bash
# Builds every target, then runs each for so many seconds: ./run_all.sh 180
set -u
cd "$(dirname "$0")"
RUSTC_BOOTSTRAP=1 cargo fuzz build -s none --fuzz-dir "$PWD" || exit
binaries="${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release"
for target in json csv xml decode parquet workbook delta model instant; do
  mkdir -p "corpus/$target" "artifacts/$target"
  "$binaries/$target" -artifact_prefix="artifacts/$target/" -max_total_time="${1:-180}" -rss_limit_mb=1024 -timeout=20 \
    -max_len=16384 -print_final_stats=1 "corpus/$target" "seeds/$target" 2>&1 | tail -n 40 > "corpus/$target.log"
  echo "$target: $(grep -E 'stat::|ERROR|panicked|Test unit' "corpus/$target.log" | tr -s ' \n' ' ')"
done
