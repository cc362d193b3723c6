"""One measurement, or one file made, in a process of its own: so that its peak memory is its own.

    child.py list                               the formats, and the libraries for each
    child.py make FORMAT COUNT FILE             a file to import
    child.py store NETWORK COUNT FILE           CSV to make a store of that network from
    child.py read FORMAT LIBRARY FILE           prints {count, seconds}
    child.py write FORMAT LIBRARY FILE OUTPUT   reads FILE first, without counting the time
"""

import json
import sys
import time

import peers as made
import table


def main(action, *arguments):
    if action == "list":
        print(json.dumps([{
            "name": format.name, "network": format.network, "isMade": format.make is not None,
            "readers": list(format.readers), "writers": list(format.writers), "restores": format.restores, "most": format.most,
        } for format in table.FORMATS]))
    elif action == "make":
        name, count, path = arguments
        table.named(name).make(made.peers(int(count)), path)
    elif action == "store":
        network, count, path = arguments
        made.write_csv(made.peers(int(count)), path, network)
    elif action == "read":
        name, library, path = arguments
        read = table.named(name).readers[library]
        start = time.perf_counter()
        count = sum(1 for _ in read(path))
        report(count - table.named(name).extra, start)
    elif action == "write":
        name, library, path, output = arguments
        format = table.named(name)
        objects = list(format.readers[library](path))
        start = time.perf_counter()
        format.writers[library](objects, output)
        report(len(objects) - format.extra, start)


def report(count, start):
    print(json.dumps({"count": count, "seconds": time.perf_counter() - start}))


main(*sys.argv[1:])
