// Before anything is drawn: the looks the reader chose, and which time zone they are in (the server shows times in it).
(() => {
  const cookies = Object.fromEntries(document.cookie.split("; ").map((one) => one.split("=")));
  if (cookies.theme) document.documentElement.dataset.theme = cookies.theme;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (cookies.tz === zone) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  // Once, and only if the page stands in another zone: a browser that keeps no cookies must not loop.
  const shown = document.documentElement.dataset.zone;
  if (shown && shown !== zone && navigator.cookieEnabled && !sessionStorage.getItem("zone-told")) {
    sessionStorage.setItem("zone-told", "1");
    location.reload();
  }
})();
