"""Times connect, NTLM and one Get with a client that others wrote. A line of input is one round; a line of output the
seconds it took."""

import os
import sys
import time
import xml.etree.ElementTree as ElementTree

CIMV2 = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/"
HOST, PORT = os.environ["BENCH_HOST"], int(os.environ["BENCH_PORT"])
USER, PASSWORD = os.environ["BENCH_USER"], os.environ["BENCH_PASSWORD"]


def by_pypsrp():
    from pypsrp.wsman import WSMan, WSManAction

    with WSMan(
        HOST, port=PORT, username=USER, password=PASSWORD, ssl=False, auth="negotiate", negotiate_provider="ntlm",
        encryption="always",
    ) as client:
        return ElementTree.tostring(client.invoke(WSManAction.GET, CIMV2 + "Win32_OperatingSystem", None)).decode()


def by_pywinrm():
    import uuid
    import winrm
    import xmltodict

    client = winrm.Protocol(
        f"http://{HOST}:{PORT}/wsman", transport="ntlm", username=USER, password=PASSWORD, message_encryption="always"
    )
    action = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
    header = client._get_soap_header(
        resource_uri=CIMV2 + "Win32_OperatingSystem", action=action, message_id=str(uuid.uuid4())
    )
    envelope = {"env:Envelope": {**header, "env:Body": {}}}
    answer = client.send_message(xmltodict.unparse(envelope))
    client.transport.close_session()
    return answer if isinstance(answer, str) else answer.decode()


ROUND = {"pypsrp": by_pypsrp, "pywinrm": by_pywinrm}[sys.argv[1]]
assert "LastBootUpTime" in ROUND()
print("ready", flush=True)
for _line in sys.stdin:
    began = time.perf_counter()
    ROUND()
    print(time.perf_counter() - began, flush=True)
