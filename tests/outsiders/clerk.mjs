// @clerk/backend as a second opinion. Reads a list of jobs on stdin, writes a list of answers. Never beyond this machine:
// the key is given, or the local issuer is asked, and telemetry is off.
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

  // A token that is no session's, about which `apiUrl` may be asked: the verdict, and what `toAuth()` says of it.
  async machine({ token, acceptsToken, ...instance }) {
    const clerk = createClerkClient({ ...instance, telemetry: { disabled: true } });
    const request = new Request('http://localhost:3000/', { headers: { authorization: `Bearer ${token}` } });
    let status = 'not judged';
    try {
      const state = await clerk.authenticateRequest(request, { acceptsToken });
      const { reason } = state;
      ({ status } = state);
      if (!state.isAuthenticated) return { reason, status };
      const { tokenType, id, subject, name, claims, scopes, userId, orgId, machineId, clientId } = state.toAuth();
      return { status, auth: { tokenType, id, subject, name, claims, scopes, userId, orgId, machineId, clientId } };
    } catch (error) {
      return { status, thrown: error.constructor.name, message: error.message };
    }
  },
};

const given = JSON.parse(await text(process.stdin));
// Together, so that those who wait for an answer wait at the same time.
const answers = await Promise.all(given.map(({ job, ...rest }) => jobs[job](rest)));
console.log(JSON.stringify(answers));
