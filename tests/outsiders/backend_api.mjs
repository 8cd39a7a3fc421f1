// Clerk's Backend API through @clerk/backend. Reads a list of jobs on stdin (`calls`, with `apiUrl` and `secretKey`),
// writes a list of answers: for each call what it gave, or why not.
import { text } from 'node:stream/consumers';
import { createClerkClient } from '@clerk/backend';

async function calls({ apiUrl, secretKey }) {
  const clerk = createClerkClient({ apiUrl, secretKey, telemetry: { disabled: true } });
  const made = [];
  const failed = {};
  const call = async (name, ...given) => {
    const [resource, method] = name.split('.');
    try {
      const answer = await clerk[resource][method](...given);
      made.push(name);
      return answer;
    } catch (error) {
      failed[name] = `${error.constructor.name}: ${error.message} ${JSON.stringify(error.errors ?? '')}`;
      return { id: `after_${name}` };
    }
  };
  const user = await call('users.createUser', {
    emailAddress: ['ada@example.com'], phoneNumber: ['+15555550100'], password: 'correct horse', firstName: 'Ada',
    publicMetadata: { plan: 'pro' },
  });
  const other = await call('users.createUser', { emailAddress: ['bob@example.com'] });
  const userId = user.id;
  if (user.primaryEmailAddress?.emailAddress !== 'ada@example.com') failed.primaryEmailAddress = String(user);
  const listed = await call('users.getUserList', { emailAddress: ['ada@example.com'], limit: 5 });
  if (listed?.totalCount !== 1 || listed.data?.[0].id !== userId) failed.getUserList = JSON.stringify(listed);
  await call('users.getCount', { query: 'ada' });
  await call('users.getUser', userId);
  await call('users.updateUser', userId, { lastName: 'King', publicMetadata: { plan: 'free' } });
  await call('users.updateUserMetadata', userId, { privateMetadata: { n: 1 } });
  await call('users.verifyPassword', { userId, password: 'correct horse' });
  for (const verb of ['banUser', 'unbanUser', 'lockUser', 'unlockUser']) await call(`users.${verb}`, userId);
  const email = await call('emailAddresses.createEmailAddress', { userId, emailAddress: 'two@example.com', verified: true });
  await call('emailAddresses.getEmailAddress', email.id);
  await call('emailAddresses.updateEmailAddress', email.id, { primary: true });
  await call('emailAddresses.deleteEmailAddress', email.id);
  const phone = await call('phoneNumbers.createPhoneNumber', { userId, phoneNumber: '+15555550122', verified: true });
  await call('phoneNumbers.deletePhoneNumber', phone.id);

  const made2 = await call('organizations.createOrganization', { name: 'Acme', createdBy: userId });
  const organizationId = made2.id;
  await call('organizations.getOrganizationList', { includeMembersCount: true });
  await call('organizations.getOrganization', { organizationId });
  await call('organizations.updateOrganization', organizationId, { name: 'Acme Corp' });
  await call('organizations.updateOrganizationMetadata', organizationId, { publicMetadata: { a: 1 } });
  await call('organizations.createOrganizationMembership', { organizationId, userId: other.id, role: 'org:member' });
  await call('organizations.getOrganizationMembershipList', { organizationId });
  await call('organizations.updateOrganizationMembership', { organizationId, userId: other.id, role: 'org:admin' });
  await call('users.getOrganizationMembershipList', { userId });
  await call('organizations.deleteOrganizationMembership', { organizationId, userId: other.id });
  const invitation = await call('organizations.createOrganizationInvitation', {
    organizationId, emailAddress: 'guest@example.com', role: 'org:member', inviterUserId: userId,
  });
  await call('organizations.getOrganizationInvitationList', { organizationId, status: ['pending'] });
  await call('organizations.revokeOrganizationInvitation', {
    organizationId, invitationId: invitation.id, requestingUserId: userId,
  });
  const domain = await call('organizations.createOrganizationDomain', {
    organizationId, name: 'acme.example.com', enrollmentMode: 'manual_invitation',
  });
  await call('organizations.getOrganizationDomainList', { organizationId });
  await call('organizations.deleteOrganizationDomain', { organizationId, domainId: domain.id });

  const template = await call('jwtTemplates.create', { name: 'hasura', claims: { role: '{{user.first_name}}' } });
  await call('jwtTemplates.list');
  await call('jwtTemplates.get', template.id);
  const session = await call('sessions.createSession', { userId });
  await call('sessions.getSessionList', { userId });
  await call('sessions.getSession', session.id);
  await call('sessions.getToken', session.id);
  await call('sessions.getToken', session.id, 'hasura');
  await call('sessions.revokeSession', session.id);
  await call('clients.getClientList');
  const actor = await call('actorTokens.create', { userId, actor: { sub: 'user_support' }, expiresInSeconds: 600 });
  await call('actorTokens.revoke', actor.id);
  const signIn = await call('signInTokens.createSignInToken', { userId, expiresInSeconds: 600 });
  await call('signInTokens.revokeSignInToken', signIn.id);
  await call('testingTokens.createTestingToken');

  const one = await call('machines.create', { name: 'one' });
  const two = await call('machines.create', { name: 'two', scopedMachines: [one.id] });
  await call('machines.list', {});
  await call('machines.get', two.id);
  const { secret } = await call('machines.getSecretKey', two.id);
  const token = await call('m2m.createToken', { machineSecretKey: secret, claims: { job: 7 }, secondsUntilExpiration: 600 });
  await call('m2m.verify', { token: token.token });
  await call('m2m.list', { subject: two.id });
  await call('m2m.revokeToken', { m2mTokenId: token.id });
  await call('machines.delete', two.id);
  const key = await call('apiKeys.create', { name: 'cicd', subject: userId, scopes: ['read'] });
  await call('apiKeys.list', { subject: userId });
  await call('apiKeys.get', key.id);
  await call('apiKeys.getSecret', key.id);
  await call('apiKeys.verify', key.secret);
  await call('apiKeys.revoke', { apiKeyId: key.id, revocationReason: 'lost' });

  const application = await call('oauthApplications.create', { name: 'app', redirectUris: ['https://app.example.com/'] });
  await call('oauthApplications.list');
  await call('oauthApplications.get', application.id);
  await call('oauthApplications.rotateSecret', application.id);
  await call('oauthApplications.delete', application.id);
  const allowed = await call('allowlistIdentifiers.createAllowlistIdentifier', { identifier: 'x@example.com', notify: false });
  await call('allowlistIdentifiers.getAllowlistIdentifierList');
  await call('allowlistIdentifiers.deleteAllowlistIdentifier', allowed.id);
  const blocked = await call('blocklistIdentifiers.createBlocklistIdentifier', { identifier: 'y@example.com' });
  await call('blocklistIdentifiers.getBlocklistIdentifierList');
  await call('blocklistIdentifiers.deleteBlocklistIdentifier', blocked.id);
  const redirect = await call('redirectUrls.createRedirectUrl', { url: 'https://app.example.com/' });
  await call('redirectUrls.getRedirectUrlList');
  await call('redirectUrls.deleteRedirectUrl', redirect.id);
  const invited = await call('invitations.createInvitation', { emailAddress: 'new@example.com' });
  await call('invitations.getInvitationList');
  await call('invitations.revokeInvitation', invited.id);
  await call('domains.list');
  await call('organizations.deleteOrganization', organizationId);
  await call('users.deleteUser', userId);
  return { made, failed };
}

const given = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(await Promise.all(given.map(calls))));
