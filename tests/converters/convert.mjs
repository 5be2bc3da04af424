// Connects the AI SDK's MCP client to a server over stdio, in both protocol versions, hands every tool to a model and
// carries out the call that the model makes: `node convert.mjs COMMAND [ARGUMENT]...`, a server with the sandbox's data.
// Needs ai and @ai-sdk/mcp beside this file: `.ci/run` names their versions.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createMCPClient } from "@ai-sdk/mcp";
import { StdioMCPTransport } from "@ai-sdk/mcp/mcp-stdio";
import { generateText } from "ai";
import { MockLanguageModelV4 } from "ai/test";

const [command, ...args] = process.argv.slice(2);
const CALL = { toolName: "incidentio_get_incident", input: JSON.stringify({ incident: "INC-114" }) };
const USAGE = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };

const version = (name) => {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${JSON.parse(readFileSync(file, "utf8")).version}`;
};

const names = (tools) => tools.map((tool) => tool.name);
const argumentsOf = (tools) => tools.map((tool) => Object.keys(tool.inputSchema.properties));

for (const protocolVersionDiscovery of [true, false]) {
  const transport = new StdioMCPTransport({ command, args, env: process.env });
  // A slow machine needs more than the second after which the client takes an older protocol.
  transport.waitsForProtocolVersionDiscovery = true;
  const client = await createMCPClient({ transport, protocolVersionDiscovery });
  try {
    const listed = (await client.listTools()).tools;
    let offered = [];
    const model = new MockLanguageModelV4({
      doGenerate: async ({ tools }) => {
        offered = tools;
        const content = [{ type: "tool-call", toolCallId: "1", ...CALL }];
        return { content, finishReason: { unified: "tool-calls" }, usage: USAGE, warnings: [] };
      },
    });
    const { toolResults } = await generateText({ model, tools: await client.tools(), prompt: "What is INC-114?" });
    assert(listed.length > 0, "no tools listed");
    assert.deepEqual(names(offered), names(listed));
    assert.deepEqual(argumentsOf(offered), argumentsOf(listed));
    assert.equal(toolResults[0]?.output.structuredContent?.reference, "INC-114");
    const protocol = client.initializeResult.protocolVersion;
    console.log(`${version("@ai-sdk/mcp")}, ${version("ai")}, protocol ${protocol}: ${offered.length} of ${listed.length} tools`);
  } finally {
    await client.close();
  }
}
