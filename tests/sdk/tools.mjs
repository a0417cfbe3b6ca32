// The client of the Model Context Protocol's own package against `gaff mcp`: what a host of agents
// does with it.
import { join } from "node:path";

import { Daemon, expect, load, test } from "./harness.mjs";

const GAFF = process.env.GAFF;

async function connect(daemon, more = []) {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const client = new Client({ name: "gaff-tests", version: "1" });
  const transport = new StdioClientTransport({
    command: GAFF,
    args: ["mcp", "--config", join(daemon.directory, "gaff.yaml"), ...more],
    env: daemon.commandEnv(),
    cwd: daemon.directory,
  });
  await client.connect(transport);
  return client;
}

async function call(client, name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  expect(!result.isError, `${name}: ${result.content[0].text}`);
  return JSON.parse(result.content[0].text);
}

export async function tools() {
  if (!(await load("@modelcontextprotocol/sdk/client/index.js"))) return;
  const daemon = await Daemon.start({ open: { provider: "none", secrets: [] } });
  const { id } = JSON.parse(await daemon.accepts("open", {}, '{"n":1}'));
  await test("mcp: the package's client agrees on a version and lists tools that change nothing", async () => {
    const client = await connect(daemon);
    expect(client.getServerVersion().name === "gaff", "another server");
    expect(client.getInstructions().includes("webhooks"), "no instructions");
    await client.ping();
    const { tools } = await client.listTools();
    expect(tools.length >= 10 && tools.every((one) => one.annotations.readOnlyHint), "a tool that changes something");
    await client.close();
  });
  await test("mcp: an event is found, shown and explained", async () => {
    const client = await connect(daemon);
    const { events } = await call(client, "events_list", { source: "open", limit: 10 });
    expect(events.length === 1 && events[0].id === id, JSON.stringify(events));
    expect((await call(client, "event_show", { id })).body === '{"n":1}', "another body");
    await call(client, "event_explain", { id });
    const missing = await client.callTool({ name: "event_show", arguments: { id: "evt_0000000000000" } });
    expect(missing.isError === true, "an event that is not there");
    const { resources } = await client.listResources();
    const { contents } = await client.readResource({ uri: resources[0].uri });
    expect(contents[0].text.includes("gaff replay"), "no commands");
    await client.close();
  });
  await test("mcp: a replay only when it is allowed", async () => {
    const reader = await connect(daemon);
    const refused = await reader.callTool({ name: "event_replay", arguments: { id } }).catch((error) => error);
    expect(refused instanceof Error && refused.code === -32602, JSON.stringify(refused));
    await reader.close();
    const writer = await connect(daemon, ["--allow-write"]);
    // Until its first delivery has ended there is nothing to repeat.
    for (let state = ""; state !== "delivered"; ) state = (await call(writer, "event_show", { id })).deliveries[0].state;
    expect((await call(writer, "event_replay", { id })).replayed === 1, "not replayed");
    await writer.close();
  });
  await daemon.stop();
}
