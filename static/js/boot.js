// Before anything is drawn: which time zone the reader is in. The server shows times in it.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const known = document.cookie.split("; ").some((one) => one === `tz=${zone}`);
  if (known) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  // Once, and only if the page stands in another zone: a browser that keeps no cookies must not loop.
  const shown = document.documentElement.dataset.zone;
  if (shown !== zone && navigator.cookieEnabled && !sessionStorage.getItem("zone-told")) {
    sessionStorage.setItem("zone-told", "1");
    if (!document.querySelector("form[method=post]")) location.reload();
  }
})();
