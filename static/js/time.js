// Countdowns: elements with data-until (Unix seconds) say how much time is left, and go on doing so.
(() => {
  const language = document.documentElement.lang;
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const make = (unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "narrow" });
  const write = Object.fromEntries(units.map(([unit]) => [unit, make(unit)]));

  function left(seconds) {
    if (seconds < 60) return `< ${write.minute.format(1)}`;
    const parts = [];
    for (const [unit, size] of units) {
      const count = Math.floor(seconds / size);
      seconds -= count * size;
      if (count || parts.length) parts.push(write[unit].format(count));
      if (parts.length === 2) break;
    }
    return parts.join(" ");
  }
  function draw(scope) {
    const now = Date.now() / 1000;
    for (const element of (scope || document).querySelectorAll("[data-until]")) {
      const text = left(Math.max(element.dataset.until - now, 0));
      if (element.textContent !== text) element.textContent = text;
    }
  }
  draw();
  setInterval(draw, 15000);
  document.addEventListener("htmx:load", (event) => draw(event.detail.elt.parentElement));
  document.addEventListener("portal:drawn", () => draw());
})();
