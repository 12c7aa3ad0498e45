// Messages ticked in a list, and the bar that says what to do with them all. News draw the list anew: what is ticked
// is remembered here, also where it has scrolled out of what is drawn.
(() => {
  const bar = document.getElementById("many");
  if (!bar) return;
  const ticked = new Set();
  const full = bar.querySelector("[data-many-full]");
  const boxes = () => document.querySelectorAll("input[data-tick]");

  // The server takes so many of them at once, and a form has no room for many more.
  function add(keys) {
    let refused = false;
    for (const key of keys) {
      if (ticked.size < bar.dataset.most) ticked.add(key);
      refused ||= !ticked.has(key);
    }
    full.hidden = !refused;
  }
  function remove(keys) {
    for (const key of keys) ticked.delete(key);
    full.hidden = true;
  }

  function show() {
    for (const box of boxes()) box.checked = ticked.has(box.value);
    bar.hidden = ticked.size === 0;
    bar.querySelector("[data-count]").textContent = ticked.size;
    document.body.classList.toggle("many-open", ticked.size > 0);
  }

  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[data-tick]")) return;
    if (event.target.checked) add([event.target.value]);
    else remove([event.target.value]);
    show();
  });
  bar.addEventListener("click", (event) => {
    if (event.target.closest("[data-many-all]")) add([...boxes()].map((box) => box.value));
    else if (event.target.closest("[data-many-none]")) remove([...ticked]);
    else return;
    show();
  });
  bar.addEventListener("submit", () => {
    for (const old of bar.querySelectorAll("input[name=message]")) old.remove();
    for (const key of ticked) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "message", value: key });
      bar.append(field);
    }
  });
  document.addEventListener("htmx:afterSwap", show);
  // Another search is another selection; its next page is not.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "results") return;
    remove([...ticked]);
    show();
  });
  addEventListener("pageshow", show);
})();
