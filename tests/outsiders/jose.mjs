// jose (https://github.com/panva/jose) as a second opinion. Reads a list of jobs on stdin, writes a list of answers.
import { text } from 'node:stream/consumers';
import { SignJWT, createLocalJWKSet, createRemoteJWKSet, exportJWK, exportSPKI, generateKeyPair, jwtVerify } from 'jose';

const jobs = {
  // A token, a key set (or its URL) and the algorithms that are allowed: what the token says, or why it is refused.
  async verify({ token, jwks, url, algorithms }) {
    const keys = url ? createRemoteJWKSet(new URL(url)) : createLocalJWKSet(jwks);
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, { algorithms });
      return { payload, header: protectedHeader };
    } catch (error) {
      return { error: error.code ?? String(error) };
    }
  },

  // Makes a key and signs claims with it.
  async sign({ alg, kid, claims, header }) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const token = await new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT', ...header }).sign(privateKey);
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
    return { token, jwk, pem: await exportSPKI(publicKey) };
  },
};

const answers = [];
for (const { job, ...given } of JSON.parse(await text(process.stdin))) answers.push(await jobs[job](given));
console.log(JSON.stringify(answers));
