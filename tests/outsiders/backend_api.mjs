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
  // A refusal can be read too.
  const refused = async (name, ...given) => {
    const [resource, method] = name.split('.');
    try {
      await clerk[resource][method](...given);
      failed[name] = 'it was done';
    } catch (error) {
      if (error.status === 404 && error.errors?.[0]?.code === 'resource_not_found') made.push(`${name}, refused`);
      else failed[name] = `${error.constructor.name}: ${error.status} ${JSON.stringify(error.errors ?? '')}`;
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
  for (const verb of [
    'banUser', 'unbanUser', 'lockUser', 'unlockUser', 'disableUserMFA', 'deleteUserBackupCodes', 'deleteUserTOTP',
    'setPasswordCompromised', 'unsetPasswordCompromised', 'deleteUserProfileImage',
  ]) await call(`users.${verb}`, userId);
  await call('users.updateUserProfileImage', userId, { file: new Blob(['PNG'], { type: 'image/png' }) });
  await call('users.replaceUserMetadata', userId, { unsafeMetadata: { n: 2 } });
  await call('users.replaceUserEmailAddress', other.id, { emailAddress: 'bob2@example.com' });
  await call('users.replaceUserPhoneNumber', other.id, { phoneNumber: '+15555550144' });
  await call('users.getUserOauthAccessToken', userId, 'google');
  await call('users.getOrganizationInvitationList', { userId });
  await refused('users.deleteUserPasskey', { userId, passkeyIdentificationId: 'idn_none' });
  await refused('users.deleteUserExternalAccount', { userId, externalAccountId: 'eac_none' });
  await refused('users.getUser', 'user_none');
  const email = await call('emailAddresses.createEmailAddress', { userId, emailAddress: 'two@example.com', verified: true });
  await call('emailAddresses.getEmailAddress', email.id);
  await call('emailAddresses.updateEmailAddress', email.id, { primary: true });
  await call('emailAddresses.deleteEmailAddress', email.id);
  const phone = await call('phoneNumbers.createPhoneNumber', { userId, phoneNumber: '+15555550122', verified: true });
  await call('phoneNumbers.getPhoneNumber', phone.id);
  await call('phoneNumbers.updatePhoneNumber', phone.id, { primary: true });
  await call('phoneNumbers.deletePhoneNumber', phone.id);
  await call('users.removePassword', other.id);

  const permission = await call('organizationPermissions.createOrganizationPermission', {
    name: 'Publish', key: 'org:posts:publish', description: 'May publish',
  });
  const role = await call('organizationRoles.createOrganizationRole', { name: 'Editor', key: 'org:editor' });
  const both = { organizationRoleId: role.id, permissionId: permission.id };
  const assigned = await call('organizationRoles.assignPermissionToOrganizationRole', both);
  if (assigned.permissions?.[0]?.key !== 'org:posts:publish') failed.permissions = JSON.stringify(assigned);
  await call('organizationRoles.removePermissionFromOrganizationRole', both);
  await call('organizationRoles.getOrganizationRoleList', { query: 'editor' });
  await call('organizationRoles.getOrganizationRole', role.id);
  await call('organizationRoles.updateOrganizationRole', { organizationRoleId: role.id, name: 'Author' });
  await call('organizationRoles.deleteOrganizationRole', role.id);
  await call('organizationPermissions.getOrganizationPermissionList');
  await call('organizationPermissions.getOrganizationPermission', permission.id);
  await call('organizationPermissions.updateOrganizationPermission', { permissionId: permission.id, name: 'Print' });
  await call('organizationPermissions.deleteOrganizationPermission', permission.id);

  const made2 = await call('organizations.createOrganization', { name: 'Acme', createdBy: userId });
  const organizationId = made2.id;
  await call('organizations.getOrganizationList', { includeMembersCount: true });
  await call('organizations.getOrganization', { organizationId });
  await call('organizations.updateOrganization', organizationId, { name: 'Acme Corp' });
  await call('organizations.updateOrganizationMetadata', organizationId, { publicMetadata: { a: 1 } });
  await call('organizations.createOrganizationMembership', { organizationId, userId: other.id, role: 'org:member' });
  await call('organizations.getOrganizationMembershipList', { organizationId });
  await call('organizations.updateOrganizationMembership', { organizationId, userId: other.id, role: 'org:admin' });
  await call('organizations.updateOrganizationMembershipMetadata', {
    organizationId, userId: other.id, publicMetadata: { a: 1 },
  });
  await call('organizations.getInstanceOrganizationMembershipList', { limit: 5 });
  await call('organizations.replaceOrganizationMetadata', organizationId, { publicMetadata: { b: 1 } });
  await call('organizations.updateOrganizationLogo', organizationId, {
    file: new Blob(['PNG'], { type: 'image/png' }), uploaderUserId: userId,
  });
  await call('organizations.deleteOrganizationLogo', organizationId);
  await call('users.getOrganizationMembershipList', { userId });
  await call('organizations.deleteOrganizationMembership', { organizationId, userId: other.id });
  const invitation = await call('organizations.createOrganizationInvitation', {
    organizationId, emailAddress: 'guest@example.com', role: 'org:member', inviterUserId: userId,
  });
  await call('organizations.getOrganizationInvitationList', { organizationId, status: ['pending'] });
  await call('organizations.getOrganizationInvitation', { organizationId, invitationId: invitation.id });
  await call('organizations.createOrganizationInvitationBulk', organizationId, [
    { emailAddress: 'third@example.com', role: 'org:member' },
  ]);
  await call('organizations.revokeOrganizationInvitation', {
    organizationId, invitationId: invitation.id, requestingUserId: userId,
  });
  const domain = await call('organizations.createOrganizationDomain', {
    organizationId, name: 'acme.example.com', enrollmentMode: 'manual_invitation',
  });
  await call('organizations.getOrganizationDomainList', { organizationId });
  await call('organizations.updateOrganizationDomain', {
    organizationId, domainId: domain.id, enrollmentMode: 'automatic_invitation',
  });
  await call('organizations.deleteOrganizationDomain', { organizationId, domainId: domain.id });

  const template = await call('jwtTemplates.create', { name: 'hasura', claims: { role: '{{user.first_name}}' } });
  await call('jwtTemplates.list');
  await call('jwtTemplates.get', template.id);
  await call('jwtTemplates.update', { templateId: template.id, name: 'hasura', claims: { role: 'reader' } });
  const session = await call('sessions.createSession', { userId });
  await call('sessions.getSessionList', { userId });
  await call('sessions.getSession', session.id);
  const { jwt } = await call('sessions.getToken', session.id);
  await call('clients.getClient', session.clientId);
  await call('clients.verifyClient', jwt);
  await call('sessions.getToken', session.id, 'hasura');
  await call('sessions.revokeSession', session.id);
  await refused('clients.verifyClient', jwt);
  await call('jwtTemplates.delete', template.id);
  await call('clients.getClientList');
  const actor = await call('actorTokens.create', { userId, actor: { sub: 'user_support' }, expiresInSeconds: 600 });
  await call('actorTokens.revoke', actor.id);
  const signIn = await call('signInTokens.createSignInToken', { userId, expiresInSeconds: 600 });
  await call('signInTokens.revokeSignInToken', signIn.id);
  await call('testingTokens.createTestingToken');
  await call('jwks.getJwks');

  const one = await call('machines.create', { name: 'one' });
  const two = await call('machines.create', { name: 'two', scopedMachines: [one.id] });
  await call('machines.list', {});
  await call('machines.get', two.id);
  await call('machines.update', { machineId: two.id, name: 'second' });
  await call('machines.deleteScope', two.id, one.id);
  await call('machines.createScope', two.id, one.id);
  await call('machines.rotateSecretKey', { machineId: two.id, previousTokenTtl: 0 });
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
  await call('apiKeys.update', { apiKeyId: key.id, subject: userId, description: 'of the CI' });
  await call('apiKeys.revoke', { apiKeyId: key.id, revocationReason: 'lost' });
  await call('apiKeys.delete', key.id);

  const application = await call('oauthApplications.create', { name: 'app', redirectUris: ['https://app.example.com/'] });
  await call('oauthApplications.list');
  await call('oauthApplications.get', application.id);
  await call('oauthApplications.update', { oauthApplicationId: application.id, name: 'application' });
  await call('oauthApplications.rotateSecret', application.id);
  const minted = await fetch(`${apiUrl}/dev/mint`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'oauth_opaque', client_id: application.clientId }),
  });
  const { token: accessToken } = await minted.json();
  await call('idPOAuthAccessToken.verify', accessToken);
  await call('oauthApplications.revokeToken', { oauthApplicationId: application.id, token: accessToken });
  await refused('idPOAuthAccessToken.verify', accessToken);
  await call('oauthApplications.delete', application.id);
  const allowed = await call('allowlistIdentifiers.createAllowlistIdentifier', { identifier: 'x@example.com', notify: false });
  await call('allowlistIdentifiers.getAllowlistIdentifierList');
  await call('allowlistIdentifiers.deleteAllowlistIdentifier', allowed.id);
  const blocked = await call('blocklistIdentifiers.createBlocklistIdentifier', { identifier: 'y@example.com' });
  await call('blocklistIdentifiers.getBlocklistIdentifierList');
  await call('blocklistIdentifiers.deleteBlocklistIdentifier', blocked.id);
  const redirect = await call('redirectUrls.createRedirectUrl', { url: 'https://app.example.com/' });
  await call('redirectUrls.getRedirectUrlList');
  await call('redirectUrls.getRedirectUrl', redirect.id);
  await call('redirectUrls.deleteRedirectUrl', redirect.id);
  const invited = await call('invitations.createInvitation', { emailAddress: 'new@example.com' });
  await call('invitations.getInvitationList');
  await call('invitations.revokeInvitation', invited.id);
  await call('invitations.createInvitationBulk', [{ emailAddress: 'other@example.com' }]);
  const satellite = await call('domains.add', { name: 'sat.example.com', is_satellite: true });
  await call('domains.list');
  await call('domains.update', { domainId: satellite.id, name: 'sat2.example.com' });
  await call('domains.delete', satellite.id);
  await call('webhooks.createSvixApp');
  await call('webhooks.generateSvixAuthURL');
  await call('webhooks.deleteSvixApp');
  await call('organizations.deleteOrganization', organizationId);
  await call('users.deleteUser', userId);
  return { made, failed };
}

const given = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(await Promise.all(given.map(calls))));
