// Live news. One tab of a browser holds the stream and tells the others: a browser opens six connections to a
// house at most, and an operator has more tabs than that.
//
// Elements say what they want to hear: data-live="state messages", and data-instance, data-chat, data-message or data-batch
// to hear only of one. They get the event "news" (hx-trigger="news"). Scripts listen to "portal:<topic>".
(() => {
  const topics = ["state", "history", "qr", "messages", "read", "receipts", "pins", "batches", "resync"];
  const wait = { state: 60, history: 400, qr: 0, messages: 400, read: 400, receipts: 400, pins: 5, batches: 60, resync: 0 };
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("portal-live") : null;
  const banner = document.getElementById("connection");
  const words = banner.querySelector("span");
  const usual = words.textContent;
  const timers = new WeakMap();
  // News of late, for what is drawn next and was read before: [when, topic, news].
  const recent = [];
  const KEPT_MS = 30000;
  const KEPT = 1000;
  // The question for the stream is itself under way for a while.
  const UNDER_WAY_MS = 2000;
  const me = Math.random().toString(36);
  // What this page shows was read after this moment, and news from then on are for it.
  let since = performance.getEntriesByType("navigation")[0]?.requestStart || 0;
  let holding = false;
  let isBroken = false;
  let broken = 0;

  function fits(element, topic, news) {
    if (topic === "resync") return true;
    if (!element.dataset.live.split(" ").includes(topic)) return false;
    for (const key of ["instance", "chat", "message", "batch"]) {
      const wanted = element.dataset[key];
      if (wanted && news[key] !== undefined && String(news[key]) !== wanted) return false;
    }
    return true;
  }

  // At most once in a while each: a busy hour must not make a page ask all the time.
  function wake(element, topic) {
    if (timers.has(element)) return;
    // data-wait: what may come a little later, so that what is looked at comes first.
    timers.set(element, setTimeout(() => {
      timers.delete(element);
      if (element.isConnected) htmx.trigger(element, "news");
    }, Math.max(wait[topic], element.dataset.wait || 0)));
  }

  function hear(topic, news) {
    if (topic === "status") return show(news);
    const now = performance.now();
    recent.push([now, topic, news]);
    while (recent.length > KEPT || recent[0][0] < now - KEPT_MS) recent.shift();
    for (const element of document.querySelectorAll("[data-live]")) if (fits(element, topic, news)) wake(element, topic);
    document.dispatchEvent(new CustomEvent(`portal:${topic}`, { detail: news }));
  }

  // A piece of the page was asked for at `asked` and is drawn now: what was told meanwhile may not be in it.
  function catchUp(piece, asked) {
    const missed = recent.filter(([at]) => at >= asked);
    if (!missed.length) return;
    const inside = [...piece.querySelectorAll("[data-live]")];
    if (piece.matches?.("[data-live]")) inside.push(piece);
    for (const element of inside) {
      const news = missed.find(([, topic, one]) => fits(element, topic, one));
      if (news) wake(element, news[1]);
    }
  }

  // `why`: the portal's own sentence, if it has one; undefined: it was not asked yet.
  function show({ broken: is, why }) {
    if (!is || why !== undefined) words.textContent = why || usual;
    // Each try that fails says so, and is no reason to wait anew.
    if (is === isBroken) return;
    isBroken = is;
    clearTimeout(broken);
    // A blink is not worth a word.
    if (isBroken) broken = setTimeout(() => (banner.hidden = false), 2500);
    else banner.hidden = true;
  }

  function tell(topic, news) {
    hear(topic, news);
    channel?.postMessage({ topic, news });
  }

  // Another tab has opened, and may have been read before news that came since.
  function greet(who, asked) {
    for (const [, topic, news] of recent.filter(([at]) => at >= asked)) channel.postMessage({ topic, news, only: who });
    channel.postMessage({ topic: "status", news: { broken: isBroken, why: words.textContent }, only: who });
  }

  // What is answered instead of a stream: an EventSource does not tell.
  async function refusal(address) {
    const asking = new AbortController();
    try {
      const answer = await fetch(address, { signal: asking.signal });
      const isSentence = answer.headers.get("Content-Type")?.startsWith("text/plain");
      const why = isSentence ? await answer.text() : "";
      return { status: answer.status, why, wait: Number(answer.headers.get("Retry-After")) };
    } catch {
      return { why: "" };
    } finally {
      // It may be a stream by now.
      asking.abort();
    }
  }

  // `over` is called when nobody is signed in here any more: another tab may hold the stream.
  function open(over) {
    let source;
    holding = true;
    let opened = false;
    const connect = () => {
      const ago = Math.ceil(performance.now() - since) + UNDER_WAY_MS;
      const address = `${document.documentElement.dataset.liveUrl}?ago=${ago}`;
      source = new EventSource(address);
      for (const topic of topics) source.addEventListener(topic, (event) => tell(topic, JSON.parse(event.data)));
      source.addEventListener("open", () => {
        tell("status", { broken: false });
        // What was told meanwhile is lost: ask for everything anew.
        if (opened) tell("resync", {});
        opened = true;
        document.documentElement.dataset.live = "open";
      });
      source.addEventListener("error", async () => {
        tell("status", { broken: true });
        // The browser gives up when the answer is no stream, as while the portal restarts behind a proxy.
        if (source.readyState !== EventSource.CLOSED) return;
        const { status, why, wait } = await refusal(address);
        if (status === 401) return end();
        tell("status", { broken: true, why });
        setTimeout(connect, (wait || 2) * 1000);
      });
    };
    const end = () => {
      // Nothing is broken.
      tell("status", { broken: false });
      tell("signed-out", {});
      holding = false;
      over();
    };
    connect();
    addEventListener("pagehide", () => {
      source.close();
      channel?.postMessage({ topic: "left" });
    }, { once: true });
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  // A list that has grown is asked for as far as it is drawn: a reader far down in it would be back at its first page.
  // data-grows says what its rows are. By hx-sync it and its next piece wait for each other, else that one might not count.
  document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters } }) => {
    if (elt.dataset?.grows) parameters.rows = elt.querySelectorAll(elt.dataset.grows).length;
  });

  // What news called for and could not be fetched is tried again.
  const again = (event) => {
    const element = event.detail.elt;
    if (element.dataset?.live) setTimeout(() => element.isConnected && htmx.trigger(element, "news"), 2000);
  };
  document.addEventListener("htmx:sendError", again);
  // The portal has too much to do just now.
  document.addEventListener("htmx:responseError", (event) => event.detail.xhr.status === 503 && again(event));
  addEventListener("online", () => hear("resync", {}));

  const asked = new WeakMap();
  document.addEventListener("htmx:beforeSend", (event) => asked.set(event.detail.xhr, performance.now()));
  document.addEventListener("htmx:afterSwap", (event) => catchUp(event.target, asked.get(event.detail.xhr)));
  document.addEventListener("portal:drawn", (event) => event.detail && catchUp(document, event.detail.asked));

  // The question may have lain a while in a tab that was busy, and `ago` is counted from when it was asked.
  const askedAt = ({ ago, sent }) => performance.now() - ago - Math.max(0, Date.now() - sent);

  function start() {
    channel?.addEventListener("message", ({ data }) => {
      if (data.only && data.only !== me) return;
      if (data.topic === "left") since = performance.now();
      else if (data.topic === "hello") holding && greet(data.from, askedAt(data));
      else hear(data.topic, data.news);
    });
    if (channel && navigator.locks) {
      document.documentElement.dataset.live = "follows";
      channel.postMessage({ topic: "hello", from: me, ago: performance.now() - since, sent: Date.now() });
      navigator.locks.request("portal-live", () => new Promise(open));
    } else open(() => {});
  }
  // Not before the page is put together: until then nobody in it listens. What is told meanwhile is asked for by its age.
  document.addEventListener("DOMContentLoaded", start);
})();
