// The session has ended: on to the sign-in, and back here from there. Who has typed what is not sent is told so instead.
(() => {
  const AGAIN_MS = 60000;
  const notice = document.getElementById("signed-out");
  const typed = new Set();
  let told = false;

  document.addEventListener("input", ({ target }) => {
    if (target.form?.matches("[method=post], [hx-post]")) typed.add(target.form);
  });
  const isTyped = () => [...typed].some((form) => form.isConnected);

  function leave() {
    if (told) return;
    told = true;
    const link = notice.querySelector("a");
    link.search = new URLSearchParams({ next: location.pathname + location.search });
    // Should the pages be given and the news alone be refused, nobody is sent to and fro.
    const isBack = Date.now() - sessionStorage.getItem("signed-out") < AGAIN_MS;
    if (isBack || isTyped()) return void (notice.hidden = false);
    sessionStorage.setItem("signed-out", Date.now());
    location.href = link.href;
  }
  document.addEventListener("portal:signed-out", leave);
  // htmx goes there by itself, without a look at what is typed.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status !== 401 || !isTyped()) return;
    event.preventDefault();
    leave();
  });
})();
