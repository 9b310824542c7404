// Times of the viewer, the menu, the theme, and pages that draw anew what has changed.
"use strict";
(function () {
  const two = (number) => String(number).padStart(2, "0");

  function local(at) {
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  }

  function localTimes(within) {
    for (const place of within.querySelectorAll("time[datetime]")) {
      const at = new Date(place.dateTime);
      if (!Number.isNaN(at.getTime())) {
        place.textContent = local(at);
        place.title = place.dateTime;
      }
    }
    for (const field of within.querySelectorAll("[data-moment]")) {
      const at = new Date(field.dataset.value);
      if (!field.value && !Number.isNaN(at.getTime())) field.value = local(at).replace(" ", "T");
    }
  }

  // A time is entered in the viewer's zone and asked for in UTC.
  function between(form) {
    const query = new URLSearchParams(new FormData(form));
    query.delete("range");
    for (const field of form.querySelectorAll("[data-moment]")) {
      const at = new Date(field.value);
      if (!Number.isNaN(at.getTime())) query.set(field.dataset.moment, at.toISOString());
    }
    location.assign(`${form.action.split("?")[0]}?${query}`);
  }

  function chooseTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // It holds for this page alone then.
    }
    document.dispatchEvent(new Event("drawn"));
  }

  function attend(within) {
    for (const field of within.querySelectorAll("[data-submit]")) {
      field.addEventListener("change", () => field.value && field.form.submit());
    }
    for (const field of within.querySelectorAll("[data-load]")) {
      field.addEventListener("change", async () => {
        if (field.files.length) document.getElementById(field.dataset.load).value = await field.files[0].text();
      });
    }
    for (const button of within.querySelectorAll("[data-between]")) {
      button.addEventListener("click", (event) => {
        event.preventDefault();
        between(button.form);
      });
    }
  }

  // A chart is what it was drawn of, anything else what it says.
  function isSame(place, other) {
    const [chart, fresh] = [place, other].map((each) => each.querySelector("[data-chart]")?.dataset.chart);
    return chart === undefined ? place.innerHTML === other.innerHTML : chart === fresh;
  }

  // Draws anew what depends on a kind of thing, without disturbing what somebody is typing in or reading in detail.
  let drawing = false;
  const waiting = new Set();
  async function drawAnew(kind) {
    const places = [...document.querySelectorAll(`[data-live~="${kind}"][id]`)];
    if (!places.length) return;
    if (drawing || document.hidden) {
      waiting.add(kind);
      return;
    }
    drawing = true;
    try {
      const answer = await fetch(document.body.dataset.liveFrom || location.href, { headers: { "X-Live": "1" }, redirect: "error" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const place of places) {
        const other = fresh.getElementById(place.id);
        if (!other || place.contains(document.activeElement) || place.querySelector("details[open]")) continue;
        localTimes(other);
        if (!isSame(place, other)) {
          place.replaceChildren(...document.importNode(other, true).childNodes);
          place.className = other.className;
        }
      }
      document.dispatchEvent(new Event("drawn"));
    } catch {
      // The connection says that it is gone; the next event tries again.
    } finally {
      drawing = false;
      drawWaiting();
    }
  }

  function drawWaiting() {
    const [next] = waiting;
    waiting.delete(next);
    if (next) drawAnew(next);
  }

  function follow() {
    const said = document.querySelector("[data-connection]");
    const events = new EventSource(document.body.dataset.liveEvents);
    events.addEventListener("open", () => said && (said.textContent = "live"));
    events.addEventListener("error", () => said && (said.textContent = "not live: trying again"));
    events.addEventListener("ended", () => {
      events.close();
      if (said) said.textContent = "the session has ended";
    });
    for (const kind of ["alerts", "policy", "workers", "tick"]) events.addEventListener(kind, () => drawAnew(kind));
    addEventListener("pagehide", () => events.close());
    document.addEventListener("visibilitychange", () => document.hidden || drawWaiting());
  }

  document.addEventListener("DOMContentLoaded", () => {
    localTimes(document);
    attend(document);
    const zone = document.querySelector("[data-zone]");
    if (zone) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
    const menu = document.querySelector("[data-menu]");
    menu?.addEventListener("click", () => {
      const open = document.body.classList.toggle("menu-open");
      menu.setAttribute("aria-expanded", String(open));
    });
    document.querySelector("[data-theme-switch]")?.addEventListener("click", chooseTheme);
    if (document.body.dataset.liveEvents) follow();
  });
})();
