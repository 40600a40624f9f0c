#!/usr/bin/env python3
"""The load that trains a release build; release.sh calls it, README.md explains.

Exit status 3: something it needs is missing."""
import argparse
import os
import shutil
import sys

import data
import load
import run

# Calls a second and seconds: a start from rest, then a load that an instrumented server carries with ease.
LOADS = ((500, 2), (1000, 10))


def train(arguments, folder, with_screens):
    """One life of the server, with its profile written when it ends."""
    command = [arguments.binary, "serve", "--config", "toritsugi.toml"]
    environment = {"LLVM_PROFILE_FILE": os.path.join(arguments.profiles, "%p.profraw")}
    with run.Server("toritsugi", command, folder, None, environment) as server:
        screens = run.Screens(arguments, folder, arguments.agents) if with_screens else None
        for rate, seconds in LOADS:
            result = load.measure(server.pid, folder, os.path.join(folder, "callers.csv"), rate, seconds)
            said = f"{rate} calls/s: {result.calls} calls, {result.failed} failed, {result.repeated} repeats"
            print(f"{said}, {result.cpu_us:.0f} µs/call", flush=True)
            # Calls that fail are other work than calls that succeed.
            if result.failed * 10 > result.calls or result.calls == 0:
                sys.exit(f"too many calls failed to learn from; see {folder}")
        print(f"screens: {screens.end() if screens else 'none'}", flush=True)
    profile = os.path.join(arguments.profiles, f"{server.pid}.profraw")
    if not os.path.exists(profile) or os.path.getsize(profile) == 0:
        sys.exit(f"{arguments.binary} left no profile: is it instrumented, and did it end in time?")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("binary", help="the instrumented server")
    options.add_argument("--profiles", required=True, help="folder for what it counts, a file for each start")
    options.add_argument("--work", required=True, help="folder for data and logs")
    options.add_argument("--screens-binary", help="the example `screens`; without it no screen is connected")
    options.add_argument("--agents", type=int, default=1000)
    options.add_argument("--customers", type=int, default=20_000)
    arguments = options.parse_args()
    if shutil.which("sipp") is None:
        print("skipped: needs sipp (Debian: sip-tester)")
        sys.exit(3)
    arguments.binary = os.path.abspath(arguments.binary)
    arguments.profiles = os.path.abspath(arguments.profiles)
    folder = os.path.abspath(arguments.work)
    os.makedirs(arguments.profiles, exist_ok=True)
    data.write(folder, arguments.binary, arguments.customers, arguments.agents)
    train(arguments, folder, with_screens=False)
    if arguments.screens_binary:
        train(arguments, folder, with_screens=True)


if __name__ == "__main__":
    main()
