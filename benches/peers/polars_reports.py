"""Reports from a lake by polars, as fast as we know how.

    polars_reports.py sessions|clients|gaps|coverage|users|activity LAKE OUT.parquet

Sessions: a lake's files are sorted by time, and rows keep their order within a group, so grouping by actor sorts by
(actor, time) without a comparison; then a row starts a session where it is too far from the row before, and a session's length
and counts are differences between its first row and that of the next one. Nothing is hashed or sorted per session.
"""

import polars as pl

import shared

TYPES = {"text": pl.String, "time": pl.Datetime("us", "UTC"), "int64": pl.Int64}
col = pl.col


class Lake:
    """A lake with its access rows as `access`, its window and its intervals (microseconds)."""

    def __init__(self, folder):
        self.folder = folder
        rows = pl.scan_parquet(shared.access_files(folder), hive_partitioning=False)
        self.access = rows.select("actor_id", us=col("created_on").dt.timestamp("us"), web=col("action") == 64)

    def window(self):
        edge = pl.scan_parquet(shared.edge_files(self.folder), hive_partitioning=False).select("created_on")
        us = col("created_on").dt.timestamp("us")
        return edge.select(us.min().alias("start"), us.max().alias("end")).collect(engine="streaming").row(0)

    def interval(self):
        rows = pl.read_parquet(f"{self.folder}/organizations/*.parquet").sort("exported_on")
        hours = rows["user_access_auditing_interval_h"].last() if rows.height else None
        return (4 if hours is None else hours) * 3_600_000_000

    def gaps(self, log_start, log_end):
        control = pl.scan_parquet(shared.control_files(self.folder), hive_partitioning=False)
        switches = control.select(col("created_on").dt.timestamp("us"), "audit_id", "action", "object_id", "user_id").collect()
        newest = lambda us: self.access.filter(col("us") <= us).select(col("us").max()).collect(engine="streaming").item()
        return shared.gaps(switches.rows(), log_start, log_end, newest)

    def names(self):
        """The newest name of each id."""
        names = pl.read_parquet(f"{self.folder}/names/*.parquet", columns=["id", "name", "seen_on"])
        users = pl.read_parquet(f"{self.folder}/users/*.parquet", columns=["user_id", "full_name", "exported_on"])
        both = [names.with_columns(is_state=0), users.rename(dict(zip(users.columns, names.columns))).with_columns(is_state=1)]
        newest = pl.concat(both).drop_nulls("name").sort("seen_on", "is_state", "name", nulls_last=False)
        return newest.group_by("id").agg(col("name").last())

    def by_actor(self):
        """The accesses of each actor in the order of time, and the actors in that of their ids: (actor_id, us, web) lists."""
        access = self.access.drop_nulls("actor_id")
        if not shared.is_in_time_order(self.folder):
            access = access.sort("us", maintain_order=True)
        ids = access.select(col("actor_id").unique()).collect(engine="streaming")["actor_id"].sort()
        numbered = access.with_columns(col("actor_id").cast(pl.Enum(ids)).to_physical().alias("nr")).select("nr", "us", "web")
        return ids, numbered.collect().group_by("nr").agg("us", "web").sort("nr")

    def sessions(self, session_gap):
        """The actors' ids, and nr (place among them), started_us, seen_us, accesses, web; sorted."""
        ids, lists = self.by_actor()
        rows = lists.explode("us", "web")
        web = col("web").cast(pl.Int64)
        first = (
            rows.lazy()
            .select("nr", "us", place=pl.int_range(pl.len()), us_before=col("us").shift(), web_before=web.cum_sum() - web)
            .filter((col("nr") != col("nr").shift()).fill_null(True) | (col("us") - col("us_before") > session_gap))
        )
        web_total = rows["web"].sum()
        return ids, first.select(
            "nr", started_us="us",
            seen_us=col("us_before").shift(-1, fill_value=rows["us"].last()),
            accesses=col("place").shift(-1, fill_value=rows.height) - col("place"),
            web=col("web_before").shift(-1, fill_value=web_total) - col("web_before"),
        ).collect()


def instant(us):
    return pl.from_epoch(us, "us").dt.replace_time_zone("UTC")


def client(web):
    return pl.when(web).then(pl.lit("web")).otherwise(pl.lit("web_services")).alias("client")


def write(rows, out):
    rows.select(pl.lit(shared.ENVIRONMENT).alias("environment"), pl.all()).write_parquet(out, compression="zstd", compression_level=1)


def sessions(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    interval = lake.interval()
    session_gap = interval * 3 // 2
    schema = dict.fromkeys(["start_us", "end_us", "ended_us"], pl.Int64)
    effective = pl.DataFrame(shared.effective(lake.gaps(log_start, log_end)), schema=schema, orient="row")
    ids, found = lake.sessions(session_gap)
    started, seen, start, end, ended = (col(name) for name in ("started_us", "seen_us", "start_us", "end_us", "ended_us"))
    # Gaps are apart and sorted: a session is near one if the first that ends late enough begins early enough.
    found = found.with_row_index("number")
    first_gap = effective["end_us"].search_sorted(found["started_us"] - session_gap, side="left")
    begins = effective["start_us"].extend_constant(None, 1)
    near = found.filter(begins.gather(first_gap) <= found["seen_us"] + interval)
    cut = (
        near.join(effective, how="cross").filter(end >= started - session_gap, start <= seen + interval)
        .group_by("number").agg(
            before=((ended > started - session_gap) & (ended <= started)).fill_null(False).any(),
            after=((start >= seen) & (start < seen + interval)).any(),
            dark_us=(pl.min_horizontal(end, seen) - pl.max_horizontal(start, started)).clip(lower_bound=0).sum(),
        )
    )
    actors = pl.DataFrame({"id": ids}).join(lake.names(), on="id", how="left", maintain_order="left")
    cut_before = pl.when("before").then(pl.lit("audit_gap")).when(started < log_start + session_gap).then(pl.lit("log_start"))
    cut_after = pl.when("after").then(pl.lit("audit_gap")).when(seen > log_end - interval).then(pl.lit("log_end"))
    accesses, web = col("accesses"), col("web")
    result = found.lazy().join(cut.lazy(), on="number", how="left", maintain_order="left").select(
        actor_id=pl.lit(actors["id"]).gather(col("nr")),
        actor_name=pl.lit(actors["name"]).gather(col("nr")),
        started_on=instant(started), last_seen_on=instant(seen), started_date=instant(started).dt.date(),
        duration_min_s=(seen - started) // 1_000_000,
        duration_max_s=pl.when(cut_after.is_null()).then((seen + interval - started) // 1_000_000),
        accesses=accesses, web_accesses=web, web_services_accesses=accesses - web,
        client=pl.when(web == accesses).then(pl.lit("web"))
        .when(web == 0).then(pl.lit("web_services")).otherwise(pl.lit("mixed")),
        start_censored=cut_before, end_censored=cut_after, audit_gap_s=col("dark_us").fill_null(0) // 1_000_000,
    )
    write(result.collect(), out)


def clients(folder, out):
    lake = Lake(folder)
    log_start, _ = lake.window()
    _, found = lake.sessions(lake.interval() * 3 // 2)
    day = (col("us") // shared.DAY).cast(pl.Int32).cast(pl.Date).alias("day")
    access = lake.access.group_by(day, "web", "actor_id").agg(accesses=pl.len().cast(pl.Int64)).collect(engine="streaming")
    started = (col("started_us") // shared.DAY).cast(pl.Int32).cast(pl.Date).alias("day")
    by_day = found.group_by(started).agg(yes=(col("web") > 0).sum(), no=(col("web") < col("accesses")).sum())
    session = pl.concat(
        by_day.select("day", web=pl.lit(flag), sessions=col(name).cast(pl.Int64)).filter(col("sessions") > 0)
        for name, flag in (("yes", True), ("no", False))
    )
    event = pl.concat([access, session], how="diagonal")
    begin = pl.lit(log_start // shared.DAY, pl.Int32).cast(pl.Date)
    grains = {"all": begin, "day": col("day"), "month": col("day").dt.truncate("1mo"), "week": col("day").dt.truncate("1w")}
    counted = pl.concat(
        event.group_by(start.alias("period_start"), "web").agg(
            grain=pl.lit(grain), accesses=col("accesses").sum(),
            actors=col("actor_id").drop_nulls().n_unique().cast(pl.Int64), sessions=col("sessions").sum(),
        )
        for grain, start in grains.items()
    )
    share = col("accesses") / col("accesses").sum().over("grain", "period_start")
    result = counted.select("grain", "period_start", client(col("web")), "accesses", "actors", "sessions", share=share)
    write(result.sort("grain", "period_start", "client"), out)


def activity(folder, out):
    us = col("us")
    # 1970-01-01 was a Thursday, three days after a Monday.
    rows = Lake(folder).access.group_by(
        weekday=((us // shared.DAY + 3) % 7 + 1).cast(pl.Int32),
        hour=(us % shared.DAY // 3_600_000_000).cast(pl.Int32), web="web",
    ).agg(accesses=pl.len().cast(pl.Int64), actors=col("actor_id").drop_nulls().n_unique().cast(pl.Int64))
    result = rows.select("weekday", "hour", client(col("web")), "accesses", "actors").sort("weekday", "hour", "client")
    write(result.collect(engine="streaming"), out)


def coverage(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    days = shared.covered_days(log_start, log_end, shared.effective(lake.gaps(log_start, log_end)))
    schema = {"day": pl.Int64, "audited_s": pl.Int64, "gap_s": pl.Int64, "coverage": pl.Float64}
    used = lake.access.group_by(day=col("us") // shared.DAY).agg(
        accesses=pl.len().cast(pl.Int64), actors=col("actor_id").drop_nulls().n_unique().cast(pl.Int64)
    ).collect(engine="streaming")
    rows = pl.DataFrame(days, schema=schema, orient="row").join(used, on="day", how="left").sort("day")
    date = col("day").cast(pl.Int32).cast(pl.Date).alias("date")
    write(rows.select(date, "audited_s", "gap_s", "coverage", col("accesses", "actors").fill_null(0)), out)


def users(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    effective = shared.effective(lake.gaps(log_start, log_end))
    since, share = shared.recent(log_start, log_end, effective)
    session_gap = lake.interval() * 3 // 2
    ids, lists = lake.by_actor()
    rows = lists.explode("us", "web").lazy()
    us, web = col("us"), col("web")
    starts = (col("nr") != col("nr").shift()).fill_null(True)
    seen = (
        rows.with_columns(
            starts=starts | (us.diff() > session_gap),
            new_day=starts | (us // shared.DAY != (us // shared.DAY).shift()),
        )
        .group_by("nr").agg(
            first_us=us.min(), last_us=us.max(), web_us=us.filter(web).max(), services_us=us.filter(~web).max(),
            accesses=pl.len().cast(pl.Int64), web_accesses=web.sum().cast(pl.Int64),
            sessions=col("starts").sum().cast(pl.Int64), active_days=col("new_day").sum().cast(pl.Int64),
        )
        .collect().with_columns(actor_id=pl.lit(ids).gather(col("nr")))
    )
    state = pl.read_parquet(f"{folder}/users/*.parquet")
    known = state.select(
        actor_id="user_id",
        kind=pl.when(col("is_disabled") | col("deleted_in_source")).then(pl.lit("disabled"))
        .when(col("application_id").is_not_null()).then(pl.lit("application"))
        .when(col("access_mode") == 4).then(pl.lit("non_interactive")).otherwise(pl.lit("person")),
    )
    last, accesses, by_web = col("last_us"), col("accesses"), col("web_accesses")
    dark = pl.lit(0)
    for start, end, _ in effective:
        dark = dark + pl.when(last < end).then(end - pl.max_horizontal(last, pl.lit(start))).otherwise(0)
    never_or_long_ago = pl.when(accesses > 0).then(pl.lit("inactive")).otherwise(pl.lit("never_seen"))
    silent = never_or_long_ago if share >= 0.9 else pl.lit("unknown")
    everybody = seen.join(known, on="actor_id", how="full", coalesce=True)
    result = everybody.lazy().join(lake.names().lazy(), left_on="actor_id", right_on="id", how="left").select(
        "actor_id", actor_name="name", kind=col("kind").fill_null("unknown"),
        first_access_on=instant(col("first_us")), last_access_on=instant(last),
        last_web_on=instant(col("web_us")), last_web_services_on=instant(col("services_us")),
        accesses=accesses.fill_null(0), web_accesses=by_web.fill_null(0),
        web_services_accesses=(accesses - by_web).fill_null(0),
        sessions=col("sessions").fill_null(0), active_days=col("active_days").fill_null(0),
        client_usage=pl.when(by_web == accesses).then(pl.lit("web_only"))
        .when(by_web == 0).then(pl.lit("web_services_only")).when(accesses > 0).then(pl.lit("both")),
        days_since_last_access=(log_end - last) // shared.DAY,
        coverage_since_last=pl.when(last < log_end).then((log_end - last - dark) / (log_end - last)),
        status=pl.when(last >= since).then(pl.lit("active")).otherwise(silent),
    )
    write(result.sort("actor_id").collect(), out)


def gaps(folder, out):
    lake = Lake(folder)
    log_start, log_end = lake.window()
    interval = lake.interval()
    session_gap = interval * 3 // 2
    found = lake.gaps(log_start, log_end)
    at = col("created_on")
    spans = sorted({(g["start_us"], g["end_us"]) for g in found})
    wanted = []
    # Windows are few and mostly short: each reads only the months, and in them the row groups, that it needs.
    for start, end in spans:
        inside = scan(folder, "*", start, end).filter(at > moment(start), at < moment(end))
        wanted.append(inside.select(accesses=(col("kind") == "access").sum(), changes=(col("kind") == "change").sum()))
        # A session ends at an access that its actor follows by none within the session gap.
        near = scan(folder, "access", start - interval, start + session_gap).filter(
            at >= moment(start - interval), at <= moment(start + session_gap), col("actor_id").is_not_null()
        )
        wanted.append(
            near.select("actor_id", us=at.dt.timestamp("us")).sort("actor_id", "us").with_columns(
                follows=(col("actor_id") == col("actor_id").shift(-1)) & (col("us").shift(-1) - col("us") <= session_gap)
            ).select(
                actors=col("actor_id").filter(col("us") < start).n_unique(),
                ends=((col("us") > start - interval) & (col("us") <= start) & ~col("follows").fill_null(False)).sum(),
            )
        )
    got = [frame.row(0) for frame in pl.collect_all(wanted)]
    counts = {span: got[2 * number] + got[2 * number + 1] for number, span in enumerate(spans)}
    names = dict(lake.names().rows())
    schema = {name: TYPES["int64" if kind == "time" else kind] for name, kind in shared.GAP_COLUMNS.items()}
    result = pl.DataFrame(shared.gap_rows(found, names, counts), schema=schema, orient="row")
    write(result.with_columns(instant(col(name)).alias(name) for name, kind in shared.GAP_COLUMNS.items() if kind == "time")
          .drop("environment"), out)


def scan(folder, kind, start, end):
    return pl.scan_parquet(shared.files_between(folder, kind, start, end), hive_partitioning=False)


def moment(us):
    return pl.lit(us).cast(TYPES["time"])


if __name__ == "__main__":
    jobs = {"sessions": sessions, "clients": clients, "gaps": gaps, "coverage": coverage, "users": users, "activity": activity}
    shared.main(jobs)
