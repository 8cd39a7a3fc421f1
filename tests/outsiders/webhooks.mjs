// svix and standardwebhooks (npm) as a second opinion on webhooks. Reads a list of jobs on stdin, writes a list of answers.
import { text } from 'node:stream/consumers';
import { Webhook as Standard } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';

const libraries = { svix: Svix, standardwebhooks: Standard };

const jobs = {
  // A secret, header fields and a body in base64: `accept`, `refuse`, or the name of the error that nobody expects.
  verify({ library, secret, headers, body }) {
    try {
      new libraries[library](secret).verify(Buffer.from(body, 'base64'), headers);
      return 'accept';
    } catch (error) {
      return error.constructor.name === 'WebhookVerificationError' ? 'refuse' : error.constructor.name;
    }
  },

  sign({ library, secret, id, seconds, body }) {
    return new libraries[library](secret).sign(id, new Date(seconds * 1000), body);
  },
};

const answers = [];
for (const { job, ...given } of JSON.parse(await text(process.stdin))) answers.push(jobs[job](given));
console.log(JSON.stringify(answers));
