"""What the peers' programs have in common: where columns come from, the files of a lake, and the few control rows.

A lake of a benchmark has one environment, and every actor has an id; so the peers spend no work on other cases. What is
tiny whatever the size of the log (switches of auditing, the gaps between them, days) is plain Python for all of them.
"""

import glob
import json
import sys
import time
from datetime import datetime, timezone

ENVIRONMENT = "bench"
FORMATTED = "@OData.Community.Display.V1.FormattedValue"

# The lake's columns that are copied: type, name in Web API exports (NDJSON, OData, CSV), name in Synapse Link's model.
COLUMNS = {
    "audit_id": ("text", "auditid", "auditid"),
    "created_on": ("time", "createdon", "createdon"),
    "action": ("int32", "action", "action"),
    "operation": ("int32", "operation", "operation"),
    "object_type": ("text", "objecttypecode", "objecttypecode"),
    "object_id": ("text", "_objectid_value", "objectid"),
    "object_name": ("text", "_objectid_value" + FORMATTED, "objectidname"),
    "user_id": ("text", "_userid_value", "userid"),
    "user_name": ("text", "_userid_value" + FORMATTED, "useridname"),
    "calling_user_id": ("text", "_callinguserid_value", "callinguserid"),
    "calling_user_name": ("text", "_callinguserid_value" + FORMATTED, "callinguseridname"),
    "transaction_id": ("text", "transactionid", "transactionid"),
    "attribute_mask": ("text", "attributemask", "attributemask"),
    "change_data": ("text", "changedata", "changedata"),
    "additional_info": ("text", "additionalinfo", "additionalinfo"),
    "user_additional_info": ("text", "useradditionalinfo", "useradditionalinfo"),
    "regarding_object_id": ("text", "_regardingobjectid_value", "regardingobjectid"),
    "regarding_object_name": ("text", "_regardingobjectid_value" + FORMATTED, "regardingobjectidname"),
    "version_number": ("int64", "versionnumber", "versionnumber"),
    "time_to_live_s": ("int32", "timetoliveinseconds", "timetoliveinseconds"),
}

# What the reports read, for the level that does not keep the rest.
LEAN = ["audit_id", "created_on", "action", "object_type", "object_id", "user_id"]

# The lake's columns in their order; those that are not copied are computed.
LAKE = [
    "audit_id", "created_on", "action", "operation", "object_type", "object_id", "object_name", "user_id", "user_name",
    "actor_id", "actor_name", "calling_user_id", "calling_user_name", "transaction_id", "attribute_mask", "change_data",
    "additional_info", "user_additional_info", "regarding_object_id", "regarding_object_name", "version_number",
    "time_to_live_s", "deleted_in_source", "source", "environment", "kind", "month",
]
LEAN_LAKE = ["audit_id", "created_on", "action", "object_id", "user_id", "actor_id", "environment", "kind", "month"]


class Export:
    """An export: its files, the columns it has in their order, and where the lake's columns come from."""

    def __init__(self, form, folder):
        self.form = form
        if form == "synapse":
            [model] = glob.glob(f"{folder}/*/model.json")
            with open(model, encoding="utf-8") as text:
                entities = json.load(text)["entities"]
            [audit] = [entity for entity in entities if entity["name"] == "audit"]
            self.names = [attribute["name"] for attribute in audit["attributes"]]
            pattern = model.removesuffix("model.json") + "audit/*.csv"
        else:
            pattern = f"{folder}/audits*.{ {'ndjson': 'ndjson', 'odata': 'json', 'csv': 'csv'}[form] }"
        self.pattern = pattern
        self.files = sorted(glob.glob(pattern))
        if form == "csv":
            with open(self.files[0], encoding="utf-8") as text:
                self.names = text.readline().rstrip().split(",")
        elif form != "synapse":
            self.names = [web for _, web, _ in COLUMNS.values()]
        place = 2 if form == "synapse" else 1
        self.source = {lake: column[place] for lake, column in COLUMNS.items() if column[place] in self.names}
        kinds = {column[place]: column[0] for column in COLUMNS.values()}
        self.kinds = {name: kinds.get(name, "text") for name in self.names}


def access_files(lake):
    return f"{lake}/audit/environment=*/kind=access/month=*/*.parquet"


def control_files(lake):
    return f"{lake}/audit/environment=*/kind=control/month=*/*.parquet"


def months(lake, kind="*"):
    """The files of each month, in its order."""
    found = {}
    for file in sorted(glob.glob(f"{lake}/audit/environment=*/kind={kind}/month=*/*.parquet")):
        found.setdefault(file.split("/month=")[1][:7], []).append(file)
    return dict(sorted(found.items()))


def edge_files(lake):
    """The files that hold the first and the last row of the log: those of the first and the last month."""
    by_month = list(months(lake).values())
    return by_month[0] + (by_month[-1] if len(by_month) > 1 else [])


def files_between(lake, kind, start_us, end_us):
    """The files that may hold rows of a kind (or `*`) from one instant to another, by their months."""
    first, last = (datetime.fromtimestamp(us // 1_000_000, timezone.utc).strftime("%Y-%m") for us in (start_us, end_us))
    return [file for month, files in months(lake, kind).items() if first <= month <= last for file in files]


def is_in_time_order(lake):
    """Whether the access rows are sorted by time when their files are read in order of their paths."""
    return all(len(files) == 1 for files in months(lake, "access").values())


# What a switch row (an action) stops (1) or starts (0).
SWITCHES = {
    112: ("user_access", 0), 113: ("user_access", 1), 107: ("organization", 0), 110: ("organization", 1),
    105: ("table", 0), 108: ("table", 1), 106: ("column", 0), 109: ("column", 1),
}
OVER_ACCESSES = ("user_access", "organization")


def gaps(switches, log_start, log_end, newest_access):
    """The gaps of each scope, then the effective ones; all times in microseconds.

    `switches` are (created_us, audit_id, action, object_id, user_id); `newest_access` is asked for the newest access at
    or before an instant.
    """
    turns, found = {}, []

    def gap(scope, object_id, started, not_before, ended, by, repeated, causes=None):
        found.append({
            "scope": scope, "object_id": object_id, "started_us": started, "not_before_us": not_before,
            "ended_us": ended, "stopped_by_id": by[0], "started_by_id": by[1], "causes": causes or scope,
            "repeated_stops": repeated, "start_us": not_before if started is None else started,
            "end_us": log_end if ended is None else ended,
        })

    for at, audit_id, action, object_id, user_id in sorted(switches, key=lambda row: (row[0], row[1] or "")):
        if action not in SWITCHES:
            continue
        scope, stops = SWITCHES[action]
        key = (scope, object_id if scope in ("table", "column") else None)
        turn = turns.setdefault(key, {"opened": None, "previous": None})
        if stops and turn["opened"] is None:
            turn |= {"opened": at, "by": user_id, "repeated": 0}
        elif stops:
            turn["repeated"] += 1
        elif turn["opened"] is not None:
            gap(*key, turn["opened"], None, at, (turn["by"], user_id), turn["repeated"])
        else:
            proofs = [turn["previous"], newest_access(at) if scope in OVER_ACCESSES else None]
            not_before = max((proof for proof in proofs if proof is not None), default=log_start)
            if not_before < at:
                gap(*key, None, not_before, at, (None, user_id), 0)
        if not stops:
            turn |= {"opened": None, "previous": at}
    for key, turn in turns.items():
        if turn["opened"] is not None:
            gap(*key, turn["opened"], None, None, (turn["by"], None), turn["repeated"])

    merged = []
    for part in sorted((g for g in found if g["scope"] in OVER_ACCESSES), key=lambda g: g["start_us"]):
        if merged and part["start_us"] <= merged[-1]["end_us"]:
            last = merged[-1]
            last["end_us"] = max(last["end_us"], part["end_us"])
            last["parts"].append(part)
        else:
            merged.append({"start_us": part["start_us"], "end_us": part["end_us"], "parts": [part]})
    for whole in merged:
        start, parts = whole["start_us"], whole["parts"]
        begun = [part["started_us"] for part in parts if part["started_us"] is not None]
        known = bool(begun) and min(begun) == start
        ended = None if any(part["ended_us"] is None for part in parts) else whole["end_us"]
        scopes = {part["scope"] for part in parts}
        causes = "organization+user_access" if len(scopes) > 1 else min(scopes)
        gap("effective", None, start if known else None, None if known else start, ended, (None, None), None, causes)
    return found


def effective(found):
    """(start, end, known end or None) of each effective gap, in microseconds, in order."""
    return [(g["start_us"], g["end_us"], g["ended_us"]) for g in found if g["scope"] == "effective"]


GAP_COLUMNS = {
    "environment": "text", "scope": "text", "object_id": "text", "state": "text", "started_on": "time",
    "not_before": "time", "ended_on": "time", "duration_s": "int64", "observed_s": "int64", "stopped_by_id": "text",
    "stopped_by_name": "text", "started_by_id": "text", "started_by_name": "text", "causes": "text",
    "repeated_stops": "int64", "accesses_inside": "int64", "changes_inside": "int64", "actors_before": "int64",
    "sessions_cut": "int64",
}


def gap_rows(found, names, counts):
    """The rows of the gaps report in its order. `counts` has the four counts of each window (start, end)."""
    rows = []
    for g in found:
        is_known = g["started_us"] is not None and g["ended_us"] is not None
        state = "open" if g["ended_us"] is None else "closed" if g["started_us"] is not None else "start_unknown"
        rows.append((
            ENVIRONMENT, g["scope"], g["object_id"], state, g["started_us"], g["not_before_us"], g["ended_us"],
            (g["ended_us"] - g["started_us"]) // 1_000_000 if is_known else None,
            (g["end_us"] - g["start_us"]) // 1_000_000,
            g["stopped_by_id"], names.get(g["stopped_by_id"]), g["started_by_id"], names.get(g["started_by_id"]),
            g["causes"], g["repeated_stops"], *counts[g["start_us"], g["end_us"]],
        ))
    return sorted(rows, key=lambda row: [(value is None, 0 if value is None else value) for value in row])


DAY = 86_400_000_000


def covered_days(log_start, log_end, effective_gaps):
    """(day number since 1970, audited_s, gap_s, coverage) of each UTC day of the log window."""
    rows = []
    for day in range(log_start // DAY, log_end // DAY + 1):
        start, end = max(day * DAY, log_start), min((day + 1) * DAY, log_end)
        dark = sum(max(0, min(end, g[1]) - max(start, g[0])) for g in effective_gaps)
        day_s, gap_s = (end - start) // 1_000_000, dark // 1_000_000
        rows.append((day, day_s - gap_s, gap_s, (day_s - gap_s) / day_s if day_s > 0 else None))
    return rows


def recent(log_start, log_end, effective_gaps, inactive_after=90 * DAY):
    """Where the time begins in which an access makes a user active, and the share of it that was audited."""
    since = log_end - inactive_after
    listened = log_end - max(log_start, since)
    dark = sum(end - max(start, since) for start, end, _ in effective_gaps if end > since)
    return since, (listened - dark) / (log_end - since)


def tuples(rows):
    """Rows of numbers as SQL writes them."""
    return ", ".join("(" + ", ".join("NULL" if value is None else repr(value) for value in row) + ")" for row in rows)


def instant(micros):
    """Microseconds since 1970 as SQL takes them, exactly."""
    whole = datetime.fromtimestamp(micros // 1_000_000, timezone.utc)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{micros % 1_000_000:06}"


def main(jobs):
    """Runs the job named first with the other arguments and prints what it took, imports and start left out."""
    name, *arguments = sys.argv[1:]
    start, cpu = time.perf_counter(), time.process_time()
    jobs[name](*arguments)
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}))
