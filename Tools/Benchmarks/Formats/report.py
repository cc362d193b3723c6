"""The rows as JSON and as a table."""

import json
import os
import platform
import statistics

HEAD = """\
{peers} peers, {rounds} rounds in turn, {cores} cores, Linux {release}. A ratio is the library's time over kadstore's: more than 1
is quicker, less is slower; the median of the rounds, with the least and the greatest. Peak memory at {small} and at {peers} peers.

| format | | kadstore | library in Python | time | ratio | kadstore, MB | library, MB |
|---|---|---|---|---|---|---|---|
"""


def write(rows, options, folder):
    (folder / "formats.json").write_text(json.dumps({
        "version": 1, "peers": options.peers, "rounds": options.rounds, "cores": os.cpu_count(),
        "system": platform.platform(), "python": platform.python_version(), "rows": rows,
    }, indent=1) + "\n")
    small = {(row["format"], row["action"]): row for row in rows if row["wanted"] != options.peers}
    lines = []
    for row in rows:
        if row["wanted"] == options.peers:
            lines += table_lines(row, small.get((row["format"], row["action"])))
    head = HEAD.format(
        peers=f"{options.peers:,}", small=f"{options.peers // 10:,}", rounds=options.rounds, cores=os.cpu_count(),
        release=platform.release())
    (folder / "formats.md").write_text(head + "".join(line + "\n" for line in lines))


def table_lines(row, small):
    fewer = f" of {row['peers']:,}" if row["peers"] != row["wanted"] else ""
    title = f"| `{row['format']}` | {row['action']}{fewer} |"
    if "failed" in row:
        return [f"{title} failed: {row['failed'].splitlines()[0]} | | | | | |"]
    ours = [one["seconds"] for one in row["kadstore"]]
    note = "" if row["stored"] == row["counted"] else f" ({row['stored']:,} kept of {row['counted']:,})"
    lines = []
    for library, runs in row["libraries"].items():
        theirs = [one["seconds"] for one in runs]
        ratios = [their / our for our, their in zip(ours, theirs)]
        small_ours = small["kadstore"] if small and "failed" not in small else []
        small_theirs = small["libraries"][library] if small_ours else []
        lines.append(
            f"{title} {statistics.median(ours):.2f} s{note} | {library} | {statistics.median(theirs):.2f} s |"
            f" {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
            f" {peak(small_ours)}, {peak(row['kadstore'])} | {peak(small_theirs)}, {peak(runs)} |")
    return lines


def peak(runs):
    return f"{max(one['peakBytes'] for one in runs) / 1e6:.0f}" if runs else "-"
