// The TypeScript SDK, version 2: `node mcp_v2.mjs URL BROWSER`.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { walk } from './mcp_login.mjs';

await walk({
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  // All of the answer, so that the SDK can check whose it is (RFC 9207).
  finish: (transport, answer) => transport.finishAuth(answer),
});
