"""Runs the comparison: see Tools/Benchmarks/formats."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import measure
import report

HERE = Path(__file__).parent


class Failed(Exception):
    pass


class Comparison:
    def __init__(self, kadstore, folder):
        self.kadstore = kadstore
        self.folder = folder

    # Nothing of Python's libraries is loaded here: what starts the processes must stay small.
    def child(self, *arguments):
        done = measure.run([sys.executable, HERE / "child.py", *map(str, arguments)], self.folder)
        if done.status != 0:
            raise Failed(done.messages.strip().splitlines()[-1] if done.messages.strip() else f"status {done.status}")
        return done, json.loads(done.output or "null")

    def command(self, *arguments, statuses=(0,)):
        done = measure.run([self.kadstore, *map(str, arguments)], self.folder)
        if done.status not in statuses:
            raise Failed(done.messages.strip() or f"status {done.status}")
        return done

    def path(self, name):
        return f"{self.folder}/{name}"

    def remove(self, name):
        for suffix in ("", "-wal", "-shm", "-lock"):
            Path(self.path(name) + suffix).unlink(missing_ok=True)

    def known(self):
        """The formats that the command reads and writes."""
        dump = json.loads(self.command("--experimental-dump-help").output)["command"]
        imports = next(one for one in dump["subcommands"] if one["commandName"] == "import")
        read = next(one["allValues"] for one in imports["arguments"] if one.get("valueName") == "format")

        def is_written(name):
            # One that is only read is refused before the store is looked for.
            done = measure.run([self.kadstore, "export", "--db", "none.db", "--format", name, "-"], self.folder)
            return done.status == 66

        return set(read), {name for name in read if is_written(name)}

    def store(self, network, count):
        """A store with peers of a network, to export from."""
        name = f"{network}-{count}.db"
        if not os.path.exists(self.path(name)):
            self.child("store", network, count, self.path("made.csv"))
            self.command(
                "import", "--db", name, "--network", network, "--scope", "private", "--format", "csv", "made.csv")
            os.unlink(self.path("made.csv"))
        return name

    def import_once(self, format, file, restoring):
        self.remove("new.db")
        how = ["--restore"] if restoring else ["--format", format["name"]]
        done = self.command(
            "import", "--db", "new.db", "--network", format["network"], "--scope", "private", "--json", *how, file)
        result = json.loads(done.output)
        if restoring:
            stored = result["restored"]["peers"]
        else:
            stored = sum(one["peers"]["added"] for one in result["files"])
            # Addresses without ids are candidates, which the store counts by itself.
            if stored == 0:
                stored = json.loads(self.command("stats", "--db", "new.db", "--json").output)["candidates"]
        return done, stored

    def run(self, format, action, count, rounds):
        """One row: `action` is import, restore or export."""
        file = f"{format['name']}-{count}"
        source = None
        if action == "export" or not format["isMade"]:
            source = self.store(format["network"], count)
        if not os.path.exists(self.path(file)):
            if source is None:
                self.child("make", format["name"], count, self.path(file))
            else:
                self.command("export", "--db", source, "--format", format["name"], file)
        libraries = format["writers"] if action == "export" else format["readers"]
        row = {
            "format": format["name"], "action": action, "peers": count, "bytes": os.path.getsize(self.path(file)),
            "kadstore": [], "libraries": {name: [] for name in libraries},
        }
        for _ in range(rounds):
            if action == "export":
                Path(self.path("exported")).unlink(missing_ok=True)
                done = self.command("export", "--db", source, "--format", format["name"], "exported")
                row["stored"] = count
            else:
                done, row["stored"] = self.import_once(format, file, action == "restore")
            row["kadstore"].append({"seconds": done.seconds, "peakBytes": done.peak_bytes})
            for library in libraries:
                if action == "export":
                    done, result = self.child(
                        "write", format["name"], library, self.path("exported"), self.path("written"))
                    os.unlink(self.path("written"))
                else:
                    done, result = self.child("read", format["name"], library, self.path(file))
                row["counted"] = result["count"]
                row["libraries"][library].append({"seconds": result["seconds"], "peakBytes": done.peak_bytes})
        for name in ("new.db", "exported"):
            self.remove(name)
        return row

    def runs(self, formats, wanted, rounds):
        for format, actions in formats:
            count = min(wanted, format["most"] or wanted)
            for action in actions:
                print(f"formats: {format['name']}, {action}, {count} peers", file=sys.stderr, flush=True)
                try:
                    row = self.run(format, action, count, rounds)
                except Failed as reason:
                    row = {"format": format["name"], "action": action, "peers": count, "failed": str(reason)}
                yield row | {"wanted": wanted}
            Path(self.path(f"{format['name']}-{count}")).unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(prog="formats")
    parser.add_argument("--kadstore", required=True)
    parser.add_argument("--peers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--output", type=Path, default=Path.cwd())
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="kadstore-formats-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        comparison = Comparison(options.kadstore, folder)
        read, written = comparison.known()
        formats = []
        for format in comparison.child("list")[1]:
            name = format["name"]
            if options.only and name not in options.only:
                continue
            if name not in read:
                print(f"formats: {name} is not known to this kadstore: left out", file=sys.stderr)
                continue
            actions = ["import"] + ["restore"] * format["restores"]
            if name in written and format["writers"]:
                actions.append("export")
            formats.append((format, actions))
        rows = []
        small = max(options.peers // 10, 1)
        for count, rounds in ((small, 1), (options.peers, options.rounds)):
            for row in comparison.runs(formats, count, rounds):
                rows.append(row)
                # After each row: a run of an hour that is stopped has not been for nothing.
                report.write(rows, options, options.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print((options.output / "formats.md").read_text())
    if any("failed" in row for row in rows):
        sys.exit(1)


main()
