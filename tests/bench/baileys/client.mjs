// Accounts held by Baileys in one process, driven by JSON lines: {"do": "start" | "pin", "name": …} in, events out.
import { createInterface } from "node:readline";
import makeWASocket, {
  DisconnectReason, makeCacheableSignalKeyStore, proto, useMultiFileAuthState, WA_CERT_DETAILS,
} from "baileys";
import { HttpsProxyAgent } from "https-proxy-agent";
import pino from "pino";

// The loopback server is not WhatsApp: its certificate has another root.
WA_CERT_DETAILS.PUBLIC_KEY.set(Buffer.from(process.env.LOOPBACK_WA_ROOT, "hex"));

const folder = process.argv[2];
const logger = pino({ level: process.env.BAILEYS_LOG ?? "silent" }, pino.destination(2));
const agent = new HttpsProxyAgent(process.env.https_proxy);
const sockets = new Map();
const tell = (event, rest) => process.stdout.write(JSON.stringify({ event, ...rest }) + "\n");

async function start({ name }) {
  const { state, saveCreds } = await useMultiFileAuthState(`${folder}/${name}`);
  const keys = makeCacheableSignalKeyStore(state.keys, logger);
  const socket = makeWASocket({ auth: { creds: state.creds, keys }, agent, logger });
  sockets.set(name, socket);
  socket.ev.on("creds.update", saveCreds);
  socket.ev.on("connection.update", ({ connection, qr, lastDisconnect }) => {
    if (qr) tell("qr", { name, qr });
    if (connection === "open") tell("open", { name });
    if (connection === "close") {
      const code = lastDisconnect?.error?.output?.statusCode;
      // WhatsApp ends the first connection once a phone is linked.
      if (code === DisconnectReason.restartRequired) start({ name });
      else tell("closed", { name, code, why: String(lastDisconnect?.error) });
    }
  });
  socket.ws.on("CB:ack,class:message", ({ attrs }) => tell("acknowledged", { name, id: attrs.id }));
  socket.ev.on("messages.upsert", ({ messages }) => {
    for (const { key } of messages) tell("message", { name, key });
  });
}

// Baileys' own call returns once the stanza is written; what the server says of it comes later.
async function pin({ name, chat, key, seconds }) {
  const socket = sockets.get(name);
  const began = performance.now();
  const sent = await socket.sendMessage(chat, { pin: key, type: proto.PinInChat.Type.PIN_FOR_ALL, time: seconds });
  const returned = performance.now() - began;
  tell("pinned", { name, id: sent.key.id, returned });
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  ({ start, pin })[order.do](order).catch(error => tell("failed", { name: order.name, why: String(error?.stack) }));
}
process.exit(0);
