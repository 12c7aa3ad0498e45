// What axe-core finds in Django's forms: names for readers of screens.
(() => {
  function mend() {
    // A date and a time share one label; the word before each is text only.
    for (const input of document.querySelectorAll(".datetime input:not([aria-label])"))
      input.setAttribute("aria-label", input.previousSibling.textContent.trim());
    for (const hint of document.querySelectorAll("span.help-tooltip:not([role])")) hint.setAttribute("role", "img");
  }
  // Django draws some of its controls when the page has loaded.
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  mend();
})();
