"""Looks at the pages of serve in a real browser: CHROMIUM BASE RUN TOKEN PICTURES PREVIEW.

Reads pages at 390 and 1280 pixels, dark and light, decides a hold with keys alone, and fails at the first thing on the console, at
a request to anything but BASE, at a violation of WCAG A or AA that axe finds, and at a page that is wider than its window.
"""

import pathlib
import re
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

chromium, base, run, token, pictures, preview = sys.argv[1:]
pictures, preview = pathlib.Path(pictures).resolve(), pathlib.Path(preview).resolve()
WIDTHS = {"390": (390, 844), "1280": (1280, 900)}
SCHEMES = ["light", "dark"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# The slowest machine shows the next state of a run within this time, in milliseconds.
PATIENCE = 240_000
axe = Axe()
wrong = []


def watched(context):
    """Returns a page that tells of everything that should not be."""
    page = context.new_page()

    def console(message):
        # What a form refuses is an answer with such a status, and the browser says so by itself.
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            wrong.append(f"console at {page.url}: {message.text}")

    def request(asked):
        if not asked.url.startswith((base, "file:", "data:")):
            wrong.append(f"a request to {asked.url} by {page.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(f"script at {page.url}: {error}"))
    page.on("request", request)
    page.on("dialog", lambda dialog: (wrong.append(f"a dialog at {page.url}"), dialog.dismiss()))
    return page


def checked(page, name):
    """Takes a picture, and asks axe and the measures of the page."""
    page.screenshot(path=pictures / f"{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        wrong.append(f"{name} is {wide} pixels wider than its window")
    found = axe.run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    for violation in found.response["violations"]:
        for node in violation["nodes"][:3]:
            wrong.append(f"axe at {name}: {violation['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})")
    print(f"{name}: axe found {len(found.response['violations'])} violations in {len(found.response['passes'])} kinds of checks")


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def tab_to(page, wanted, most=80):
    """Presses the tabulator until something has the focus, which has to be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page) == wanted:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            if outline == "none":
                wrong.append(f"the focus on {wanted} is not seen")
            return
    wrong.append(f"{wanted} is not reached with the tabulator at {page.url}")


def stop_if_wrong():
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)


def everywhere(browser, cookies, look):
    """Does something at each width, in dark and in light."""
    for width, (w, h) in WIDTHS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": w, "height": h}, color_scheme=scheme, is_mobile=width == "390"
            )
            context.add_cookies(cookies)
            look(watched(context), f"{width}-{scheme}")
            context.close()


def all_pages(page, how, paths):
    for name, path in paths.items():
        page.goto(path if path.startswith("file:") else base + path)
        checked(page, f"{name}-{how}")


def main(browser):
    # The policy holds in this context: nothing is injected into its pages.
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = watched(context)
    page.goto(f"{base}/")
    tab_to(page, "to the content")
    tab_to(page, f"run-{run}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{run}")
    # It comes by itself: nothing is loaded anew.
    page.evaluate("window.here = true")
    page.locator("#holds", has_text="cut 2 sessions").wait_for(timeout=PATIENCE)
    assert page.evaluate("window.here"), "the page was loaded anew"
    assert page.title().startswith("HELD"), page.title()
    stop_if_wrong()
    ran = page.evaluate("() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); return window.ran }")
    if ran:
        wrong.append("a script within the page runs: the policy does not hold")
    # The browser tells of the refusal.
    wrong[:] = [one for one in wrong if "Content Security Policy" not in one]
    stop_if_wrong()

    tab_to(page, "choice-0-cut")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in?next=*")
    sign_in = page.url.removeprefix(base)
    tab_to(page, "name")
    page.keyboard.type("Ann B.")
    page.keyboard.press("Tab")
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/decide?*")
    confirm = page.url.removeprefix(base)
    extend = confirm.replace("choice=cut", "choice=extend")
    assert "This cuts 2 sessions of fe1" in page.inner_text("main"), page.inner_text("main")
    cookies = context.cookies()
    assert all(one["httpOnly"] and one["sameSite"] == "Strict" for one in cookies), cookies
    stop_if_wrong()

    held = {"list": "/", "windows": "/windows", "held": f"/runs/{run}", "confirm": confirm, "extend": extend, "failed": "/runs/none"}
    everywhere(browser, cookies, lambda page, how: all_pages(page, how, held))
    everywhere(browser, [], lambda page, how: all_pages(page, how, {"sign-in": sign_in}))

    # Without a script a page is whole.
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    still = watched(plain)
    still.goto(f"{base}/runs/{run}")
    assert "fe1 is held" in still.inner_text("main") and still.locator("svg.timeline").count() > 0
    still.screenshot(path=pictures / "no-script-390.png", full_page=True)
    plain.close()

    tab_to(page, "sessions")
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{run}?sent=cut")
    page.wait_for_selector("#choice-0-cut", state="detached", timeout=PATIENCE)
    page.locator("#rest", has_text="by keyboard").wait_for(timeout=PATIENCE)
    # The focus stays where it was while pieces change.
    tab_to(page, "timeline-picture")
    page.locator("#s-0", has_text=re.compile("patch|restart|return|soak|done")).wait_for(timeout=PATIENCE)
    if focused(page) != "timeline-picture":
        wrong.append(f"the focus went from the timeline to {focused(page)}")
    everywhere(browser, cookies, lambda page, how: all_pages(page, how, {"work": f"/runs/{run}"}))
    expect(page).not_to_have_title(re.compile("^at work"), timeout=PATIENCE)
    stop_if_wrong()

    with page.expect_download() as kept:
        page.goto(f"{base}/runs/{run}/report")
        page.click("text=the report as one file")
    file = pictures / "report.html"
    kept.value.save_as(file)
    over = {"report": f"/runs/{run}/report", "file": file.as_uri(), "preview": preview.as_uri()}
    everywhere(browser, cookies, lambda page, how: all_pages(page, how, over))
    page.goto(base + "/")
    page.click("text=Sign out")
    page.wait_for_selector("text=Sign in")
    page.goto(file.as_uri())
    page.pdf(path=pictures / "report.pdf", format="A4")
    stop_if_wrong()


with sync_playwright() as playwright:
    started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    try:
        main(started)
    finally:
        started.close()
        if wrong:
            print("\n".join(wrong))
