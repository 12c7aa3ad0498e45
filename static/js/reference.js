// The API's description as a page that calls the API with a pasted token. The token is kept in this page alone.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const place = document.getElementById("reference");

  function followTheme() {
    const theme = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.classList.toggle("dark-mode", theme === "dark");
  }
  followTheme();
  dark.addEventListener("change", followTheme);
  new MutationObserver(followTheme).observe(root, { attributeFilter: ["data-theme"] });

  // Swagger UI's own layout brings a heading and a <main>; this page has both.
  function plainLayout({ React }) {
    const draw = React.createElement;
    const PlainLayout = ({ getComponent, specSelectors }) => {
      const part = (name) => draw(getComponent(name, true));
      const loaded = specSelectors.loadingStatus() === "success";
      return draw("div", { className: "swagger-ui" }, part("SvgAssets"), part("errors"),
        loaded && draw("div", { className: "scheme-container" }, part("AuthorizeBtnContainer")),
        loaded && part("operations"));
    };
    return { components: { PlainLayout } };
  }

  SwaggerUIBundle({
    url: place.dataset.url,
    domNode: place,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    // A description named in the address could be anybody's, and would be shown as ours.
    queryConfigEnabled: false,
    validatorUrl: null,
    persistAuthorization: false,
    plugins: [plainLayout],
    layout: "PlainLayout",
  });

  // What axe-core finds in Swagger UI 5.35: names for readers of screens, and one order of headings.
  function mend() {
    const each = (selector, change) => place.querySelectorAll(selector).forEach(change);
    each("h3, h4, h5", (one) => one.setAttribute("aria-level", String(Number(one.tagName[1]) - 1)));
    each("textarea:not([aria-label])", (one) => one.setAttribute("aria-label", place.dataset.body));
    each("select:not([aria-label])", (one) => one.setAttribute("aria-label", place.dataset.choose));
    each(".close-modal:not([aria-label])", (one) => one.setAttribute("aria-label", place.dataset.close));
    each(".modal-btn[aria-label]", (one) => one.removeAttribute("aria-label"));
  }
  new MutationObserver(mend).observe(place, { childList: true, subtree: true });
})();
