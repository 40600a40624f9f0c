"""Customers, agents and sessions for both servers, from one seed."""
import base64
import hashlib
import os
import random
import shutil
import sqlite3
import subprocess

LINE = "+81355500000"
PHONE = "127.0.0.2:15070"
PROBE_PHONE = "127.0.0.8:15088"
PROBES = 64
SERVER = """
[sip]
listen = ["udp:127.0.0.1:15060", "tcp:127.0.0.1:15060"]
advertise = "127.0.0.1:15060"
default_route = "sip:{phone}"

[[sip.peer]]
name = "loopback"
addresses = ["127.0.0.0/8"]
trust_identity = true

[sip.limits]
calls = 200000
transactions = 1600000

[http]
listen = "127.0.0.1:15080"

[metrics]
listen = ""

[database]
url = "sqlite:toritsugi.db"

[routing]
wrap_up_s = 0

[log]
level = "warn"
"""


def numbers(count):
    """`count` different numbers, always the same."""
    drawn = random.Random(20).sample(range(1, 10**7), count)
    return [f"+8132{n:07d}" for n in drawn]


def agent(index):
    return f"a{index:05d}"


def token(name):
    """As long as those that are handed out: 32 octets in base64url."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"bench-" + name.encode()).digest()).decode().rstrip("=")


def write(folder, binary, customers, agents):
    """Fills `folder`, with a database that holds no calls; what else is there is kept when it has the same size."""
    mark = os.path.join(folder, f"made-new-{customers}-{agents}")
    if os.path.exists(mark):
        return _without_calls(folder)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.startswith(("made-", "toritsugi.db", "new.db", "peer.db")):
            os.unlink(os.path.join(folder, name))
    with open(os.path.join(folder, "toritsugi.toml"), "w", encoding="utf-8") as file:
        file.write(SERVER.format(phone=PHONE))
    known = numbers(customers)
    _tables(folder, known, agents)
    for table in ("agents", "lines", "customers"):
        subprocess.run([binary, "import", table, f"{table}.csv", "--config", "toritsugi.toml"],
                       cwd=folder, check=True, stdout=subprocess.DEVNULL)
    _sessions(folder, agents)
    os.rename(os.path.join(folder, "toritsugi.db"), os.path.join(folder, "new.db"))
    _peer(folder, known)
    # One after the other, so that an agent's next call comes a whole round of all agents later.
    with open(os.path.join(folder, "callers.csv"), "w", encoding="utf-8") as file:
        file.write("SEQUENTIAL\n")
        file.writelines(f"{number};\n" for number in known[:agents * max(1, 20000 // agents)])
    open(mark, "w", encoding="utf-8").close()
    _without_calls(folder)


def _without_calls(folder):
    """A call costs more the more calls are stored: figures to be compared start from a database without any."""
    for name in os.listdir(folder):
        if name.startswith("toritsugi.db"):
            os.unlink(os.path.join(folder, name))
    shutil.copyfile(os.path.join(folder, "new.db"), os.path.join(folder, "toritsugi.db"))


def probe_number(index):
    return f"+8134{index:07d}"


def _tables(folder, known, agents):
    path = lambda name: os.path.join(folder, name)
    with open(path("agents.csv"), "w", encoding="utf-8") as file:
        file.write("id,name,kana,role,contact,groups,skills,status\n")
        for index in range(agents):
            file.write(f"{agent(index)},担当 {index},タントウ,agent,sip:{agent(index)}@{PHONE},g{index // 20},,available\n")
        for index in range(PROBES):
            file.write(f"p{index:02d},試験 {index},シケン,agent,sip:probe@{PROBE_PHONE},probes,,available\n")
    with open(path("lines.csv"), "w", encoding="utf-8") as file:
        file.write("number,client,greeting_ja,greeting_en,group,assigned_first\n")
        file.write(f"{LINE},青葉製作所,お電話ありがとうございます。青葉製作所でございます。,Thank you for calling Aoba.,g0,true\n")
    with open(path("customers.csv"), "w", encoding="utf-8") as file:
        file.write("id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags\n")
        for index, number in enumerate(known):
            notice = "請求の件は担当へ,info" if index % 10 == 0 else ","
            file.write(f"c{index},顧客 {index},コキャク,会社 {index % 997},B,ja,{number},{agent(index % agents)},{notice},\n")
        for index in range(PROBES):
            file.write(f"probe{index},試験 {index},シケン,,,ja,{probe_number(index)},p{index:02d},,,\n")


def _sessions(folder, agents):
    """A session for every agent without a password: hashing thousands of them would take minutes."""
    database = sqlite3.connect(os.path.join(folder, "toritsugi.db"))
    names = [agent(index) for index in range(agents)] + [f"p{index:02d}" for index in range(PROBES)]
    database.executemany("insert into users(name, role, agent, password_hash) values(?, 'agent', ?, 'none')",
                         [(name, name) for name in names])
    database.executemany(
        "insert into sessions(token_hash, user_name, agent, role, csrf, expires_at) "
        "values(?, ?, ?, 'agent', 'none', '2099-01-01T00:00:00.000000000Z')",
        [(hashlib.sha256(token(name).encode()).hexdigest(), name, name) for name in names])
    database.commit()
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()


def _peer(folder, known):
    database = sqlite3.connect(os.path.join(folder, "peer.db"))
    database.executescript(
        "create table customers(id integer primary key, number text not null unique, name text, phone text not null);"
        "create table version(table_name varchar(32) primary key, table_version int);")
    rows = [(number, f"Customer {index}", f"sip:{PHONE}") for index, number in enumerate(known)]
    rows += [(probe_number(index), "Probe", f"sip:{PROBE_PHONE}") for index in range(PROBES)]
    database.executemany("insert into customers(number, name, phone) values(?, ?, ?)", rows)
    database.commit()
    database.close()
