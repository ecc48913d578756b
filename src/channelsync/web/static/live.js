// Keeps the page current: fragments of HTML arrive as server-sent events and replace elements by
// id. Without this script the page still reads, searches and posts.
"use strict";

(() => {
  const body = document.body;
  const rows = document.getElementById("rows");
  const search = document.getElementById("q");
  const order = { key: "", down: false };

  const { say, tick } = globalThis.channelsync;

  // ---------------------------------------------------------------- items

  const matches = (row) => {
    const wanted = search.value.trim().toLowerCase();
    const text = `${row.dataset.sku} ${row.dataset.name}`.toLowerCase();
    return text.includes(wanted);
  };

  const filter = () => {
    let shown = 0;
    for (const row of rows.rows) {
      row.hidden = !matches(row);
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("no-items").hidden = shown > 0;
  };

  const compare = (one, other) => {
    const [a, b] = [one.dataset[order.key], other.dataset[order.key]];
    const result = order.key === "sku" ? a.localeCompare(b) : Number(a) - Number(b);
    return order.down ? -result : result;
  };

  const sort = (button) => {
    const key = button.dataset.sort.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    order.down = order.key === key ? !order.down : key !== "sku";
    order.key = key;
    for (const head of document.querySelectorAll("#items th[aria-sort]")) {
      head.removeAttribute("aria-sort");
    }
    button.closest("th").setAttribute("aria-sort", order.down ? "descending" : "ascending");
    rows.append(...[...rows.rows].sort(compare));
  };

  for (const button of document.querySelectorAll("button[data-sort]")) {
    button.addEventListener("click", () => sort(button));
  }
  search.addEventListener("input", filter);

  // ---------------------------------------------------------------- fragments

  const elementOf = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  };

  const put = (id, html) => {
    const old = document.getElementById(id);
    if (html === null) {
      old?.remove();
      return;
    }
    const isRow = id.startsWith("item-");
    if (!old && (!isRow || body.dataset.searched)) return;
    const fresh = elementOf(html);
    tick(fresh);
    if (isRow) {
      fresh.hidden = !matches(fresh);
      if (old) fresh.classList.add("changed");
    }
    if (!old) {
      rows.append(fresh);
      return;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const place = focused ? [...old.querySelectorAll("a, button, [tabindex]")].indexOf(focused) : -1;
    const scrolled = old.querySelector(".scroll")?.scrollTop ?? 0;
    old.replaceWith(fresh);
    if (scrolled) fresh.querySelector(".scroll").scrollTop = scrolled;
    if (place >= 0) fresh.querySelectorAll("a, button, [tabindex]")[place]?.focus();
  };

  const listen = () => {
    const source = new EventSource(`${body.dataset.events}?since=${body.dataset.seen}`);
    source.addEventListener("open", () => say("on", "live"));
    source.addEventListener("error", () => say("off", "not connected, trying again"));
    source.addEventListener("message", (event) => {
      for (const [id, html] of Object.entries(JSON.parse(event.data))) put(id, html);
      filter();
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  // ---------------------------------------------------------------- buttons

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.closest("#stage")) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    // The strip is drawn for everybody alike; the token is this visitor's.
    const headers = body.dataset.csrf ? { "x-csrf-token": body.dataset.csrf } : {};
    try {
      const answer = await fetch(form.action, { method: "POST", redirect: "manual", headers });
      if (answer.type !== "opaqueredirect" && !answer.ok) say("off", "that did not work");
    } finally {
      button.disabled = false;
    }
  });

  addEventListener("pageshow", (event) => event.persisted && listen());
  listen();
})();
