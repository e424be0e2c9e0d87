// Takes pieces of the page that have changed. The page is whole without it; a reload shows the same.
"use strict";
(() => {
  const path = document.body.dataset.events;
  const live = document.getElementById("live");
  if (!path || !window.EventSource) return;

  const say = (text) => {
    if (!live) return;
    live.hidden = !text;
    live.textContent = text;
  };

  // Puts a piece in its place. What is open stays open, and what has the focus keeps it.
  const put = ({ id, v, html }) => {
    const place = document.getElementById(id);
    if (!place) return false;
    if (place.dataset.v === v) return true;
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...place.querySelectorAll("details[open]")].map((one) => one.id);
    const scrolled = [...place.querySelectorAll(".picture")].map((one) => one.scrollLeft);
    place.innerHTML = html;
    place.dataset.v = v;
    for (const one of open) document.getElementById(one)?.setAttribute("open", "");
    place.querySelectorAll(".picture").forEach((one, number) => { one.scrollLeft = scrolled[number] || 0; });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    return true;
  };

  let wait = 1000;
  const connect = () => {
    const events = new EventSource(path);
    events.addEventListener("pieces", (event) => {
      wait = 1000;
      say("");
      // A page with other pieces than these was made by another version of the program.
      if (JSON.parse(event.data).map(put).includes(false)) say("This page is an earlier one: reload it.");
    });
    events.addEventListener("title", (event) => { document.title = JSON.parse(event.data); });
    events.addEventListener("gone", () => { events.close(); say("This page goes on no more: reload it."); });
    events.onerror = () => {
      say("The connection is broken; this is how it was. It is tried again.");
      if (events.readyState !== EventSource.CLOSED) return;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 30000);
    };
  };
  connect();
})();
