"""Drives a server of the lab with clients that others wrote: pywinrm and pypsrp.

Reads from the environment where the server is and how to prove who we are. Says one line per exchange and ends with
`done`; anything unexpected ends with a traceback and an exit code that is not 0.
"""

import os
import xml.etree.ElementTree as ElementTree

import winrm
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan, WSManAction
from pypsrp.exceptions import WSManFaultError

PORT = int(os.environ["LAB_PORT"])
USER = os.environ["LAB_USER"]
PASSWORD = os.environ["LAB_PASSWORD"]
AUTHORITY = os.environ["LAB_AUTHORITY"]
CIMV2 = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"


def check(what, found, expected):
    assert found == expected, f"{what}: expected {expected!r}, found {found!r}"
    print(f"{what}: {found!r}")


def pywinrm(password=PASSWORD):
    return winrm.Session(
        f"https://127.0.0.1:{PORT}/wsman",
        auth=(USER, password),
        transport="basic",
        ca_trust_path=AUTHORITY,
        server_cert_validation="validate",
    )


def commands_by_pywinrm():
    session = pywinrm()
    found = session.run_cmd("hostname.exe")
    check("pywinrm hostname", (found.status_code, found.std_out), (0, b"fe1\r\n"))
    found = session.run_cmd("nonsense.exe", ["/all"])
    check("pywinrm missing program", found.status_code, 1)
    assert b"not recognized" in found.std_err, found.std_err
    found = session.run_ps("Get-Date")
    check("pywinrm unknown script", found.status_code, 1)
    assert b"not one that the lab knows" in found.std_err, found.std_err


def wrong_password_by_pywinrm():
    try:
        pywinrm("wrong").run_cmd("hostname.exe")
    except winrm.exceptions.InvalidCredentialsError:
        print("pywinrm wrong password: refused")
    else:
        raise AssertionError("a wrong password was accepted")


def pypsrp():
    return WSMan(
        "127.0.0.1", port=PORT, username=USER, password=PASSWORD, ssl=True, auth="basic", cert_validation=AUTHORITY
    )


def text_of(element, name):
    for found in element.iter():
        if found.tag.rsplit("}", 1)[-1] == name:
            return found.text
    return None


def service(client, method=None):
    from pypsrp.wsman import SelectorSet

    selectors = SelectorSet()
    selectors.add_option("Name", "RTCCPS")
    uri = CIMV2 + "Win32_Service"
    if method is None:
        return client.invoke(WSManAction.GET, uri, None, selector_set=selectors)
    body = ElementTree.Element("{%s}%s_INPUT" % (uri, method))
    return client.invoke(f"{uri}/{method}", uri, body, selector_set=selectors)


def services_by_pypsrp(client):
    check("pypsrp get", text_of(service(client), "State"), "Running")
    check("pypsrp pause", text_of(service(client, "PauseService"), "ReturnValue"), "0")
    assert text_of(service(client), "State") in ("Pause Pending", "Paused")
    try:
        service(client, "ExplodeService")
    except WSManFaultError as fault:
        check("pypsrp unknown method", fault.code, 2150858753)
    else:
        raise AssertionError("an unknown method was accepted")


def enumeration_by_pypsrp(client):
    body = ElementTree.Element("{%s}Enumerate" % ENUMERATION)
    ElementTree.SubElement(body, "{%s}OptimizeEnumeration" % WSMAN)
    ElementTree.SubElement(body, "{%s}MaxElements" % WSMAN).text = "5"
    wql = ElementTree.SubElement(body, "{%s}Filter" % WSMAN, Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL")
    wql.text = "SELECT Name,State FROM Win32_Service WHERE Name LIKE 'RTC%'"
    answer = client.invoke(WSManAction.ENUMERATE, CIMV2 + "*", body)
    names, pages = [], 0
    while True:
        names += [found.text for found in answer.iter() if found.tag == "Name"]
        if any(found.tag.endswith("}EndOfSequence") for found in answer.iter()):
            break
        body = ElementTree.Element("{%s}Pull" % ENUMERATION)
        context = text_of(answer, "EnumerationContext")
        ElementTree.SubElement(body, "{%s}EnumerationContext" % ENUMERATION).text = context
        ElementTree.SubElement(body, "{%s}MaxElements" % ENUMERATION).text = "5"
        answer = client.invoke(WSManAction.PULL, CIMV2 + "*", body)
        pages += 1
    assert pages > 1 and len(names) == len(set(names)) and "RTCSRV" in names, (pages, names)
    print(f"pypsrp enumeration: {len(names)} services in {pages} pages")


def shell_by_pypsrp(client):
    with WinRS(client) as shell:
        command = Process(shell, "hostname.exe")
        command.invoke()
        command.signal(SignalCode.CTRL_C)
        check("pypsrp hostname", (command.rc, command.stdout), (0, b"fe1\r\n"))
    with WinRS(client, no_profile=True) as shell:
        command = Process(shell, "nonsense.exe", no_shell=True)
        try:
            command.invoke()
        except WSManFaultError as fault:
            check("pypsrp missing program", fault.code, 2147942402)
        else:
            raise AssertionError("a missing program was started without cmd.exe")


commands_by_pywinrm()
wrong_password_by_pywinrm()
with pypsrp() as client:
    services_by_pypsrp(client)
    enumeration_by_pypsrp(client)
    shell_by_pypsrp(client)
print("done")
