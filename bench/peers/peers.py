#!/usr/bin/env python3
"""Times the work of `nxv bench` in another library: peers.py torch|jax|numpy [--only PART] [--cpu].

Prints a line of JSON for each case: peer, name, size, microseconds (the median). `nxv bench --beside`
sets them beside its own.
"""

import argparse
import importlib
import json
import statistics
import sys
import time

import cases


def measured(peer, case, seconds):
    operands = [peer.operand(o) for o in case.operands]
    if hasattr(peer, "bind"):
        run = peer.bind(case, operands)
    else:
        operation = peer.OPERATIONS[case.operation]

        def run():
            return operation(*operands, **case.options)

    start = time.perf_counter()
    peer.seconds(case, run)
    first = time.perf_counter() - start
    times = []
    start = time.perf_counter()
    while len(times) < 30 and (len(times) < (1 if first > 1 else 3) or time.perf_counter() - start < seconds):
        times.append(peer.seconds(case, run))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=["torch", "jax", "numpy"])
    parser.add_argument("--only", nargs="*", default=[], help="parts of names; default: all")
    parser.add_argument("--cpu", action="store_true", help="the smaller sizes that nxv takes on CPUs")
    parser.add_argument("--each", type=float, default=0.5, help="seconds to measure each")
    parser.add_argument("--seconds", type=float, default=600, help="no case is started later than this")
    options = parser.parse_args()
    peer = importlib.import_module(options.peer + "_peer")
    start = time.perf_counter()
    for case in cases.cases(options.cpu or options.peer == "numpy"):
        if options.only and not any(part in case.name for part in options.only):
            continue
        if case.operation not in peer.OPERATIONS:
            continue
        line = {"peer": peer.NAME, "name": case.name, "size": case.size}
        if time.perf_counter() - start > options.seconds:
            print(f"{case.name} {case.size}: out of time, skipped", file=sys.stderr)
            continue
        try:
            line["microseconds"] = measured(peer, case, options.each) * 1e6
        except Exception as e:  # a peer that lacks something does not end the others
            line["failure"] = f"{type(e).__name__}: {e}".splitlines()[0][:200]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
