// Made from `data/backend-api.json` by `make generate`. Edit that, or the generator.

use super::resources;

resources! {
    miscellaneous Miscellaneous {
        get_public_interstitial GetPublicInterstitial "GetPublicInterstitial" () -> text {
            String frontend_api_query_parameter "frontend_api_query_parameter";
            String frontend_api_query_parameter1 "frontend_api_query_parameter1";
            String publishable_key "publishable_key";
            String proxy_url "proxy_url";
            String domain "domain";
            String sign_in_url "sign_in_url";
            bool use_domain_for_script "use_domain_for_script";
        }
    }
    jwks Jwks {
        get_jwks | get GetJWKS "GetJWKS" () -> one(JWKS) {
        }
    }
    clients Clients {
        list GetClientList "GetClientList" () -> list(Client) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        verify VerifyClient "VerifyClient" () -> one(Client) {
            String token "token";
        }
        get GetClient "GetClient" (client_id) -> one(Client) {
        }
    }
    email_addresses EmailAddresses {
        create CreateEmailAddress "CreateEmailAddress" () -> one(EmailAddress) {
            String user_id "user_id";
            String email_address "email_address";
            bool verified "verified";
            bool primary "primary";
            bool notify_primary_email_address_changed "notify_primary_email_address_changed";
        }
        get GetEmailAddress "GetEmailAddress" (email_address_id) -> one(EmailAddress) {
        }
        delete DeleteEmailAddress "DeleteEmailAddress" (email_address_id) -> one(DeletedObject) {
        }
        update UpdateEmailAddress "UpdateEmailAddress" (email_address_id) -> one(EmailAddress) {
            bool verified "verified";
            bool primary "primary";
            bool notify_primary_email_address_changed "notify_primary_email_address_changed";
        }
        prepare_verification PrepareEmailAddressVerification "PrepareEmailAddressVerification" (email_address_id) -> one(Verification) {
        }
        attempt_verification AttemptEmailAddressVerification "AttemptEmailAddressVerification" (email_address_id) -> one(Verification) {
            String verification_id "verification_id";
            String code "code";
        }
        replace_for_user ReplaceUserEmailAddress "ReplaceUserEmailAddress" (user_id) -> one(EmailAddress) {
            String email_address "email_address";
            String identification_status "identification_status";
            bool notify_primary_email_address_changed "notify_primary_email_address_changed";
        }
    }
    phone_numbers PhoneNumbers {
        create CreatePhoneNumber "CreatePhoneNumber" () -> one(PhoneNumber) {
            String user_id "user_id";
            String phone_number "phone_number";
            bool verified "verified";
            bool primary "primary";
            bool reserved_for_second_factor "reserved_for_second_factor";
        }
        get GetPhoneNumber "GetPhoneNumber" (phone_number_id) -> one(PhoneNumber) {
        }
        delete DeletePhoneNumber "DeletePhoneNumber" (phone_number_id) -> one(DeletedObject) {
        }
        update UpdatePhoneNumber "UpdatePhoneNumber" (phone_number_id) -> one(PhoneNumber) {
            bool verified "verified";
            bool primary "primary";
            bool reserved_for_second_factor "reserved_for_second_factor";
        }
        prepare_verification PreparePhoneNumberVerification "PreparePhoneNumberVerification" (phone_number_id) -> one(Verification) {
        }
        attempt_verification AttemptPhoneNumberVerification "AttemptPhoneNumberVerification" (phone_number_id) -> one(Verification) {
            String verification_id "verification_id";
            String code "code";
        }
        replace_for_user ReplaceUserPhoneNumber "ReplaceUserPhoneNumber" (user_id) -> one(PhoneNumber) {
            String phone_number "phone_number";
            String identification_status "identification_status";
        }
    }
    sessions Sessions {
        list GetSessionList "GetSessionList" () -> list(Session) {
            String client_id "client_id";
            String user_id "user_id";
            String status "status";
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateSession "createSession" () -> one(Session) {
            String user_id "user_id";
            String active_organization_id "active_organization_id";
        }
        get GetSession "GetSession" (session_id) -> one(Session) {
        }
        refresh RefreshSession "RefreshSession" (session_id) -> one(SessionRefresh) {
            String expired_token "expired_token";
            String refresh_token "refresh_token";
            String request_origin "request_origin";
            Value request_headers "request_headers";
            String format "format";
            String request_originating_ip "request_originating_ip";
        }
        revoke RevokeSession "RevokeSession" (session_id) -> one(Session) {
        }
        create_token CreateSessionToken "CreateSessionToken" (session_id) -> one(SessionToken) {
            i64 expires_in_seconds "expires_in_seconds";
        }
        create_token_from_template CreateSessionTokenFromTemplate "CreateSessionTokenFromTemplate" (session_id, template_name) -> one(SessionToken) {
            i64 expires_in_seconds "expires_in_seconds";
        }
    }
    email_sms_templates EmailSmsTemplates {
        list GetTemplateList "GetTemplateList" (template_type) -> list(Template) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        get GetTemplate "GetTemplate" (template_type, slug) -> one(Template) {
        }
        revert RevertTemplate "RevertTemplate" (template_type, slug) -> one(Template) {
        }
        toggle_template_delivery | toggle_delivery ToggleTemplateDelivery "ToggleTemplateDelivery" (template_type, slug) -> one(Template) {
            bool delivered_by_clerk "delivered_by_clerk";
        }
    }
    email_and_sms_templates EmailAndSmsTemplates {
        upsert UpsertTemplate "UpsertTemplate" (template_type, slug) -> one(Template) {
            String name "name";
            String subject "subject";
            String markup "markup";
            String body "body";
            bool delivered_by_clerk "delivered_by_clerk";
            String from_email_name "from_email_name";
            String reply_to_email_name "reply_to_email_name";
        }
    }
    templates Templates {
        preview PreviewTemplate "PreviewTemplate" (template_type, slug) -> any {
            String subject "subject";
            String body "body";
            String from_email_name "from_email_name";
            String reply_to_email_name "reply_to_email_name";
        }
    }
    users Users {
        list GetUserList "GetUserList" () -> list(User) {
            Texts email_address "email_address";
            Texts phone_number "phone_number";
            Texts external_id "external_id";
            Texts username "username";
            Texts web3_wallet "web3_wallet";
            Texts user_id "user_id";
            Texts organization_id "organization_id";
            String query "query";
            String email_address_query "email_address_query";
            String phone_number_query "phone_number_query";
            String username_query "username_query";
            String name_query "name_query";
            bool banned "banned";
            i64 last_active_at_before "last_active_at_before";
            i64 last_active_at_after "last_active_at_after";
            i64 last_active_at_since "last_active_at_since";
            i64 created_at_before "created_at_before";
            i64 created_at_after "created_at_after";
            i64 last_sign_in_at_before "last_sign_in_at_before";
            i64 last_sign_in_at_after "last_sign_in_at_after";
            String provider "provider";
            Texts provider_user_id "provider_user_id";
            i64 limit "limit";
            i64 offset "offset";
            String starting_after "starting_after";
            String order_by "order_by";
        }
        create CreateUser "CreateUser" () -> one(User) {
            String external_id "external_id";
            String first_name "first_name";
            String last_name "last_name";
            String locale "locale";
            Texts email_address "email_address";
            Texts email_address_identification_status "email_address_identification_status";
            Texts phone_number "phone_number";
            Texts phone_number_identification_status "phone_number_identification_status";
            Texts web3_wallet "web3_wallet";
            String username "username";
            String password "password";
            String password_digest "password_digest";
            String password_hasher "password_hasher";
            bool skip_password_checks "skip_password_checks";
            bool skip_password_requirement "skip_password_requirement";
            String totp_secret "totp_secret";
            Texts backup_codes "backup_codes";
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
            Value unsafe_metadata "unsafe_metadata";
            bool delete_self_enabled "delete_self_enabled";
            String legal_accepted_at "legal_accepted_at";
            bool skip_legal_checks "skip_legal_checks";
            bool skip_user_requirement "skip_user_requirement";
            bool create_organization_enabled "create_organization_enabled";
            i64 create_organizations_limit "create_organizations_limit";
            String created_at "created_at";
            bool bypass_client_trust "bypass_client_trust";
            bool banned "banned";
            bool locked "locked";
        }
        count GetUsersCount "GetUsersCount" () -> one(TotalCount) {
            Texts email_address "email_address";
            Texts phone_number "phone_number";
            Texts external_id "external_id";
            Texts username "username";
            Texts web3_wallet "web3_wallet";
            Texts user_id "user_id";
            Texts organization_id "organization_id";
            String query "query";
            String email_address_query "email_address_query";
            String phone_number_query "phone_number_query";
            String username_query "username_query";
            String name_query "name_query";
            bool banned "banned";
            i64 last_active_at_before "last_active_at_before";
            i64 last_active_at_after "last_active_at_after";
            i64 last_active_at_since "last_active_at_since";
            i64 created_at_before "created_at_before";
            i64 created_at_after "created_at_after";
            i64 last_sign_in_at_before "last_sign_in_at_before";
            i64 last_sign_in_at_after "last_sign_in_at_after";
            String provider "provider";
            Texts provider_user_id "provider_user_id";
        }
        get GetUser "GetUser" (user_id) -> one(User) {
        }
        update UpdateUser "UpdateUser" (user_id) -> one(User) {
            String external_id "external_id";
            String first_name "first_name";
            String last_name "last_name";
            String locale "locale";
            String primary_email_address_id "primary_email_address_id";
            bool notify_primary_email_address_changed "notify_primary_email_address_changed";
            String primary_phone_number_id "primary_phone_number_id";
            String primary_web3_wallet_id "primary_web3_wallet_id";
            String username "username";
            String profile_image_id "profile_image_id";
            String password "password";
            String password_digest "password_digest";
            String password_hasher "password_hasher";
            bool skip_password_checks "skip_password_checks";
            bool sign_out_of_other_sessions "sign_out_of_other_sessions";
            String totp_secret "totp_secret";
            Texts backup_codes "backup_codes";
            bool delete_self_enabled "delete_self_enabled";
            bool create_organization_enabled "create_organization_enabled";
            String legal_accepted_at "legal_accepted_at";
            bool skip_legal_checks "skip_legal_checks";
            i64 create_organizations_limit "create_organizations_limit";
            String created_at "created_at";
            bool bypass_client_trust "bypass_client_trust";
        }
        delete DeleteUser "DeleteUser" (user_id) -> one(DeletedObject) {
        }
        ban BanUser "BanUser" (user_id) -> one(User) {
        }
        unban UnbanUser "UnbanUser" (user_id) -> one(User) {
        }
        bulk_ban UsersBan "UsersBan" () -> list(User) {
            Texts user_ids "user_ids";
        }
        bulk_unban UsersUnban "UsersUnban" () -> list(User) {
            Texts user_ids "user_ids";
        }
        lock LockUser "LockUser" (user_id) -> one(User) {
        }
        unlock UnlockUser "UnlockUser" (user_id) -> one(User) {
        }
        set_profile_image SetUserProfileImage "SetUserProfileImage" (user_id) -> one(User) {
            file file "file";
        }
        delete_profile_image DeleteUserProfileImage "DeleteUserProfileImage" (user_id) -> one(User) {
        }
        update_metadata UpdateUserMetadata "UpdateUserMetadata" (user_id) -> one(User) {
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
            Value unsafe_metadata "unsafe_metadata";
        }
        replace_metadata ReplaceUserMetadata "ReplaceUserMetadata" (user_id) -> one(User) {
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
            Value unsafe_metadata "unsafe_metadata";
        }
        get_billing_subscription GetUserBillingSubscription "GetUserBillingSubscription" (user_id) -> one(CommerceSubscription) {
        }
        get_billing_credit_balance GetUserBillingCreditBalance "GetUserBillingCreditBalance" (user_id) -> one(CommerceCreditBalanceResponse) {
        }
        adjust_billing_credit_balance AdjustUserBillingCreditBalance "AdjustUserBillingCreditBalance" (user_id) -> one(CommerceCreditLedgerResponse) {
            i64 amount "amount";
            String action "action";
            String currency "currency";
            String idempotency_key "idempotency_key";
            String note "note";
        }
        get_o_auth_access_token | get_oauth_access_token GetOAuthAccessToken "GetOAuthAccessToken" (user_id, provider) -> list(OAuthAccessToken) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        get_organization_memberships UsersGetOrganizationMemberships "UsersGetOrganizationMemberships" (user_id) -> list(OrganizationMembership) {
            i64 limit "limit";
            i64 offset "offset";
        }
        get_organization_invitations UsersGetOrganizationInvitations "UsersGetOrganizationInvitations" (user_id) -> list(OrganizationInvitationWithPublicOrganizationData) {
            i64 limit "limit";
            i64 offset "offset";
            String status "status";
        }
        remove_password RemoveUserPassword "RemoveUserPassword" (user_id) -> one(User) {
            bool sign_out_of_other_sessions "sign_out_of_other_sessions";
        }
        verify_password VerifyPassword "VerifyPassword" (user_id) -> one(VerifyPasswordResponse) {
            String password "password";
        }
        verify_totp VerifyTOTP "VerifyTOTP" (user_id) -> one(VerifyTOTPResponse) {
            String code "code";
        }
        disable_mfa DisableMFA "DisableMFA" (user_id) -> one(UserReference) {
        }
        delete_backup_codes DeleteBackupCode "DeleteBackupCode" (user_id) -> one(UserReference) {
        }
        delete_passkey UserPasskeyDelete "UserPasskeyDelete" (user_id, passkey_identification_id) -> one(DeletedObject) {
        }
        list_trusted_devices ListUserTrustedDevices "ListUserTrustedDevices" (user_id) -> list(TrustedDevice) {
        }
        revoke_trusted_device RevokeUserTrustedDevice "RevokeUserTrustedDevice" (user_id, trusted_device_id) -> one(TrustedDevice) {
        }
        delete_web3_wallet UserWeb3WalletDelete "UserWeb3WalletDelete" (user_id, web3_wallet_identification_id) -> one(DeletedObject) {
        }
        delete_totp DeleteTOTP "DeleteTOTP" (user_id) -> one(UserReference) {
        }
        delete_external_account DeleteExternalAccount "DeleteExternalAccount" (user_id, external_account_id) -> one(DeletedObject) {
        }
        set_password_compromised SetUserPasswordCompromised "SetUserPasswordCompromised" (user_id) -> one(User) {
            bool revoke_all_sessions "revoke_all_sessions";
        }
        unset_password_compromised UnsetUserPasswordCompromised "UnsetUserPasswordCompromised" (user_id) -> one(User) {
        }
        get_instance_organization_memberships InstanceGetOrganizationMemberships "InstanceGetOrganizationMemberships" () -> list(OrganizationMembership) {
            String order_by "order_by";
            i64 limit "limit";
            i64 offset "offset";
        }
    }
    invitations Invitations {
        create CreateInvitation "CreateInvitation" () -> one(Invitation) {
            String email_address "email_address";
            Value public_metadata "public_metadata";
            String redirect_url "redirect_url";
            bool notify "notify";
            bool ignore_existing "ignore_existing";
            i64 expires_in_days "expires_in_days";
            String template_slug "template_slug";
        }
        list ListInvitations "ListInvitations" () -> list(Invitation) {
            String status "status";
            String query "query";
            String order_by "order_by";
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        bulk_create CreateBulkInvitations "CreateBulkInvitations" () -> list(Invitation) {
            Value request_body "request_body";
        }
        revoke RevokeInvitation "RevokeInvitation" (invitation_id) -> one(RevokedInvitation) {
        }
    }
    organization_invitations OrganizationInvitations {
        get_all | list_all ListInstanceOrganizationInvitations "ListInstanceOrganizationInvitations" () -> list(OrganizationInvitationWithPublicOrganizationData) {
            String order_by "order_by";
            String status "status";
            String query "query";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateOrganizationInvitation "CreateOrganizationInvitation" (organization_id) -> one(OrganizationInvitation) {
            String email_address "email_address";
            String inviter_user_id "inviter_user_id";
            String role "role";
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
            String redirect_url "redirect_url";
            i64 expires_in_days "expires_in_days";
            bool notify "notify";
        }
        list ListOrganizationInvitations "ListOrganizationInvitations" (organization_id) -> list(OrganizationInvitation) {
            String status "status";
            String email_address "email_address";
            String order_by "order_by";
            i64 limit "limit";
            i64 offset "offset";
        }
        bulk_create CreateOrganizationInvitationBulk "CreateOrganizationInvitationBulk" (organization_id) -> list(OrganizationInvitation) {
            Value request_body "request_body";
        }
        list_pending ListPendingOrganizationInvitations "ListPendingOrganizationInvitations" (organization_id) -> list(OrganizationInvitation) {
            i64 limit "limit";
            i64 offset "offset";
        }
        get GetOrganizationInvitation "GetOrganizationInvitation" (organization_id, invitation_id) -> one(OrganizationInvitation) {
        }
        revoke RevokeOrganizationInvitation "RevokeOrganizationInvitation" (organization_id, invitation_id) -> one(OrganizationInvitation) {
            String requesting_user_id "requesting_user_id";
        }
    }
    allowlist_identifiers AllowlistIdentifiers {
        list ListAllowlistIdentifiers "ListAllowlistIdentifiers" () -> list(AllowlistIdentifier) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateAllowlistIdentifier "CreateAllowlistIdentifier" () -> one(AllowlistIdentifier) {
            String identifier "identifier";
            bool notify "notify";
        }
        delete DeleteAllowlistIdentifier "DeleteAllowlistIdentifier" (identifier_id) -> one(DeletedObject) {
        }
    }
    blocklist_identifiers BlocklistIdentifiers {
        list ListBlocklistIdentifiers "ListBlocklistIdentifiers" () -> list(BlocklistIdentifier) {
        }
        create CreateBlocklistIdentifier "CreateBlocklistIdentifier" () -> one(BlocklistIdentifier) {
            String identifier "identifier";
        }
        delete DeleteBlocklistIdentifier "DeleteBlocklistIdentifier" (identifier_id) -> one(DeletedObject) {
        }
    }
    beta_features BetaFeatures {
        update_instance_settings UpdateInstanceAuthConfig "UpdateInstanceAuthConfig" () -> one(InstanceAuthConfig) {
            bool restricted_to_allowlist "restricted_to_allowlist";
            String from_email_address "from_email_address";
            bool progressive_sign_up "progressive_sign_up";
            bool test_mode "test_mode";
        }
        update_production_instance_domain UpdateProductionInstanceDomain "UpdateProductionInstanceDomain" () -> nothing {
            String home_url "home_url";
            bool is_secondary "is_secondary";
        }
    }
    actor_tokens ActorTokens {
        create CreateActorToken "CreateActorToken" () -> one(ActorToken) {
            String user_id "user_id";
            Value actor "actor";
            i64 expires_in_seconds "expires_in_seconds";
            i64 session_max_duration_in_seconds "session_max_duration_in_seconds";
        }
        revoke RevokeActorToken "RevokeActorToken" (actor_token_id) -> one(ActorToken) {
        }
    }
    domains Domains {
        list ListDomains "ListDomains" () -> list(Domain) {
        }
        add AddDomain "AddDomain" () -> one(Domain) {
            String name "name";
            bool is_satellite "is_satellite";
            String proxy_url "proxy_url";
        }
        delete DeleteDomain "DeleteDomain" (domain_id) -> one(DeletedObject) {
        }
        update UpdateDomain "UpdateDomain" (domain_id) -> one(Domain) {
            String name "name";
            String proxy_url "proxy_url";
            bool is_secondary "is_secondary";
        }
    }
    instance_settings InstanceSettings {
        get GetInstance "GetInstance" () -> one(Instance) {
        }
        update UpdateInstance "UpdateInstance" () -> nothing {
            bool test_mode "test_mode";
            bool hibp "hibp";
            String support_email "support_email";
            String clerk_js_version "clerk_js_version";
            String development_origin "development_origin";
            Texts allowed_origins "allowed_origins";
            bool cookieless_dev "cookieless_dev";
            bool url_based_session_syncing "url_based_session_syncing";
            String preferred_sign_in_strategy_when_password_required "preferred_sign_in_strategy_when_password_required";
        }
        update_restrictions UpdateInstanceRestrictions "UpdateInstanceRestrictions" () -> one(InstanceRestrictions) {
            bool allowlist "allowlist";
            bool blocklist "blocklist";
            bool allowlist_blocklist_disabled_on_sign_in "allowlist_blocklist_disabled_on_sign_in";
            bool block_email_subaddresses "block_email_subaddresses";
            bool block_disposable_email_domains "block_disposable_email_domains";
        }
        get_instance_protect | get_protect GetInstanceProtect "GetInstanceProtect" () -> one(InstanceProtect) {
        }
        update_instance_protect | update_protect UpdateInstanceProtect "UpdateInstanceProtect" () -> one(InstanceProtect) {
            bool rules_enabled "rules_enabled";
            bool specter_enabled "specter_enabled";
        }
        get_communication GetInstanceCommunication "GetInstanceCommunication" () -> one(InstanceCommunication) {
        }
        update_communication UpdateInstanceCommunication "UpdateInstanceCommunication" () -> one(InstanceCommunication) {
            Texts blocked_country_codes "blocked_country_codes";
        }
        get_o_auth_application_settings | get_oauth_application_settings GetInstanceOAuthApplicationSettings "GetInstanceOAuthApplicationSettings" () -> one(OAuthApplicationSettings) {
        }
        update_o_auth_application_settings | update_oauth_application_settings UpdateInstanceOAuthApplicationSettings "UpdateInstanceOAuthApplicationSettings" () -> one(OAuthApplicationSettings) {
            bool dynamic_oauth_client_registration "dynamic_oauth_client_registration";
            Texts default_scopes "default_scopes";
            bool oauth_jwt_access_tokens "oauth_jwt_access_tokens";
            bool client_id_metadata_documents_advertised "client_id_metadata_documents_advertised";
            bool client_id_metadata_documents_only_allow_pre_registered_clients "client_id_metadata_documents_only_allow_pre_registered_clients";
            bool client_id_metadata_documents_block_implicitly_allowed_clients "client_id_metadata_documents_block_implicitly_allowed_clients";
        }
        change_domain ChangeProductionInstanceDomain "ChangeProductionInstanceDomain" () -> nothing {
            String home_url "home_url";
            bool is_secondary "is_secondary";
        }
        get_organization_settings GetInstanceOrganizationSettings "GetInstanceOrganizationSettings" () -> one(OrganizationSettings) {
        }
        update_organization_settings UpdateInstanceOrganizationSettings "UpdateInstanceOrganizationSettings" () -> one(OrganizationSettings) {
            bool enabled "enabled";
            i64 max_allowed_memberships "max_allowed_memberships";
            bool admin_delete_enabled "admin_delete_enabled";
            bool domains_enabled "domains_enabled";
            bool slug_disabled "slug_disabled";
            Texts domains_enrollment_modes "domains_enrollment_modes";
            String creator_role_id "creator_role_id";
            String domains_default_role_id "domains_default_role_id";
        }
    }
    webhooks Webhooks {
        create_svix_app CreateSvixApp "CreateSvixApp" () -> one(SvixURL) {
        }
        delete_svix_app DeleteSvixApp "DeleteSvixApp" () -> nothing {
        }
        generate_svix_auth_url GenerateSvixAuthURL "GenerateSvixAuthURL" () -> one(SvixURL) {
        }
    }
    jwt_templates JwtTemplates {
        list ListJWTTemplates "ListJWTTemplates" () -> list(JWTTemplate) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateJWTTemplate "CreateJWTTemplate" () -> one(JWTTemplate) {
            String name "name";
            Value claims "claims";
            i64 lifetime "lifetime";
            i64 allowed_clock_skew "allowed_clock_skew";
            bool custom_signing_key "custom_signing_key";
            String signing_algorithm "signing_algorithm";
            String signing_key "signing_key";
        }
        get GetJWTTemplate "GetJWTTemplate" (template_id) -> one(JWTTemplate) {
        }
        update UpdateJWTTemplate "UpdateJWTTemplate" (template_id) -> one(JWTTemplate) {
            String name "name";
            Value claims "claims";
            i64 lifetime "lifetime";
            i64 allowed_clock_skew "allowed_clock_skew";
            bool custom_signing_key "custom_signing_key";
            String signing_algorithm "signing_algorithm";
            String signing_key "signing_key";
        }
        delete DeleteJWTTemplate "DeleteJWTTemplate" (template_id) -> one(DeletedObject) {
        }
    }
    machines Machines {
        list ListMachines "ListMachines" () -> list(Machine) {
            i64 limit "limit";
            i64 offset "offset";
            String query "query";
            String order_by "order_by";
        }
        create CreateMachine "CreateMachine" () -> one(MachineWithSecret) {
            String name "name";
            Texts scoped_machines "scoped_machines";
            i64 default_token_ttl "default_token_ttl";
        }
        get GetMachine "GetMachine" (machine_id) -> one(Machine) {
        }
        update UpdateMachine "UpdateMachine" (machine_id) -> one(Machine) {
            String name "name";
            i64 default_token_ttl "default_token_ttl";
        }
        delete DeleteMachine "DeleteMachine" (machine_id) -> one(DeletedObject) {
        }
        get_secret_key GetMachineSecretKey "GetMachineSecretKey" (machine_id) -> one(MachineSecretKey) {
        }
        rotate_secret_key RotateMachineSecretKey "RotateMachineSecretKey" (machine_id) -> one(MachineSecretKey) {
            i64 previous_token_ttl "previous_token_ttl";
        }
        create_scope CreateMachineScope "CreateMachineScope" (machine_id) -> one(MachineScope) {
            String to_machine_id "to_machine_id";
        }
        delete_scope DeleteMachineScope "DeleteMachineScope" (machine_id, other_machine_id) -> one(DeletedMachineScope) {
        }
    }
    organizations Organizations {
        list ListOrganizations "ListOrganizations" () -> list(Organization) {
            bool include_members_count "include_members_count";
            bool include_missing_member_with_elevated_permissions "include_missing_member_with_elevated_permissions";
            String query "query";
            Texts user_id "user_id";
            Texts organization_id "organization_id";
            String order_by "order_by";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateOrganization "CreateOrganization" () -> one(Organization) {
            String name "name";
            String created_by "created_by";
            Value private_metadata "private_metadata";
            Value public_metadata "public_metadata";
            String slug "slug";
            i64 max_allowed_memberships "max_allowed_memberships";
            String created_at "created_at";
            String role_set_key "role_set_key";
        }
        get GetOrganization "GetOrganization" (organization_id) -> one(Organization) {
            bool include_members_count "include_members_count";
            bool include_missing_member_with_elevated_permissions "include_missing_member_with_elevated_permissions";
        }
        update UpdateOrganization "UpdateOrganization" (organization_id) -> one(Organization) {
            String name "name";
            String slug "slug";
            i64 max_allowed_memberships "max_allowed_memberships";
            bool admin_delete_enabled "admin_delete_enabled";
            String created_at "created_at";
            String role_set_key "role_set_key";
        }
        delete DeleteOrganization "DeleteOrganization" (organization_id) -> one(DeletedObject) {
        }
        merge_metadata MergeOrganizationMetadata "MergeOrganizationMetadata" (organization_id) -> one(Organization) {
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
        }
        replace_metadata ReplaceOrganizationMetadata "ReplaceOrganizationMetadata" (organization_id) -> one(Organization) {
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
        }
        upload_logo UploadOrganizationLogo "UploadOrganizationLogo" (organization_id) -> one(OrganizationWithLogo) {
            String uploader_user_id "uploader_user_id";
            file file "file";
        }
        delete_logo DeleteOrganizationLogo "DeleteOrganizationLogo" (organization_id) -> one(Organization) {
        }
        get_billing_subscription GetOrganizationBillingSubscription "GetOrganizationBillingSubscription" (organization_id) -> one(CommerceSubscription) {
        }
        get_billing_credit_balance GetOrganizationBillingCreditBalance "GetOrganizationBillingCreditBalance" (organization_id) -> one(CommerceCreditBalanceResponse) {
        }
        adjust_billing_credit_balance AdjustOrganizationBillingCreditBalance "AdjustOrganizationBillingCreditBalance" (organization_id) -> one(CommerceCreditLedgerResponse) {
            i64 amount "amount";
            String action "action";
            String currency "currency";
            String idempotency_key "idempotency_key";
            String note "note";
        }
    }
    organization_roles OrganizationRoles {
        list ListOrganizationRoles "ListOrganizationRoles" () -> list(Role) {
            String query "query";
            String order_by "order_by";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateOrganizationRole "CreateOrganizationRole" () -> one(Role) {
            String name "name";
            String key "key";
            String description "description";
            Texts permissions "permissions";
            bool include_in_initial_role_set "include_in_initial_role_set";
        }
        get GetOrganizationRole "GetOrganizationRole" (organization_role_id) -> one(Role) {
        }
        update UpdateOrganizationRole "UpdateOrganizationRole" (organization_role_id) -> one(Role) {
            String name "name";
            String key "key";
            String description "description";
            Texts permissions "permissions";
        }
        delete DeleteOrganizationRole "DeleteOrganizationRole" (organization_role_id) -> one(DeletedObject) {
        }
        assign_permission AssignPermissionToOrganizationRole "AssignPermissionToOrganizationRole" (organization_role_id, permission_id) -> one(Role) {
        }
        remove_permission RemovePermissionFromOrganizationRole "RemovePermissionFromOrganizationRole" (organization_role_id, permission_id) -> one(Role) {
        }
    }
    organization_memberships OrganizationMemberships {
        create CreateOrganizationMembership "CreateOrganizationMembership" (organization_id) -> one(OrganizationMembership) {
            String user_id "user_id";
            String role "role";
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
        }
        list ListOrganizationMemberships "ListOrganizationMemberships" (organization_id) -> list(OrganizationMembership) {
            String order_by "order_by";
            Texts user_id "user_id";
            Texts email_address "email_address";
            Texts phone_number "phone_number";
            Texts username "username";
            Texts web3_wallet "web3_wallet";
            Texts role "role";
            String query "query";
            String email_address_query "email_address_query";
            String phone_number_query "phone_number_query";
            String username_query "username_query";
            String name_query "name_query";
            i64 last_active_at_before "last_active_at_before";
            i64 last_active_at_after "last_active_at_after";
            i64 created_at_before "created_at_before";
            i64 created_at_after "created_at_after";
            i64 limit "limit";
            i64 offset "offset";
        }
        update UpdateOrganizationMembership "UpdateOrganizationMembership" (organization_id, user_id) -> one(OrganizationMembership) {
            String role "role";
        }
        delete DeleteOrganizationMembership "DeleteOrganizationMembership" (organization_id, user_id) -> one(OrganizationMembership) {
        }
        update_metadata UpdateOrganizationMembershipMetadata "UpdateOrganizationMembershipMetadata" (organization_id, user_id) -> one(OrganizationMembership) {
            Value public_metadata "public_metadata";
            Value private_metadata "private_metadata";
        }
    }
    organization_domains OrganizationDomains {
        create CreateOrganizationDomain "CreateOrganizationDomain" (organization_id) -> one(OrganizationDomain) {
            String name "name";
            String enrollment_mode "enrollment_mode";
            bool verified "verified";
        }
        list ListOrganizationDomains "ListOrganizationDomains" (organization_id) -> list(OrganizationDomain) {
            String verified "verified";
            String enrollment_mode "enrollment_mode";
            i64 limit "limit";
            i64 offset "offset";
        }
        update UpdateOrganizationDomain "UpdateOrganizationDomain" (organization_id, domain_id) -> one(OrganizationDomain) {
            String enrollment_mode "enrollment_mode";
            bool verified "verified";
        }
        delete DeleteOrganizationDomain "DeleteOrganizationDomain" (organization_id, domain_id) -> one(DeletedObject) {
        }
        verify_ownership VerifyOrganizationDomainOwnership "VerifyOrganizationDomainOwnership" (organization_id, domain_id) -> one(OrganizationDomain) {
        }
        list_all ListAllOrganizationDomains "ListAllOrganizationDomains" () -> list(OrganizationDomain) {
            String organization_id "organization_id";
            String verified "verified";
            Texts enrollment_mode "enrollment_mode";
            String query "query";
            Texts domains "domains";
            String order_by "order_by";
            i64 offset "offset";
            i64 limit "limit";
        }
    }
    proxy_checks ProxyChecks {
        verify VerifyDomainProxy "VerifyDomainProxy" () -> one(ProxyCheck) {
            String domain_id "domain_id";
            String proxy_url "proxy_url";
        }
    }
    redirect_urls RedirectUrls {
        list ListRedirectURLs "ListRedirectURLs" () -> list(RedirectURL) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateRedirectURL "CreateRedirectURL" () -> one(RedirectURL) {
            String url "url";
        }
        get GetRedirectURL "GetRedirectURL" (id) -> one(RedirectURL) {
        }
        delete DeleteRedirectURL "DeleteRedirectURL" (id) -> one(DeletedObject) {
        }
    }
    sign_in_tokens SignInTokens {
        create CreateSignInToken "CreateSignInToken" () -> one(SignInToken) {
            String user_id "user_id";
            String org_id "org_id";
            i64 expires_in_seconds "expires_in_seconds";
        }
        revoke RevokeSignInToken "RevokeSignInToken" (sign_in_token_id) -> one(SignInToken) {
        }
    }
    sign_ups SignUps {
        get GetSignUp "GetSignUp" (id) -> one(SignUp) {
        }
        update UpdateSignUp "UpdateSignUp" (id) -> one(SignUp) {
            String external_id "external_id";
            bool custom_action "custom_action";
        }
    }
    oauth_applications OauthApplications {
        list ListOAuthApplications "ListOAuthApplications" () -> list(OAuthApplication) {
            i64 limit "limit";
            i64 offset "offset";
            String order_by "order_by";
            String name_query "name_query";
        }
        create CreateOAuthApplication "CreateOAuthApplication" () -> one(OAuthApplicationWithSecret) {
            String name "name";
            Texts redirect_uris "redirect_uris";
            String callback_url "callback_url";
            String scopes "scopes";
            bool consent_screen_enabled "consent_screen_enabled";
            bool pkce_required "pkce_required";
            bool public "public";
        }
        get GetOAuthApplication "GetOAuthApplication" (oauth_application_id) -> one(OAuthApplication) {
        }
        update UpdateOAuthApplication "UpdateOAuthApplication" (oauth_application_id) -> one(OAuthApplication) {
            String name "name";
            Texts redirect_uris "redirect_uris";
            String callback_url "callback_url";
            String scopes "scopes";
            bool consent_screen_enabled "consent_screen_enabled";
            bool pkce_required "pkce_required";
            bool public "public";
        }
        delete DeleteOAuthApplication "DeleteOAuthApplication" (oauth_application_id) -> one(DeletedObject) {
        }
        upload_logo UploadOAuthApplicationLogo "UploadOAuthApplicationLogo" (oauth_application_id) -> one(OAuthApplication) {
            String uploader_user_id "uploader_user_id";
            file file "file";
        }
        rotate_secret RotateOAuthApplicationSecret "RotateOAuthApplicationSecret" (oauth_application_id) -> one(OAuthApplicationWithSecret) {
        }
        revoke_token RevokeOAuthApplicationToken "RevokeOAuthApplicationToken" (oauth_application_id) -> nothing {
            String token "token";
        }
    }
    saml_connections SamlConnections {
        list ListSAMLConnections "ListSAMLConnections" () -> list(SAMLConnection) {
            i64 limit "limit";
            i64 offset "offset";
            String query "query";
            String order_by "order_by";
            Texts organization_id "organization_id";
        }
        create CreateSAMLConnection "CreateSAMLConnection" () -> one(SAMLConnection) {
            String name "name";
            String domain "domain";
            Texts domains "domains";
            String provider "provider";
            String idp_entity_id "idp_entity_id";
            String idp_sso_url "idp_sso_url";
            String idp_certificate "idp_certificate";
            String idp_metadata_url "idp_metadata_url";
            String idp_metadata "idp_metadata";
            String organization_id "organization_id";
            Value attribute_mapping "attribute_mapping";
            bool force_authn "force_authn";
            Value login_hint "login_hint";
        }
        get GetSAMLConnection "GetSAMLConnection" (saml_connection_id) -> one(SAMLConnection) {
        }
        update UpdateSAMLConnection "UpdateSAMLConnection" (saml_connection_id) -> one(SAMLConnection) {
            String name "name";
            String domain "domain";
            Texts domains "domains";
            String idp_entity_id "idp_entity_id";
            String idp_sso_url "idp_sso_url";
            String idp_certificate "idp_certificate";
            String idp_metadata_url "idp_metadata_url";
            String idp_metadata "idp_metadata";
            String organization_id "organization_id";
            Value attribute_mapping "attribute_mapping";
            bool active "active";
            bool sync_user_attributes "sync_user_attributes";
            bool allow_subdomains "allow_subdomains";
            bool allow_idp_initiated "allow_idp_initiated";
            bool disable_additional_identifications "disable_additional_identifications";
            bool allow_organization_account_linking "allow_organization_account_linking";
            bool force_authn "force_authn";
            Value login_hint "login_hint";
            bool consent_verified_domains_deletion "consent_verified_domains_deletion";
        }
        delete DeleteSAMLConnection "DeleteSAMLConnection" (saml_connection_id) -> one(DeletedObject) {
        }
    }
    enterprise_connections EnterpriseConnections {
        list ListEnterpriseConnections "ListEnterpriseConnections" () -> list(EnterpriseConnection) {
            i64 limit "limit";
            i64 offset "offset";
            String organization_id "organization_id";
            bool active "active";
        }
        create CreateEnterpriseConnection "CreateEnterpriseConnection" () -> one(EnterpriseConnection) {
            String name "name";
            String provider "provider";
            Texts domains "domains";
            String organization_id "organization_id";
            bool allow_organization_account_linking "allow_organization_account_linking";
            bool active "active";
            Value saml "saml";
            Value oidc "oidc";
            Value custom_attributes "custom_attributes";
        }
        get GetEnterpriseConnection "GetEnterpriseConnection" (enterprise_connection_id) -> one(EnterpriseConnection) {
        }
        update UpdateEnterpriseConnection "UpdateEnterpriseConnection" (enterprise_connection_id) -> one(EnterpriseConnection) {
            String name "name";
            Texts domains "domains";
            bool active "active";
            bool sync_user_attributes "sync_user_attributes";
            bool disable_additional_identifications "disable_additional_identifications";
            bool allow_organization_account_linking "allow_organization_account_linking";
            String organization_id "organization_id";
            Value saml "saml";
            Value oidc "oidc";
            Value custom_attributes "custom_attributes";
        }
        delete DeleteEnterpriseConnection "DeleteEnterpriseConnection" (enterprise_connection_id) -> one(DeletedObject) {
        }
        list_test_runs ListEnterpriseConnectionTestRuns "ListEnterpriseConnectionTestRuns" (enterprise_connection_id) -> list(EnterpriseConnectionTestRun) {
            Texts status "status";
            i64 limit "limit";
            i64 offset "offset";
        }
        create_test_run CreateEnterpriseConnectionTestRun "CreateEnterpriseConnectionTestRun" (enterprise_connection_id) -> one(EnterpriseConnectionTestRunResponse) {
        }
    }
    testing_tokens TestingTokens {
        create CreateTestingToken "CreateTestingToken" () -> one(TestingToken) {
        }
    }
    agent_tasks AgentTasks {
        create CreateAgentTask "CreateAgentTask" () -> one(AgentTask) {
            Value on_behalf_of "on_behalf_of";
            String permissions "permissions";
            String agent_name "agent_name";
            String task_description "task_description";
            String redirect_url "redirect_url";
            i64 session_max_duration_in_seconds "session_max_duration_in_seconds";
        }
        revoke RevokeAgentTask "RevokeAgentTask" (agent_task_id) -> one(AgentTask) {
        }
    }
    waitlist_entries WaitlistEntries {
        list ListWaitlistEntries "ListWaitlistEntries" () -> list(WaitlistEntry) {
            i64 limit "limit";
            i64 offset "offset";
            String query "query";
            String status "status";
            String order_by "order_by";
        }
        create CreateWaitlistEntry "CreateWaitlistEntry" () -> one(WaitlistEntry) {
            String email_address "email_address";
            bool notify "notify";
        }
        bulk_create CreateBulkWaitlistEntries "CreateBulkWaitlistEntries" () -> list(WaitlistEntry) {
            Value request_body "request_body";
        }
        delete DeleteWaitlistEntry "DeleteWaitlistEntry" (waitlist_entry_id) -> one(DeletedObject) {
        }
        invite InviteWaitlistEntry "InviteWaitlistEntry" (waitlist_entry_id) -> one(WaitlistEntry) {
            bool ignore_existing "ignore_existing";
        }
        reject RejectWaitlistEntry "RejectWaitlistEntry" (waitlist_entry_id) -> one(WaitlistEntry) {
        }
    }
    billing Billing {
        list_plans GetCommercePlanList "GetCommercePlanList" () -> list(CommercePlan) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
            String payer_type "payer_type";
        }
        list_prices GetBillingPriceList "GetBillingPriceList" () -> list(BillingPriceResponse) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
            String plan_id "plan_id";
        }
        create_price CreateBillingPrice "CreateBillingPrice" () -> one(BillingPriceResponse) {
            String plan_id "plan_id";
            String currency "currency";
            i64 amount "amount";
            i64 annual_monthly_amount "annual_monthly_amount";
            String description "description";
            String supported_billing_periods "supported_billing_periods";
        }
        list_subscription_items GetCommerceSubscriptionItemList "GetCommerceSubscriptionItemList" () -> list(CommerceSubscriptionItem) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
            String status "status";
            String payer_type "payer_type";
            String plan_id "plan_id";
            bool include_free "include_free";
            String query "query";
        }
        cancel_subscription_item CancelCommerceSubscriptionItem "CancelCommerceSubscriptionItem" (subscription_item_id) -> one(CommerceSubscriptionItem) {
            bool end_now "end_now";
        }
        extend_subscription_item_free_trial ExtendBillingSubscriptionItemFreeTrial "ExtendBillingSubscriptionItemFreeTrial" (subscription_item_id) -> one(CommerceSubscriptionItem2) {
            String extend_to "extend_to";
        }
        create_price_transition CreateBillingPriceTransition "CreateBillingPriceTransition" (subscription_item_id) -> one(CommercePriceTransitionResponse) {
            String from_price_id "from_price_id";
            String to_price_id "to_price_id";
        }
        apply_subscription_item_discount ApplyBillingSubscriptionItemDiscount "ApplyBillingSubscriptionItemDiscount" (subscription_item_id) -> one(CommerceDiscountRedemptionResponse) {
            String discount_id "discount_id";
        }
        remove_subscription_item_discount RemoveBillingSubscriptionItemDiscount "RemoveBillingSubscriptionItemDiscount" (subscription_item_id, discount_id) -> one(CommerceDiscountRedemptionResponse) {
        }
        list_statements GetBillingStatementList "GetBillingStatementList" () -> list(BillingStatement) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
        get_statement GetBillingStatement "GetBillingStatement" (statement_id) -> one(BillingStatement) {
        }
        get_statement_payment_attempts GetBillingStatementPaymentAttempts "GetBillingStatementPaymentAttempts" (statement_id) -> list(BillingPaymentAttempt) {
            bool paginated "paginated";
            i64 limit "limit";
            i64 offset "offset";
        }
    }
    organization_permissions OrganizationPermissions {
        list ListOrganizationPermissions "ListOrganizationPermissions" () -> list(Permission) {
            String query "query";
            String order_by "order_by";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateOrganizationPermission "CreateOrganizationPermission" () -> one(Permission) {
            String name "name";
            String key "key";
            String description "description";
        }
        get GetOrganizationPermission "GetOrganizationPermission" (permission_id) -> one(Permission) {
        }
        update UpdateOrganizationPermission "UpdateOrganizationPermission" (permission_id) -> one(Permission) {
            String name "name";
            String key "key";
            String description "description";
        }
        delete DeleteOrganizationPermission "DeleteOrganizationPermission" (permission_id) -> one(DeletedObject) {
        }
    }
    role_sets RoleSets {
        list ListRoleSets "ListRoleSets" () -> list(RoleSet) {
            String query "query";
            String order_by "order_by";
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateRoleSet "CreateRoleSet" () -> one(RoleSet) {
            String name "name";
            String key "key";
            String description "description";
            String default_role_key "default_role_key";
            String creator_role_key "creator_role_key";
            String type_ "type";
            Texts roles "roles";
        }
        get GetRoleSet "GetRoleSet" (role_set_key_or_id) -> one(RoleSet) {
        }
        update UpdateRoleSet "UpdateRoleSet" (role_set_key_or_id) -> one(RoleSet) {
            String name "name";
            String key "key";
            String description "description";
            String type_ "type";
            String default_role_key "default_role_key";
            String creator_role_key "creator_role_key";
        }
        replace ReplaceRoleSet "ReplaceRoleSet" (role_set_key_or_id) -> one(DeletedObject) {
            String dest_role_set_key "dest_role_set_key";
            Value reassignment_mappings "reassignment_mappings";
        }
        add_roles AddRolesToRoleSet "AddRolesToRoleSet" (role_set_key_or_id) -> one(RoleSet) {
            Texts role_keys "role_keys";
            String default_role_key "default_role_key";
            String creator_role_key "creator_role_key";
        }
        replace_role ReplaceRoleInRoleSet "ReplaceRoleInRoleSet" (role_set_key_or_id) -> one(RoleSet) {
            String role_key "role_key";
            String to_role_key "to_role_key";
        }
    }
    scim_directories ScimDirectories {
        list ListSCIMDirectories "ListSCIMDirectories" () -> list(SCIMDirectory) {
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateSCIMDirectory "CreateSCIMDirectory" () -> one(SCIMDirectory) {
            String enterprise_connection_id "enterprise_connection_id";
            String name "name";
            String provider "provider";
            Value group_role_mappings "group_role_mappings";
        }
        get GetSCIMDirectory "GetSCIMDirectory" (scim_directory_id) -> one(SCIMDirectory) {
        }
        update UpdateSCIMDirectory "UpdateSCIMDirectory" (scim_directory_id) -> one(SCIMDirectory) {
            String name "name";
            bool enabled "enabled";
            String provider "provider";
            Value attribute_mapping "attribute_mapping";
            bool group_role_mapping_enabled "group_role_mapping_enabled";
        }
        delete DeleteSCIMDirectory "DeleteSCIMDirectory" (scim_directory_id) -> one(DeletedObject) {
        }
        rotate_api_key RotateSCIMDirectoryAPIKey "RotateSCIMDirectoryAPIKey" (scim_directory_id) -> one(SCIMDirectory) {
        }
        list_group_role_mappings ListSCIMGroupRoleMappings "ListSCIMGroupRoleMappings" (scim_directory_id) -> list(SCIMGroupRoleMapping) {
        }
        create_group_role_mapping CreateSCIMGroupRoleMapping "CreateSCIMGroupRoleMapping" (scim_directory_id) -> one(SCIMGroupRoleMapping) {
            String scim_group_id "scim_group_id";
            String role_id "role_id";
            i64 precedence "precedence";
        }
        replace_group_role_mappings ReplaceSCIMGroupRoleMappings "ReplaceSCIMGroupRoleMappings" (scim_directory_id) -> list(SCIMGroupRoleMapping) {
            Value mappings "mappings";
        }
        delete_group_role_mapping DeleteSCIMGroupRoleMapping "DeleteSCIMGroupRoleMapping" (scim_directory_id, mapping_id) -> one(DeletedObject) {
        }
    }
    directories Directories {
        list ListDirectories "ListDirectories" () -> list(Directory) {
            i64 limit "limit";
            i64 offset "offset";
        }
        create CreateDirectory "CreateDirectory" () -> one(Directory) {
            String enterprise_connection_id "enterprise_connection_id";
            String name "name";
            String provider "provider";
            Value group_role_mappings "group_role_mappings";
        }
        get GetDirectory "GetDirectory" (directory_id) -> one(Directory) {
        }
        update UpdateDirectory "UpdateDirectory" (directory_id) -> one(Directory) {
            String name "name";
            bool enabled "enabled";
            String provider "provider";
            Value attribute_mapping "attribute_mapping";
            bool group_role_mapping_enabled "group_role_mapping_enabled";
        }
        delete DeleteDirectory "DeleteDirectory" (directory_id) -> one(DeletedObject) {
        }
        rotate_api_key RotateDirectoryAPIKey "RotateDirectoryAPIKey" (directory_id) -> one(Directory) {
        }
        list_group_role_mappings ListDirectoryGroupRoleMappings "ListDirectoryGroupRoleMappings" (directory_id) -> list(DirectoryGroupRoleMapping) {
        }
        create_group_role_mapping CreateDirectoryGroupRoleMapping "CreateDirectoryGroupRoleMapping" (directory_id) -> one(DirectoryGroupRoleMapping) {
            String directory_group_id "directory_group_id";
            String scim_group_id "scim_group_id";
            String role_id "role_id";
            i64 precedence "precedence";
        }
        replace_group_role_mappings ReplaceDirectoryGroupRoleMappings "ReplaceDirectoryGroupRoleMappings" (directory_id) -> list(DirectoryGroupRoleMapping) {
            Value mappings "mappings";
        }
        delete_group_role_mapping DeleteDirectoryGroupRoleMapping "DeleteDirectoryGroupRoleMapping" (directory_id, mapping_id) -> one(DeletedObject) {
        }
    }
    admin_portal_link_tokens AdminPortalLinkTokens {
        create_admin_portal_link_token | create CreateAdminPortalLinkToken "createAdminPortalLinkToken" () -> one(AdminPortalLinkToken) {
            String organization_id "organization_id";
            String it_contact_id "it_contact_id";
            Texts scopes "scopes";
            i64 seconds_until_expiration "seconds_until_expiration";
        }
        revoke_admin_portal_link_token | revoke RevokeAdminPortalLinkToken "revokeAdminPortalLinkToken" (admin_portal_link_token_id) -> one(AdminPortalLinkToken) {
            String revocation_reason "revocation_reason";
        }
    }
    api_keys ApiKeys {
        create_api_key | create CreateApiKey "createApiKey" () -> one(ApiKeyWithSecret) {
            String type_ "type";
            String name "name";
            String description "description";
            String subject "subject";
            Value claims "claims";
            Texts scopes "scopes";
            String created_by "created_by";
            Numeric seconds_until_expiration "seconds_until_expiration";
        }
        get_api_keys | list GetApiKeys "getApiKeys" () -> list(ApiKey) {
            String type_ "type";
            String subject "subject";
            String include_invalid "include_invalid";
            Numeric limit "limit";
            Numeric offset "offset";
            String query "query";
        }
        get_api_key | get GetApiKey "getApiKey" (api_key_id) -> one(ApiKey) {
        }
        update_api_key | update UpdateApiKey "updateApiKey" (api_key_id) -> one(ApiKey) {
            Value claims "claims";
            Texts scopes "scopes";
            String description "description";
            String subject "subject";
            Numeric seconds_until_expiration "seconds_until_expiration";
        }
        delete_api_key | delete DeleteApiKey "deleteApiKey" (api_key_id) -> one(DeletedObject) {
        }
        get_api_key_secret | get_secret GetApiKeySecret "getApiKeySecret" (api_key_id) -> one(ApiKeySecret) {
        }
        revoke_api_key | revoke RevokeApiKey "revokeApiKey" (api_key_id) -> one(ApiKey) {
            String revocation_reason "revocation_reason";
        }
        verify_api_key | verify VerifyApiKey "verifyApiKey" () -> one(ApiKey) {
            String secret "secret";
        }
    }
    m2m M2m {
        create_token | create CreateM2MToken "createM2MToken" () -> one(M2MToken) {
            String token_format "token_format";
            Numeric seconds_until_expiration "seconds_until_expiration";
            Value claims "claims";
            i64 min_remaining_ttl_seconds "min_remaining_ttl_seconds";
        }
        list_tokens | list GetM2MTokens "getM2MTokens" () -> list(M2MToken) {
            String subject "subject";
            bool revoked "revoked";
            bool expired "expired";
            Numeric limit "limit";
            Numeric offset "offset";
        }
        revoke_token | revoke RevokeM2MToken "revokeM2MToken" (m2m_token_id) -> one(M2MToken) {
            String revocation_reason "revocation_reason";
        }
        verify_token | verify VerifyM2MToken "verifyM2MToken" () -> one(M2MToken) {
            String token "token";
        }
    }
    oauth_access_tokens OauthAccessTokens {
        verify VerifyOAuthAccessToken "verifyOAuthAccessToken" () -> one(OAuthAccessTokenVerification) {
            String access_token "access_token";
            String secret "secret";
        }
    }
}
