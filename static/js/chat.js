// One chat: it opens at its end or at a message, grows both ways while scrolling, and follows the news.
(() => {
  const box = document.getElementById("messages");
  if (!box) return keepList();
  const thread = document.getElementById("thread");
  const toEnd = document.getElementById("to-end");
  const arrived = document.getElementById("arrived");

  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  const complete = () => !thread.querySelector("[data-more=newer]");
  // Nothing is known of that is older than what is shown.
  const whole = () => !thread.querySelector("[data-more=older]");
  const goToEnd = () => (box.scrollTop = box.scrollHeight);
  const rows = () => thread.querySelectorAll("[data-place]");
  const place = (row) => row.dataset.place.split(".").map(BigInt);
  const isBefore = (a, b) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);

  // --- Where it opens
  const anchor = box.dataset.anchor && document.getElementById(box.dataset.anchor);
  if (anchor) {
    anchor.scrollIntoView({ block: "center" });
    anchor.focus({ preventScroll: true });
  } else goToEnd();
  requestAnimationFrame(() => document.querySelector(".chat-row.open")?.scrollIntoView({ block: "nearest" }));

  // --- Growing: what is looked at stays where it is
  let before = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.shouldSwap || !thread.contains(event.detail.target)) return;
    const kept = [...rows()].find((row) => row.getBoundingClientRect().bottom > box.getBoundingClientRect().top);
    before = { row: kept, top: kept?.getBoundingClientRect().top, end: atEnd() && complete() };
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (!before) return;
    mend();
    settle(before);
    before = null;
  });
  function settle({ row, top, end }) {
    if (end) goToEnd();
    else if (row?.isConnected) box.scrollTop += row.getBoundingClientRect().top - top;
    button();
  }
  // Pieces that were fetched apart may each begin with the same day.
  function mend() {
    let last = "";
    for (const row of rows()) {
      const day = row.querySelector(".day");
      if (row.dataset.day === last) day?.remove();
      last = row.dataset.day;
    }
  }

  // --- The way down
  let unseen = false;
  function button() {
    const away = !complete() || !atEnd();
    if (!away) unseen = false;
    toEnd.hidden = !away;
    toEnd.classList.toggle("primary", unseen);
  }
  box.addEventListener("scroll", button, { passive: true });
  toEnd.addEventListener("click", () => {
    if (complete()) goToEnd();
    else location.href = toEnd.dataset.url;
  });
  button();

  // --- Jumping to what is quoted or pinned, if it is on the page already
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-jump]");
    const target = link && document.getElementById(link.dataset.jump);
    if (!target || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    target.scrollIntoView({ block: "center", behavior: "smooth" });
    target.focus({ preventScroll: true });
    target.classList.add("flash");
    setTimeout(() => target.classList.remove("flash"), 1600);
  });

  // --- News
  const waiting = new Set();
  let timer = 0;
  let asking = false;
  document.addEventListener("portal:messages", (event) => {
    if (event.detail.instance !== box.dataset.instance) return;
    for (const key of [...(event.detail.messages || []), ...(event.detail.changed || [])]) waiting.add(key);
    timer ||= setTimeout(ask, 60);
  });
  document.addEventListener("portal:receipts", (event) => {
    if (event.detail.instance !== box.dataset.instance) return;
    const told = ["delivered", "read", "played"].flatMap((status) => event.detail[status] || []);
    for (const key of told) if (document.getElementById(`m-${key}`)) waiting.add(key);
    if (waiting.size) timer ||= setTimeout(ask, 60);
  });
  document.addEventListener("portal:resync", () => ask(true));
  function askAgain(key) {
    waiting.add(key);
    timer ||= setTimeout(ask, 60);
  }

  async function ask(all = false) {
    timer = 0;
    // One at a time, else two answers could overtake each other.
    if (asking) return void (timer = setTimeout(() => ask(all), 100));
    asking = true;
    try {
      const keys = [...waiting].slice(0, 200);
      keys.forEach((key) => waiting.delete(key));
      if (keys.length) {
        try {
          await fetchRows(`news=${keys.join(",")}`, false);
        } catch (error) {
          keys.forEach((key) => waiting.add(key));
          throw error;
        }
      }
      const last = [...rows()].at(-1);
      // What is shown is asked for again in pieces; what is new comes after it.
      if (all) {
        const shown = [...rows()].slice(-200).map((row) => row.dataset.message);
        if (shown.length) await fetchRows(`news=${shown.join(",")}`, false);
        if (shown.length && whole()) await fetchOlder();
      }
      if (complete()) await fetchRows(last ? `newer=${last.dataset.place}&seen=${document.hidden || !atEnd() ? 0 : 1}` : "newer=0.0", true);
      asking = false;
      if (waiting.size) timer ||= setTimeout(ask, 60);
    } catch {
      // The portal cannot be reached just now; the news may have come through all the same.
      asking = false;
      timer ||= setTimeout(() => ask(true), 2000);
    }
  }

  // A phone tells its history the newest first, after it is linked: what is older than all that is shown is asked for
  // in pieces, as while one scrolls up.
  function fetchOlder() {
    return fetchRows(`older=${rows()[0].dataset.place}`, true);
  }

  async function fetchRows(query, append) {
    const asked = performance.now();
    const answer = await fetch(`${box.dataset.rows}?${query}`, { headers: { "HX-Request": "true" } });
    if (answer.status >= 500) throw new Error("the portal failed");
    if (answer.status === 401) document.dispatchEvent(new CustomEvent("portal:signed-out"));
    if (!answer.ok) return;
    const piece = document.createElement("template");
    piece.innerHTML = await answer.text();
    const state = { end: atEnd() && complete() };
    state.row = [...rows()].find((row) => row.getBoundingClientRect().bottom > box.getBoundingClientRect().top);
    state.top = state.row?.getBoundingClientRect().top;
    let fresh = 0;
    let older = false;
    for (const row of [...piece.content.children]) {
      if (row.dataset.more) {
        if (!append) continue;
        if (row.dataset.more === "older") thread.prepend(row);
        else thread.append(row);
        htmx.process(row);
        continue;
      }
      const old = document.getElementById(row.id);
      if (old) replace(old, row);
      else if (append || fitsIn(row)) { insert(row); fresh++; }
      else older ||= rows().length > 0 && isBefore(place(row), place(rows()[0]));
    }
    mend();
    settle(state);
    document.dispatchEvent(new CustomEvent("portal:drawn", { detail: { asked } }));
    if (fresh && !query.startsWith("older=")) {
      arrived.textContent = "";
      arrived.textContent = arrived.dataset.text;
      if (!atEnd()) { unseen = true; button(); }
    }
    if (older && whole()) await fetchOlder();
  }
  // A message that arrived late stands among the others if its place is within what is shown.
  function fitsIn(row) {
    const all = rows();
    return all.length > 0 && isBefore(place(all[0]), place(row)) && isBefore(place(row), place(all[all.length - 1]));
  }
  function replace(old, row) {
    // What is being chosen from is not pulled away, nor the place of what is being fetched; it is asked for again.
    if (old.querySelector("details.menu[open], .htmx-request")) return void setTimeout(askAgain, 1000, row.dataset.message);
    const focused = old === document.activeElement;
    row.classList.toggle("continued", old.classList.contains("continued"));
    row.querySelector(".day")?.remove();
    const day = old.querySelector(".day");
    if (day) row.prepend(day);
    old.replaceWith(row);
    htmx.process(row);
    if (focused) row.focus({ preventScroll: true });
  }
  function insert(row) {
    const next = [...rows()].find((one) => isBefore(place(row), place(one)));
    thread.insertBefore(row, next || null);
    htmx.process(row);
  }

  // A tab that is looked at again has been read.
  document.addEventListener("visibilitychange", () => document.hidden || (atEnd() && ask()));
  keepList();

  // The list is drawn anew by the news; the reader's place in it stays.
  function keepList() {
    let top = 0;
    let focus = "";
    let seen = [];
    document.addEventListener("htmx:beforeSwap", (event) => {
      const list = event.detail.target;
      if (list?.id !== "chat-list") return;
      top = list.scrollTop;
      focus = list.contains(document.activeElement) ? document.activeElement.id : "";
      const frame = list.getBoundingClientRect();
      const inSight = ({ top: from, bottom: to }) => to > frame.top && from < frame.bottom;
      seen = [...list.querySelectorAll("[data-item]")].filter((row) => inSight(row.getBoundingClientRect()));
      seen = seen.map((row) => [row.id, row.offsetTop]);
    });
    document.addEventListener("htmx:afterSwap", (event) => {
      if (event.detail.target?.id !== "chat-list") return;
      const list = document.getElementById("chat-list");
      // Chats that were written in stand at the top now, and those that stayed have gone down by as much. Who looks at
      // the top wants to see the new ones.
      const shifts = seen.map(([id, at]) => (document.getElementById(id)?.offsetTop ?? NaN) - at).filter(Number.isFinite);
      list.scrollTop = top && shifts.length ? top + Math.max(...shifts) : top;
      if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
    });
  }
})();
