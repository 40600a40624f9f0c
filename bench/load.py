"""SIPp as customers and phones, and what a server used meanwhile."""
import csv
import glob
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
TARGET = "127.0.0.1:15060"
CUSTOMER = ("127.0.0.3", "15080")
PHONE = ("127.0.0.2", "15070")


@dataclass
class Result:
    calls: int
    failed: int
    repeated: int
    user_us: float
    system_us: float
    rss_kb: int

    @property
    def cpu_us(self):
        return self.user_us + self.system_us


def family(pid):
    """A process and its descendants."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        fields = _stat(path)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
    found, rest = [], [pid]
    while rest:
        found.append(rest.pop())
        rest.extend(children.get(found[-1], []))
    return found


def used(pids):
    """Seconds of user and of system time."""
    stats = [fields for pid in pids if (fields := _stat(f"/proc/{pid}/stat"))]
    return sum(int(fields[11]) for fields in stats) / TICK, sum(int(fields[12]) for fields in stats) / TICK


def memory_kb(pids):
    """Proportional set size, so that pages of forked processes count once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def _stat(path):
    """The fields behind the name, which may hold anything."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()


class Phones:
    """SIPp answering for every agent."""

    def __init__(self, folder, cpus=None):
        self.folder = tempfile.mkdtemp(dir=folder)
        address, port = PHONE
        self.process = subprocess.Popen(
            _pinned(cpus) + ["sipp", "-nostdin", "-sf", f"{HERE}/uas.xml", "-i", address, "-p", port, "-t", "u1",
                             "-buff_size", "4000000", "-default_behaviors", "-abortunexp", "-trace_stat", "-fd", "1",
                             "-stf", "phones.csv", "-timeout", "600"],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.4)

    def end(self):
        """Ends them; how often they repeated something."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        row = _last_row(os.path.join(self.folder, "phones.csv"))
        return int(row["Retransmissions(C)"]) if row else 0


def customers(folder, callers, rate, calls, hold_ms=0, cpus=None):
    """Starts SIPp calling; the process and its folder."""
    folder = tempfile.mkdtemp(dir=folder)
    address, port = CUSTOMER
    command = _pinned(cpus) + [
        "sipp", "-nostdin", "-sf", f"{HERE}/uac.xml", "-inf", callers, "-i", address, "-p", port, "-t", "u1",
        "-r", str(rate), "-m", str(calls), "-l", str(max(2000, rate * 4, calls if hold_ms else 0)), "-d", str(hold_ms),
        "-buff_size", "4000000", "-default_behaviors", "-abortunexp", "-recv_timeout", str(8000 + hold_ms),
        "-trace_stat", "-fd", "1", "-stf", "customers.csv", "-timeout", str(calls // rate + hold_ms // 1000 + 30), TARGET]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, folder


def counts(folder):
    """Successful and failed calls, and repeats of the customers."""
    row = _last_row(os.path.join(folder, "customers.csv"))
    if row is None:
        return 0, 0, 0
    return int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"]), int(row["Retransmissions(C)"])


def measure(pid, folder, callers, rate, seconds, cpus=None):
    """Runs `rate` calls a second and says what each cost the server."""
    phones = Phones(folder, cpus)
    before = used(family(pid))
    process, place = customers(folder, callers, rate, int(rate * seconds), cpus=cpus)
    process.wait()
    time.sleep(0.3)
    pids = family(pid)
    after, rss = used(pids), memory_kb(pids)
    repeated = phones.end()
    calls, failed, again = counts(place)
    share = 1e6 / max(calls, 1)
    return Result(calls, failed, repeated + again, (after[0] - before[0]) * share, (after[1] - before[1]) * share, rss)


def _pinned(cpus):
    return ["taskset", "-c", cpus] if cpus else []


def _last_row(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    except OSError:
        return None
    return rows[-1] if rows else None
