// The official Socket.IO client as a stranger: it connects to a port of the mesh, cannot do the handshake, and
// must be shown the door. Usage: node stranger.mjs PORT. Prints one line; exits with 0 if it could connect and
// was then disconnected by the server.
import { io } from "socket.io-client";

const port = Number(process.argv[2]);
const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], reconnection: false, timeout: 5000 });
const fail = (why) => {
  console.log(`FAILED: ${why}`);
  process.exit(1);
};
setTimeout(() => fail("neither refused nor disconnected in time"), 25000).unref();
socket.on("connect_error", (error) => fail(`cannot connect: ${error.message}`));
let connected = false;
socket.on("connect", () => {
  connected = true;
  socket.emit("m", Buffer.from("this is no handshake"));
});
socket.on("disconnect", (reason) => {
  if (!connected) fail("disconnected before it was connected");
  console.log(`OK ${reason}`);
  process.exit(0);
});
