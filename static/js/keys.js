// The keyboard: / search, arrows through items, Enter opens, p pins, u unpins, ? helps.
(() => {
  const typing = (element) => element?.matches?.("input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]");
  const shown = (element) => element.getClientRects().length > 0;
  const items = () => {
    const lists = [...document.querySelectorAll("[data-list]")].filter(shown);
    const own = document.activeElement?.closest("[data-list]");
    // Where the reader is; else where most happens: a page marks that list as its main one.
    const list = own || lists.find((one) => one.dataset.list === "main") || lists[0];
    return list ? [...list.querySelectorAll("[data-item]")].filter(shown) : [];
  };
  const current = () => document.activeElement?.closest?.("[data-item]");

  function move(step) {
    const all = items();
    if (!all.length) return false;
    const at = all.indexOf(current());
    // A chat is read from its end.
    const start = all[0].closest("[data-list]").dataset.start === "end" ? all.length - 1 : 0;
    const next = at < 0 ? all[start] : all[Math.min(Math.max(at + step, 0), all.length - 1)];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  function inMenu(menu, step) {
    const choices = [...menu.querySelectorAll("button, a")].filter(shown);
    const at = choices.indexOf(document.activeElement);
    choices[(at + step + choices.length) % choices.length]?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], :popover-open")) return;
    const menu = document.activeElement?.closest?.("details.menu[open] > :not(summary)");
    if (event.key === "Escape") return escape();
    if (menu && ["ArrowDown", "ArrowRight"].includes(event.key)) { event.preventDefault(); return inMenu(menu, 1); }
    if (menu && ["ArrowUp", "ArrowLeft"].includes(event.key)) { event.preventDefault(); return inMenu(menu, -1); }
    if (typing(event.target)) {
      // From the search box the arrows lead into the hits.
      if (event.key === "ArrowDown" && event.target.dataset.leads && move(1)) event.preventDefault();
      return;
    }
    const act = { "/": search, "?": help, ArrowDown: () => move(1), ArrowUp: () => move(-1), j: () => move(1), k: () => move(-1), p: pin, u: unpin, Enter: enter }[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });

  function search() {
    const box = document.querySelector("#q");
    if (box) { box.focus(); box.select(); } else location.href = document.documentElement.dataset.searchUrl;
  }
  function help() { document.getElementById("help")?.showModal(); }
  function escape() {
    const open = document.querySelector("details.menu[open]");
    if (open) { open.open = false; (open.closest("[data-item]") || open.querySelector("summary")).focus(); }
    else if (typing(document.activeElement)) document.activeElement.blur();
  }
  function enter() {
    const item = current();
    if (!item || document.activeElement !== item || item.matches("a")) return false;
    const link = item.querySelector("a[data-open]");
    if (!link) return false;
    link.click();
  }
  function pin() {
    const menu = current()?.querySelector("details.menu.pin-menu");
    if (!menu) return false;
    menu.open = true;
    menu.querySelector("button[name=duration]")?.focus();
  }
  function unpin() {
    const button = current()?.querySelector("button[data-unpin]");
    if (!button) return false;
    button.click();
  }

  // A control is replaced when its pin's state changes, a list when something is new in it. Whatever had the
  // keyboard and is gone with that hands it back to the item it stood in.
  let last = null;
  document.addEventListener("focusin", () => (last = current() || null));
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest("[data-item]")) last = null; });
  document.addEventListener("htmx:afterSwap", () => {
    if (!last || (document.activeElement && document.activeElement !== document.body)) return;
    const item = last.isConnected ? last : document.getElementById(last.id);
    item?.focus({ preventScroll: true });
  });
})();
