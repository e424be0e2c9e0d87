"""A WS-Management server that accepts logons with programs that others wrote: pyspnego for NTLM, MIT's library for Kerberos.

    acceptor.py MODE [CERTIFICATE KEY]

Prints its port and serves until it is ended. A certificate makes it serve TLS. MODE is what it does:

good            logs on, seals, answers
bind            the same, and refuses a logon that is not bound to its certificate
bind-other      the same with the binding of another certificate, as behind a proxy
plain           answers a sealed request in the clear
tamper          changes a bit of each sealed answer
replay          answers the second request with the first sealed answer
length          says another length than it sealed
basic-only      offers Basic
refuse          answers every token with a bare 401
error-N         answers a ticket with Kerberos error N
late            the same as refuse, with a clock that is ten minutes behind
"""

import base64
import hashlib
import http.server
import os
import re
import ssl
import sys
import time

MODE = sys.argv[1]
CERTIFICATE = sys.argv[2:4]
BOUNDARY = b"--Encrypted Boundary"
SEALED = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'


def binding():
    if MODE not in ("bind", "bind-other"):
        return None
    der = ssl.PEM_cert_to_DER_cert(open(CERTIFICATE[0]).read())
    if MODE == "bind-other":
        der += b"other"
    return b"tls-server-end-point:" + hashlib.sha256(der).digest()


class Ntlm:
    def __init__(self):
        import spnego
        from spnego.channel_bindings import GssChannelBindings

        bound = binding()
        bound = GssChannelBindings(application_data=bound) if bound else None
        self.context = spnego.server(protocol="ntlm", channel_bindings=bound)

    def step(self, token):
        return self.context.step(token)

    @property
    def complete(self):
        return self.context.complete

    def unseal(self, header, data):
        return self.context.unwrap_winrm(header, data)

    def seal(self, text):
        sealed = self.context.wrap_winrm(text)
        return sealed.header, sealed.data


class Kerberos:
    def __init__(self):
        import gssapi
        from gssapi.raw import ChannelBindings

        bound = binding()
        bound = ChannelBindings(application_data=bound) if bound else None
        self.context = gssapi.SecurityContext(usage="accept", channel_bindings=bound)
        self.gssapi = gssapi

    def step(self, token):
        answer = self.context.step(token)
        if binding() and self.context.complete:
            # 2048 is GSS_C_CHANNEL_BOUND_FLAG: that the client has bound itself, and to the same.
            if not int(self.context.actual_flags) & 2048:
                raise ValueError("not bound")
        return answer

    @property
    def complete(self):
        return self.context.complete

    def unseal(self, header, data):
        return self.context.unwrap(header + data).message

    def seal(self, text):
        whole = self.context.wrap(text, True).message
        return whole[:60], whole[60:]


def krb_error(code):
    def tlv(tag, *parts):
        content = b"".join(parts)
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x81, size])
        return bytes([tag]) + length + content

    stamp = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 600)).encode()
    name = tlv(0x30, tlv(0xA0, tlv(2, b"\x02")), tlv(0xA1, tlv(0x30, tlv(0x1B, b"HTTP"), tlv(0x1B, b"fe1"))))
    fields = (
        tlv(0xA0, tlv(2, b"\x05")) + tlv(0xA1, tlv(2, b"\x1e")) + tlv(0xA4, tlv(0x18, stamp))
        + tlv(0xA5, tlv(2, b"\x00")) + tlv(0xA6, tlv(2, bytes([code]))) + tlv(0xA9, tlv(0x1B, b"CONTOSO.EXAMPLE"))
        + tlv(0xAA, name)
    )
    error = tlv(0x7E, tlv(0x30, fields))
    oid = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
    token = tlv(0x60, oid, b"\x03\x00", error)
    return tlv(0xA1, tlv(0x30, tlv(0xA0, tlv(0x0A, b"\x02")), tlv(0xA2, tlv(4, token))))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    context = None
    first_answer = None

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        moment = (timestamp or time.time()) - (600 if MODE == "late" else 0)
        return super().date_time_string(moment)

    def send(self, status, body=b"", kind=None, token=None, offers=("Negotiate",)):
        self.send_response(status)
        if token is not None:
            self.send_header("WWW-Authenticate", "Negotiate " + base64.b64encode(token).decode())
        elif status == 401:
            for offer in offers:
                self.send_header("WWW-Authenticate", offer)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer = []
        # One piece: two would cost forty milliseconds each time.
        self.wfile.write(head + body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        proof = self.headers.get("Authorization")
        if proof:
            return self.log_on(base64.b64decode(proof.split(" ", 1)[1]))
        if not (self.context and self.context.complete):
            return self.send(401)
        if CERTIFICATE:
            return self.send(200, self.answer(body), "application/soap+xml;charset=UTF-8")
        if not (self.headers.get("Content-Type") or "").startswith("multipart/encrypted"):
            return self.send(500)
        start = body.index(b"application/octet-stream\r\n") + len(b"application/octet-stream\r\n")
        size = int.from_bytes(body[start:start + 4], "little")
        end = len(body) - len(BOUNDARY + b"--\r\n")
        text = self.context.unseal(body[start + 4:start + 4 + size], body[start + 4 + size:end])
        self.seal(self.answer(text))

    def log_on(self, token):
        if MODE == "basic-only":
            return self.send(401, offers=('Basic realm="WSMAN"',))
        if MODE in ("refuse", "late"):
            return self.send(401)
        if MODE.startswith("error-"):
            return self.send(401, token=krb_error(int(MODE.split("-")[1])))
        if self.context is None:
            self.context = Ntlm() if token.startswith(b"NTLMSSP") else Kerberos()
        try:
            answer = self.context.step(token)
        except Exception as error:
            print("refused:", type(error).__name__, str(error)[:200], file=sys.stderr, flush=True)
            self.context = None
            return self.send(401)
        self.send(200 if self.context.complete else 401, token=answer or None)

    def answer(self, text):
        found = re.search(rb"MessageID>([^<]*)<", text).group(1)
        return (
            b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            b'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header><a:RelatesTo>' + found +
            b'</a:RelatesTo></s:Header><s:Body><p:Win32_OperatingSystem xmlns:p="x"><p:Caption>stranger</p:Caption>'
            b'</p:Win32_OperatingSystem></s:Body></s:Envelope>'
        )

    def seal(self, text):
        if MODE == "plain":
            return self.send(200, text, "application/soap+xml;charset=UTF-8")
        header, data = self.context.seal(text)
        if MODE == "tamper":
            data = bytes([data[0] ^ 1]) + data[1:]
        length = len(text) + (1 if MODE == "length" else 0)
        lines = (
            b"\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: "
            b"type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % length
        )
        body = (
            BOUNDARY + lines + BOUNDARY + b"\r\n\tContent-Type: application/octet-stream\r\n"
            + len(header).to_bytes(4, "little") + header + data + BOUNDARY + b"--\r\n"
        )
        if MODE == "replay":
            self.first_answer = self.first_answer or body
            body = self.first_answer
        self.send(200, body, SEALED)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if CERTIFICATE:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*CERTIFICATE)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
# The test holds the other end: whoever ends it ends this too.
import threading

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.serve_forever()
