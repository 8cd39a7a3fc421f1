// @clerk/backend as a second opinion. Reads a list of jobs on stdin, writes a list of answers. Never on the network: the
// key is given, and telemetry is off.
import { text } from 'node:stream/consumers';
import { createClerkClient, verifyToken } from '@clerk/backend';

const jobs = {
  async verify({ token, ...options }) {
    try {
      return { payload: await verifyToken(token, options) };
    } catch (error) {
      return { error: error.reason ?? String(error) };
    }
  },

  // A request with these header fields, as `toAuth()` sees it.
  async authenticate({ headers, jwtKey, publishableKey, authorizedParties, acceptsToken }) {
    const clerk = createClerkClient({
      secretKey: 'sk_test_never_sent_anywhere',
      publishableKey,
      jwtKey,
      telemetry: { disabled: true },
    });
    const request = new Request('http://localhost:3000/', { headers });
    const state = await clerk.authenticateRequest(request, { authorizedParties, acceptsToken });
    const outcome = { reason: state.reason ?? null, signedIn: state.isAuthenticated };
    if (!state.isAuthenticated) return outcome;
    let auth;
    try {
      auth = state.toAuth();
    } catch (error) {
      return { ...outcome, thrown: String(error) };
    }
    const { tokenType, userId, sessionId, orgId, orgSlug, orgRole, orgPermissions, actor } = auth;
    // A pending session is authenticated, and its auth object signed out.
    return { ...outcome, signedIn: auth.isAuthenticated, tokenType, userId, sessionId, orgId, orgSlug, orgRole,
      orgPermissions, actor };
  },
};

const answers = [];
for (const { job, ...given } of JSON.parse(await text(process.stdin))) answers.push(await jobs[job](given));
console.log(JSON.stringify(answers));
