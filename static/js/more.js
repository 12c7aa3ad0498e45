// The next piece of a list, when it could not be fetched: a button asks again, and a while later so does this.
(() => {
  const AGAIN_MS = 5000;
  // The portal cannot be reached, or has too much to do.
  const PASSING = [0, 502, 503, 504];

  function show(more, failed) {
    more.querySelector("[data-loading]").hidden = failed;
    more.querySelector("[data-again]").hidden = !failed;
  }
  function ask(more) {
    if (!more.isConnected || more.matches(".htmx-request")) return;
    show(more, false);
    htmx.trigger(more, "again");
  }
  function failed({ detail: { elt, xhr } }) {
    if (!elt.matches?.(".more") || xhr.status === 401) return;
    show(elt, true);
    if (PASSING.includes(xhr.status)) setTimeout(ask, AGAIN_MS, elt);
  }
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("click", ({ target }) => target.closest("[data-again]") && ask(target.closest(".more")));
})();
