// Logs in by a version of the TypeScript SDK, calls the tools, and prints what they say.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

export async function walk({ Client, StreamableHTTPClientTransport, UnauthorizedError, finish }) {
  const [url, browser] = process.argv.slice(2);
  const login = await Login.listen(browser);
  const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: login });
  const client = () => new Client({ name: 'outsider', version: '1' });

  const first = transport();
  try {
    await client().connect(first);
    throw new Error('nobody had to log in');
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
  }
  const answer = await login.answered;
  await finish(first, answer);

  const connected = client();
  await connected.connect(transport());
  const tools = (await connected.listTools()).tools.map((tool) => tool.name);
  const whoami = await connected.callTool({ name: 'whoami', arguments: {} });
  const add = await connected.callTool({ name: 'add', arguments: { a: 2, b: 3 } });
  await connected.close();
  login.server.close();
  console.log(
    JSON.stringify({
      tools,
      whoami: whoami.structuredContent,
      add: add.structuredContent,
      client_id: login.client.client_id,
      iss: answer.get('iss'),
    }),
  );
}

// What the SDK asks of a client: all of it kept in memory, a callback on a free port, a browser for the person.
class Login {
  static async listen(browser) {
    const login = new Login();
    login.browser = browser;
    login.answered = new Promise((resolve) => {
      login.server = createServer((request, response) => {
        response.end('You may close this window.');
        resolve(new URL(request.url, login.redirectUrl).searchParams);
      });
    });
    await new Promise((resolve) => login.server.listen(0, '127.0.0.1', resolve));
    login.redirectUrl = `http://127.0.0.1:${login.server.address().port}/callback`;
    return login;
  }

  get clientMetadata() {
    return {
      client_name: 'Outsider',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    return (this.sent ??= crypto.randomUUID());
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.given;
  }

  saveTokens(tokens) {
    this.given = tokens;
  }

  redirectToAuthorization(url) {
    spawn(this.browser, [url.toString()], { stdio: 'inherit' });
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveDiscoveryState(state) {
    this.discovered = state;
  }

  discoveryState() {
    return this.discovered;
  }
}
