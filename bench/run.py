#!/usr/bin/env python3
"""toritsugi beside Kamailio on the same work, in turns. See README.md; prints Markdown."""
import argparse
import hashlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import data
import load
import probe

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


class Server:
    """A server process that is ended whatever happens."""

    def __init__(self, name, command, folder, cpus=None, environment=None):
        self.name = name
        self.log = open(os.path.join(folder, f"{name}.log"), "wb")
        pinned = ["taskset", "-c", cpus] if cpus else []
        self.process = subprocess.Popen(pinned + command, cwd=folder, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **(environment or {})})
        self.pid = self.process.pid

    def __enter__(self):
        _wait_for_sip(self)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def _wait_for_sip(server):
    """Until OPTIONS or an unknown request is answered, or the port is bound at least."""
    for _ in range(300):
        if server.process.poll() is not None:
            sys.exit(f"{server.name} ended at once; see its log")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.1)
            one.connect(("127.0.0.1", 15060))
            own = one.getsockname()
            text = (f"OPTIONS sip:127.0.0.1:15060 SIP/2.0\r\nVia: SIP/2.0/UDP {own[0]}:{own[1]};branch=z9hG4bKready\r\n"
                    "Max-Forwards: 70\r\nFrom: <sip:ready@127.0.0.1>;tag=r\r\nTo: <sip:127.0.0.1>\r\nCall-ID: ready\r\n"
                    "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
            try:
                one.send(text.encode())
                one.recv(4096)
                return _wait_for_rest(server.pid)
            except OSError:
                time.sleep(0.1)
    sys.exit(f"{server.name} does not answer")


def _wait_for_rest(pid):
    """Until it has done what a start brings along: reading the customers takes some seconds of a core."""
    for _ in range(100):
        before = sum(load.used(load.family(pid)))
        time.sleep(0.6)
        if sum(load.used(load.family(pid))) - before < 0.05:
            return
    sys.exit("the server does not come to rest")


def toritsugi(arguments, folder, cpus=None):
    return Server("toritsugi", [arguments.binary, "serve", "--config", "toritsugi.toml"], folder, cpus)


def kamailio(folder, cpus=None):
    command = ["kamailio", "-DD", "-E", "-w", folder, "-f", f"{HERE}/kamailio.cfg", "-x", "fm", "-X", "fm",
               "-m", "1024", "-M", "128"]
    return Server("kamailio", command, folder, cpus)


class Screens:
    """One WebSocket client per agent, or none."""

    def __init__(self, arguments, folder, agents):
        tokens = os.path.join(folder, "tokens")
        with open(tokens, "w", encoding="ascii") as file:
            names = [data.agent(n) for n in range(agents)] + [f"p{n:02d}" for n in range(data.PROBES)]
            file.writelines(data.token(name) + "\n" for name in names)
        self.process = subprocess.Popen([arguments.screens_binary, "127.0.0.1:15080", tokens], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("open"):
            sys.exit(f"the screens did not open: {line}")

    def end(self):
        """Pops that were read."""
        said, _ = self.process.communicate("\n", timeout=30)
        return said.strip()


def compare(arguments, folder):
    """CPU per call, server by server, round by round."""
    callers = os.path.join(folder, "callers.csv")
    kinds = [kind for kind in arguments.servers.split(",") if kind != "kamailio" or have_kamailio()]
    results = {kind: [] for kind in kinds}
    print("| round | server | calls | failed | repeats | CPU µs/call | user+system | PSS MB |\n|---|---|---|---|---|---|---|---|")
    for turn in range(arguments.rounds):
        for kind in kinds:
            with kamailio(folder) if kind == "kamailio" else toritsugi(arguments, folder) as server:
                screens = Screens(arguments, folder, arguments.agents) if "screens" in kind else None
                load.measure(server.pid, folder, callers, 500, 2)
                result = load.measure(server.pid, folder, callers, arguments.rate, arguments.seconds)
                said = f" ({screens.end()})" if screens else ""
            results[kind].append(result)
            print(f"| {turn + 1} | {kind}{said} | {result.calls} | {result.failed} | {result.repeated} | {result.cpu_us:.0f} | "
                  f"{result.user_us:.0f}+{result.system_us:.0f} | {result.rss_kb / 1024:.0f} |", flush=True)
    if "kamailio" in results:
        print()
        for kind in [kind for kind in kinds if kind != "kamailio"]:
            ratios = [own.cpu_us / peer.cpu_us for own, peer in zip(results[kind], results["kamailio"])]
            print(f"{kind} / kamailio: {statistics.median(ratios):.3f} "
                  f"(rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")
    else:
        print("skipped: needs kamailio (no ratio)")


def latency(arguments, folder):
    """INVITE to phone beside 1000 calls a second."""
    callers = os.path.join(folder, "callers.csv")
    print("\n| round | server | probes | lost | p50 ms | p99 ms |\n|---|---|---|---|---|---|")
    kinds = ["toritsugi"] + (["kamailio"] if have_kamailio() else [])
    every = {kind: [] for kind in kinds}
    for turn in range(arguments.rounds):
        for kind in kinds:
            with kamailio(folder) if kind == "kamailio" else toritsugi(arguments, folder) as server:
                phones = load.Phones(folder)
                process, _ = load.customers(folder, callers, 1000, int(1000 * (arguments.seconds + 3)))
                time.sleep(1.5)
                took, lost = probe.run(arguments.seconds, 100)
                process.wait()
                phones.end()
            every[kind] += took
            print(f"| {turn + 1} | {kind} | {len(took)} | {lost} | {share(took, .5):.2f} | {share(took, .99):.2f} |", flush=True)
    for kind in kinds:
        print(f"| all | {kind} | {len(every[kind])} | | {share(every[kind], .5):.2f} | {share(every[kind], .99):.2f} |")


def saturation(arguments, folder):
    """5000 calls a second with the server on one core."""
    print("\n| server on one core | asked/s | calls | failed | repeats | CPU µs/call |\n|---|---|---|---|---|---|")
    with toritsugi(arguments, folder, cpus="0") as server:
        callers = os.path.join(folder, "callers.csv")
        load.measure(server.pid, folder, callers, 500, 2)
        result = load.measure(server.pid, folder, callers, 5000, arguments.seconds)
        print(f"| toritsugi | 5000 | {result.calls} | {result.failed} | {result.repeated} | {result.cpu_us:.0f} |")


def memory(arguments, folder):
    """What a call costs while it is up, and 20 s after it ended."""
    callers = os.path.join(folder, "callers.csv")
    count = arguments.agents
    with toritsugi(arguments, folder) as server:
        load.measure(server.pid, folder, callers, 500, 2)
        time.sleep(40)
        idle = load.memory_kb([server.pid])
        phones = load.Phones(folder)
        process, _ = load.customers(folder, callers, 1000, count, hold_ms=60_000)
        time.sleep(count / 1000 + 3)
        fresh = load.memory_kb([server.pid])
        time.sleep(38)
        held = load.memory_kb([server.pid])
        process.wait()
        phones.end()
        ended = load.memory_kb([server.pid])
    print(f"\nMemory: {count} calls held by as many agents: {(fresh - idle) / count:.1f} KB each just after the answer, "
          f"{(held - idle) / count:.1f} KB each after the transactions are gone, "
          f"{(ended - idle) / count:.1f} KB each right after the BYE")


def share(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


def have_kamailio():
    return shutil.which("kamailio") is not None


def training(binary):
    """What release.sh noted of a binary that it trained; a note of another binary does not count."""
    try:
        with open(f"{binary}.trained", encoding="utf-8") as file:
            digest, words = file.read().strip().split(" ", 1)
        with open(binary, "rb") as file:
            same = hashlib.sha256(file.read()).hexdigest() == digest
    except (OSError, ValueError):
        return "not trained"
    return f"trained ({words})" if same else "not trained"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parts", nargs="*", default=["compare", "latency", "saturation", "memory"])
    options.add_argument("--binary", default=os.path.join(ROOT, "target/release/toritsugi"))
    options.add_argument("--screens-binary", default=os.path.join(ROOT, "target/release/examples/screens"))
    options.add_argument("--work", default=os.path.join(ROOT, "target/bench"))
    options.add_argument("--servers", default="toritsugi,toritsugi with screens,kamailio")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rate", type=int, default=2000)
    options.add_argument("--seconds", type=int, default=8)
    options.add_argument("--agents", type=int, default=1000)
    options.add_argument("--customers", type=int, default=100_000)
    arguments = options.parse_args()
    if shutil.which("sipp") is None:
        return print("skipped: needs sipp (Debian: sip-tester)")
    if not have_kamailio():
        print("skipped: needs kamailio (Debian: kamailio kamailio-sqlite-modules); only our own figures follow\n")
    print(f"binary: {training(arguments.binary)}\n")
    for part in arguments.parts:
        agents = 10_000 if part == "memory" else arguments.agents
        folder = os.path.join(os.path.abspath(arguments.work), f"{arguments.customers}-{agents}")
        data.write(folder, os.path.abspath(arguments.binary), arguments.customers, agents)
        saved, arguments.agents = arguments.agents, agents
        {"compare": compare, "latency": latency, "saturation": saturation, "memory": memory}[part](arguments, folder)
        arguments.agents = saved
        for name in os.listdir(folder):
            if name.startswith("tmp"):
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


if __name__ == "__main__":
    main()
