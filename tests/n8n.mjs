// Runs a workflow of HTTP Request nodes as n8n 1 does, as far as the quick start's needs: node n8n.mjs FILE, with the
// portal in the environment. Expressions ({{ … }}) are JavaScript with $json, what the node before answered.
import { readFileSync } from "node:fs";

const workflow = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { PORTAL_URL, PORTAL_INSTANCE, PORTAL_TOKEN } = process.env;
const named = (name) => workflow.nodes.find((node) => node.name === name);

function value(text, $json) {
  if (!text.startsWith("=")) return text;
  return text.slice(1).replace(/\{\{(.*?)\}\}/gs, (_, code) => new Function("$json", `return ${code}`)($json));
}

async function run({ parameters: given, type }, $json) {
  if (type === "n8n-nodes-base.manualTrigger") return {};
  if (type !== "n8n-nodes-base.httpRequest" || given.genericAuthType !== "httpHeaderAuth") throw new Error(type);
  const url = new URL(value(given.url, $json).replace("http://localhost:8000", PORTAL_URL).replace(/sales$/, PORTAL_INSTANCE));
  if (given.sendQuery) for (const one of given.queryParameters.parameters) url.searchParams.set(one.name, value(one.value, $json));
  const body = given.sendBody ? JSON.stringify(JSON.parse(value(given.jsonBody, $json))) : undefined;
  const headers = { token: PORTAL_TOKEN, ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(url, { method: given.method ?? "GET", headers, body });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

let node = workflow.nodes.find((one) => one.type.endsWith("Trigger"));
let result = await run(node, {});
while ((node = named(workflow.connections[node.name]?.main[0][0].node))) result = await run(node, result);
console.log(JSON.stringify(result));
