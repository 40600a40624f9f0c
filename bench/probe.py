"""Single calls beside the load: how long an INVITE is under way to the phone, by the kernel's receive stamps."""
import select
import socket
import struct
import time

import data

TIMESTAMP = getattr(socket, "SO_TIMESTAMPNS", 35)
SERVER = ("127.0.0.1", 15060)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.7\r\ns=-\r\nc=IN IP4 127.0.0.7\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n"
COPIED = ("via", "record-route", "from", "call-id", "cseq")


def run(seconds, per_second):
    """Milliseconds from the sending of each INVITE to its arrival at the phone, and how many never arrived."""
    probe = _Probe()
    try:
        return probe.run(seconds, per_second)
    finally:
        probe.caller.close()
        probe.phone.close()


class _Probe:
    def __init__(self):
        self.caller = _socket(("127.0.0.7", 15087))
        self.phone = _socket(("127.0.0.8", 15088))
        self.sent, self.took, self.made = {}, [], 0
        self.life = f"{time.time_ns():x}"

    def run(self, seconds, per_second):
        poll = select.poll()
        for one in (self.caller, self.phone):
            poll.register(one, select.POLLIN)
        begin = time.monotonic()
        end, due = begin + seconds, begin
        while (now := time.monotonic()) < end + 1:
            if due <= now < end:
                self._invite()
                due += 1 / per_second
                continue
            for descriptor, _ in poll.poll(max(0.0, min(due - now, 0.05)) * 1000):
                self._read(self.caller if descriptor == self.caller.fileno() else self.phone)
        return self.took, len(self.sent)

    def _invite(self):
        number = data.probe_number(self.made % data.PROBES)
        call = f"{self.life}-{self.made}"
        self.made += 1
        text = (f"INVITE sip:{data.LINE}@127.0.0.1:15060 SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.7:15087;branch=z9hG4bK{call}i;rport\r\nMax-Forwards: 70\r\n"
                f"From: \"Probe\" <sip:{number}@127.0.0.7:15087>;tag=c{call}\r\nTo: <sip:{data.LINE}@127.0.0.1:15060>\r\n"
                f"Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:{number}@127.0.0.7:15087>\r\n"
                f"P-Asserted-Identity: <sip:{number}@127.0.0.7>\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(SDP)}\r\n\r\n{SDP}")
        packet = text.encode()
        self.sent[call] = time.clock_gettime_ns(time.CLOCK_REALTIME)
        self.caller.sendto(packet, SERVER)

    def _read(self, on):
        packet, ancillary, _, source = on.recvmsg(8192, 128)
        lines = packet.split(b"\r\n\r\n", 1)[0].decode("utf-8", "replace").split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        first = {name.lower(): value for name, value in reversed(headers)}
        if on is self.phone and lines[0].startswith("INVITE"):
            sent = self.sent.pop(first["call-id"], None)
            if sent is not None:
                self.took.append((_stamp(ancillary) - sent) / 1e6)
            self._answer(lines, headers, source)
        elif on is self.phone and lines[0].startswith("BYE"):
            on.sendto(_reply("200 OK", headers, "", ""), source)
        elif on is self.caller and lines[0].startswith("SIP/2.0 200") and first["cseq"].endswith("INVITE"):
            self._acknowledge(headers, first)

    def _answer(self, lines, headers, source):
        own = "Contact: <sip:probe@127.0.0.8:15088>\r\n"
        self.phone.sendto(_reply("180 Ringing", headers, ";tag=p", own), source)
        self.phone.sendto(_reply("200 OK", headers, ";tag=p", own), source)

    def _acknowledge(self, headers, first):
        contact = first["contact"].strip("<>")
        routes = "".join(f"Route: {value}\r\n" for name, value in reversed(headers) if name.lower() == "record-route")
        for method, place, sequence in (("ACK", "a", 1), ("BYE", "b", 2)):
            text = (f"{method} {contact} SIP/2.0\r\n"
                    f"Via: SIP/2.0/UDP 127.0.0.7:15087;branch=z9hG4bK{first['call-id']}{place};rport\r\n"
                    f"Max-Forwards: 70\r\n{routes}From: {first['from']}\r\nTo: {first['to']}\r\n"
                    f"Call-ID: {first['call-id']}\r\nCSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n")
            self.caller.sendto(text.encode(), SERVER)


def _reply(status, headers, tag, more):
    copied = "".join(f"{name}: {value}\r\n" for name, value in headers if name.lower() in COPIED)
    to = next(value for name, value in headers if name.lower() == "to")
    return f"SIP/2.0 {status}\r\n{copied}To: {to}{tag}\r\n{more}Content-Length: 0\r\n\r\n".encode()


def _socket(address):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)
    one.bind(address)
    return one


def _stamp(ancillary):
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == TIMESTAMP:
            seconds, nanoseconds = struct.unpack("qq", value[:16])
            return seconds * 10**9 + nanoseconds
    return time.clock_gettime_ns(time.CLOCK_REALTIME)
