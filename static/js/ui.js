// Small things without a home of their own: looks, help, confirmations, copying, errors.
(() => {
  const root = document.documentElement;
  const secure = location.protocol === "https:" ? "; Secure" : "";

  function setTheme(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.cookie = `theme=${theme}; Path=/; Max-Age=${theme ? 31536000 : 0}; SameSite=Lax${secure}`;
    mark();
  }
  function mark() {
    for (const button of document.querySelectorAll("[data-theme-set]"))
      button.setAttribute("aria-pressed", String(button.dataset.themeSet === (root.dataset.theme || "")));
  }
  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  document.addEventListener("click", async (event) => {
    const target = event.target.closest("[data-theme-switch], [data-theme-set], [data-help], [data-copy]");
    if (target) {
      if ("themeSwitch" in target.dataset) setTheme(isDark() ? "light" : "dark");
      else if ("themeSet" in target.dataset) setTheme(target.dataset.themeSet);
      else if ("help" in target.dataset) document.getElementById("help")?.showModal();
      else await copy(target);
    }
    // A click outside closes menus.
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!menu.contains(event.target)) menu.open = false;
  });

  // A menu opens where there is room: upwards near the end, and never past the edge.
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches?.("details.menu") || !menu.open) return;
    const box = menu.querySelector(":scope > .menu-box");
    const room = (menu.closest(".messages, main") || document.body).getBoundingClientRect();
    menu.classList.remove("up");
    box.style.removeProperty("left");
    if (getComputedStyle(box).position === "fixed") return;
    let place = box.getBoundingClientRect();
    if (place.bottom > room.bottom - 4) menu.classList.add("up");
    place = box.getBoundingClientRect();
    const shift = Math.min(room.right - 8 - place.right, 0) || Math.max(room.left + 8 - place.left, 0);
    if (shift) box.style.left = `${shift}px`;
  }, true);

  async function copy(button) {
    const source = document.querySelector(button.dataset.copy);
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text.trim());
    } catch {
      // Without https a browser lends no clipboard: select it, and let it copy the old way.
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    const done = button.querySelector("[data-done]");
    if (done) done.textContent = done.dataset.done;
  }

  // A button that cannot be undone wakes up when the name is typed.
  function guard(input) {
    const button = input.form.querySelector("button:not([type=button])");
    button.disabled = input.value.trim() !== input.dataset.mustBe;
  }
  document.addEventListener("input", (event) => {
    if (event.target.dataset?.mustBe !== undefined) guard(event.target);
  });
  addEventListener("DOMContentLoaded", () => {
    mark();
    document.querySelectorAll("[data-must-be]").forEach(guard);
    // On a phone the tabs may be wider than the screen.
    document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });

  let hiding;
  function toast(status) {
    const box = document.getElementById("toast");
    const { offline, gone, busy, refused } = box.dataset;
    if (!status) box.textContent = offline;
    else if (status === 404) box.textContent = gone;
    else if (status === 429 || status >= 500) box.textContent = busy;
    else box.textContent = refused;
    box.hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(() => (box.hidden = true), 6000);
  }
  function complain({ detail: { elt, xhr } }) {
    // A sign-in that is asked for speaks for itself, and so does the next piece of a list (more.js).
    if (xhr.status === 401 || elt.matches?.(".more")) return;
    // What is live is tried again (live.js), or has vanished meanwhile.
    if (elt.dataset?.live && [0, 404, 503].includes(xhr.status)) return;
    toast(xhr.status);
  }
  document.addEventListener("htmx:sendError", complain);
  document.addEventListener("htmx:responseError", complain);
})();
