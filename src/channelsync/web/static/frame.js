// What every page has: times that say how long ago, the keyboard, and what htmx leaves open.
// Without this script every page still reads, searches, pages and posts.
"use strict";

(() => {
  document.documentElement.classList.add("scripted");
  const connection = document.getElementById("connection");
  const dialog = document.getElementById("keys");

  const say = (state, words) => {
    connection.className = `live ${state}`;
    connection.querySelector(".words").textContent = words;
  };

  // ---------------------------------------------------------------- times

  const ago = (seconds) => {
    if (seconds < 0) return `in ${length(-seconds)}`;
    return seconds < 2 ? "now" : `${length(seconds)} ago`;
  };

  const length = (seconds) => {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
  };

  const tick = (root) => {
    for (const time of root.querySelectorAll("time[data-ago]")) {
      const words = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== words) {
        time.title = new Date(time.dateTime).toLocaleString();
        time.textContent = words;
      }
    }
  };

  // ---------------------------------------------------------------- the keyboard

  const isTyping = () => {
    const element = document.activeElement;
    return element?.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element?.tagName ?? "");
  };

  let going = 0;
  const go = (letter) => {
    const link = document.querySelector(`.sections a[data-letter="${CSS.escape(letter)}"]`);
    if (link) location.assign(link.href);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping() || dialog.open) return;
    const search = document.querySelector("main input[type=search]");
    if (event.key === "?") dialog.showModal();
    else if (event.key === "/" && search) search.focus();
    else if (event.key === "g") going = Date.now();
    else if (Date.now() - going < 1500) go(event.key);
    else return;
    event.preventDefault();
    if (event.key !== "g") going = 0;
  });

  document.getElementById("help").addEventListener("click", () => dialog.showModal());

  // ---------------------------------------------------------------- what htmx brings

  document.addEventListener("htmx:after:swap", () => {
    tick(document);
    say("", `as of ${new Date().toISOString().slice(11, 19)} UTC`);
  });
  document.addEventListener("htmx:error", () => say("off", "not connected: reload the page"));

  globalThis.channelsync = { say, tick };
  tick(document);
  setInterval(() => tick(document), 1000);
})();
