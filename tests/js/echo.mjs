// The official Socket.IO client against a port that echoes the event `m`.
// Usage: node echo.mjs PORT. Prints one line; exits with 0 if every payload came back whole and in order.
import { io } from "socket.io-client";

const port = Number(process.argv[2]);
const sizes = [0, 1, 2, 30, 125, 126, 512, 513, 65535, 65536, 300 * 1024];
// All byte values, 0x1E (Engine.IO's record separator) among them.
const payloads = sizes.map((size, seed) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + seed) % 256)));

const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], reconnection: false, timeout: 5000 });
const fail = (why) => {
  console.log(`FAILED: ${why}`);
  process.exit(1);
};
setTimeout(() => fail("no answer in time"), 15000).unref();
socket.on("connect_error", (error) => fail(`cannot connect: ${error.message}`));
socket.on("disconnect", (reason) => fail(`disconnected: ${reason}`));

// Each payload goes out both ways that the protocol allows: as an attachment and as base64 text.
const expected = payloads.flatMap((payload) => [payload, payload]);
socket.on("connect", () => {
  for (const payload of payloads) {
    socket.emit("m", payload);
    socket.emit("m", payload.toString("base64"));
  }
});
let received = 0;
socket.on("m", (argument, ...more) => {
  if (more.length > 0) fail("more than one argument");
  const payload = typeof argument === "string" ? Buffer.from(argument, "base64") : argument;
  if (!payload.equals(expected[received])) fail(`payload ${received} differs`);
  received += 1;
  if (received === expected.length) {
    socket.off("disconnect");
    socket.disconnect();
    console.log(`OK ${received}`);
  }
});
