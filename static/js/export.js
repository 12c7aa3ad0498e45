// An export of a search, followed row by row. Without this script its link saves the file just the same.
(() => {
  const ROW_END = 13; // Each message ends with the one carriage return it has (chats/export/formats.py).
  const FOLD = 4 * 1024 * 1024; // What has come goes into a Blob, which the browser may keep on disk.
  let running;

  function show(panel, state, count, total) {
    panel.hidden = false;
    panel.dataset.state = state;
    for (const part of panel.querySelectorAll("[data-when]"))
      part.hidden = !part.dataset.when.split(" ").includes(state);
    const known = total !== undefined;
    panel.querySelector("[data-count]").textContent = count.toLocaleString(document.documentElement.lang);
    panel.querySelector("[data-total]").textContent = known ? total.toLocaleString(document.documentElement.lang) : "…";
    const bar = panel.querySelector("progress");
    if (known) bar.value = total ? Math.min(count / total, 1) : 1;
    else bar.removeAttribute("value");
  }

  async function run(address, panel) {
    running?.abort();
    const own = (running = new AbortController());
    let [count, total] = [0, undefined];
    const tell = (state) => own === running && show(panel, state, count, total);
    tell("counting");
    try {
      const response = await fetch(address, { signal: own.signal });
      if (response.redirected) {
        // To the sign-in: the whole page goes there.
        panel.hidden = true;
        document.dispatchEvent(new CustomEvent("portal:signed-out"));
        return;
      }
      if (!response.ok) throw new Refused(await sentence(response));
      total = Number(response.headers.get("X-Total-Count"));
      // The line above the table is none of the messages.
      count = -Number(response.headers.get("X-Heading-Lines"));
      let [parts, size] = [[], 0];
      const reader = response.body.getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        for (const byte of piece.value) if (byte === ROW_END) count += 1;
        parts.push(piece.value);
        size += piece.value.length;
        if (size > FOLD) [parts, size] = [[new Blob(parts)], 0];
        tell("running");
      }
      save(new Blob(parts, { type: response.headers.get("Content-Type") }), response);
      total = count; // What was deleted or came late meanwhile.
      tell("done");
    } catch (error) {
      const why = panel.querySelector("[data-why]");
      why.textContent = (error instanceof Refused && error.message) || why.dataset.broken;
      tell(own.signal.aborted ? "cancelled" : "failed");
    }
  }

  class Refused extends Error {}

  // The portal's own; a page that tells of a fault is none.
  async function sentence(response) {
    return response.headers.get("Content-Type")?.startsWith("text/plain") ? response.text() : "";
  }

  function save(blob, response) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))[1];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  document.addEventListener("click", (event) => {
    const panel = document.getElementById("export");
    const link = event.target.closest("a[data-export]");
    if (link && panel) {
      event.preventDefault();
      link.closest("details").open = false;
      run(link.href, panel);
    }
    if (event.target.closest("[data-export-cancel]")) running?.abort();
    if (event.target.closest("[data-export-close]")) panel.hidden = true;
  });
})();
