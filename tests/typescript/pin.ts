// What an integrator writes: a client made of the OpenAPI document by openapi-typescript and openapi-fetch.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { env: Record<string, string | undefined> };
const { PORTAL_URL: baseUrl = "", PORTAL_TOKEN: token = "", TEXT: text = "" } = process.env;

const portal = createClient<paths>({ baseUrl, headers: { token } });
const instance = { path: { instance: "shop" } };

const found = await portal.GET("/api/chat/search/{instance}", { params: { ...instance, query: { q: text } } });
const message = found.data?.messages[0];
if (message === undefined) throw new Error(found.error?.error.message ?? "nothing found");

const pinned = await portal.POST("/api/chat/pinMessage/{instance}", {
  params: instance,
  body: { pin: true, messageId: message.messageId, duration: "7d" },
});
const refused = await portal.POST("/api/chat/pinMessage/{instance}", {
  params: instance,
  body: { pin: true, messageId: "3EB0NONE", duration: "24h" },
});
console.log(JSON.stringify({ pinned: pinned.data, refused: refused.error?.error.message }));
