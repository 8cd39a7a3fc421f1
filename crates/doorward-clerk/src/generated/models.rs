// Made from `data/backend-api.json` by `make generate`. Edit that, or the generator.

use serde_json::Value;

use super::{known_values, models};

models! {
    JWKS {
        many(JWKSKeys) keys "keys";
    }
    JWKSKeys {
        text kid "kid";
        text alg "alg";
        text use_ "use";
        text kty "kty";
        text crv "crv";
        text x "x";
        texts x5c "x5c";
        text x5t "x5t";
        text x5t_s256 "x5t#S256";
        text x5u "x5u";
        text y "y";
        text n "n";
        text e "e";
        text d "d";
        text p "p";
        text q "q";
        text dp "dp";
        text dq "dq";
        text qi "qi";
        text k "k";
    }
    Client {
        text object "object";
        text id "id";
        texts session_ids "session_ids";
        many(Session) sessions "sessions";
        text sign_in_id "sign_in_id";
        text sign_up_id "sign_up_id";
        text last_active_session_id "last_active_session_id";
        text last_authentication_strategy "last_authentication_strategy";
        time updated_at "updated_at";
        time created_at "created_at";
    }
    Session {
        text object "object";
        text id "id";
        text user_id "user_id";
        text client_id "client_id";
        any actor "actor";
        text status "status";
        text last_active_organization_id "last_active_organization_id";
        time last_active_at "last_active_at";
        one(SessionActivityResponse) latest_activity "latest_activity";
        time expire_at "expire_at";
        time abandon_at "abandon_at";
        time updated_at "updated_at";
        time created_at "created_at";
        many(SessionTask) tasks "tasks";
    }
    SessionActivityResponse {
        text object "object";
        text id "id";
        text device_type "device_type";
        flag is_mobile "is_mobile";
        text browser_name "browser_name";
        text browser_version "browser_version";
        text ip_address "ip_address";
        text city "city";
        text country "country";
    }
    SessionTask {
        text key "key";
    }
    EmailAddress {
        text id "id";
        text object "object";
        text email_address "email_address";
        flag reserved "reserved";
        one(EmailAddressVerification) verification "verification";
        many(IdentificationLink) linked_to "linked_to";
        flag matches_sso_connection "matches_sso_connection";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    EmailAddressVerification {
        text object "object";
        text status "status";
        text strategy "strategy";
        integer attempts "attempts";
        time expire_at "expire_at";
        text channel "channel";
        text verified_at_client "verified_at_client";
        one(ClerkError) error "error";
        text external_verification_redirect_url "external_verification_redirect_url";
    }
    ClerkError {
        text message "message";
        text long_message "long_message";
        text code "code";
        any meta "meta";
    }
    IdentificationLink {
        text type_ "type";
        text id "id";
    }
    DeletedObject {
        text object "object";
        text id "id";
        text slug "slug";
        flag deleted "deleted";
        text external_id "external_id";
    }
    Verification {
        text object "object";
        text id "id";
        text status "status";
        text strategy "strategy";
        integer attempts "attempts";
        time expire_at "expire_at";
        text channel "channel";
    }
    PhoneNumber {
        text id "id";
        text object "object";
        text phone_number "phone_number";
        flag reserved_for_second_factor "reserved_for_second_factor";
        flag default_second_factor "default_second_factor";
        flag reserved "reserved";
        one(PhoneNumberVerification) verification "verification";
        many(IdentificationLink) linked_to "linked_to";
        texts backup_codes "backup_codes";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    PhoneNumberVerification {
        text object "object";
        text status "status";
        text strategy "strategy";
        integer attempts "attempts";
        time expire_at "expire_at";
        text channel "channel";
        text verified_at_client "verified_at_client";
    }
    SessionRefresh {
        text object "object";
        text jwt "jwt";
        texts cookies "cookies";
    }
    SessionToken {
        text object "object";
        text jwt "jwt";
    }
    Template {
        text id "id";
        text object "object";
        text instance_id "instance_id";
        text resource_type "resource_type";
        text template_type "template_type";
        text name "name";
        text slug "slug";
        integer position "position";
        flag can_revert "can_revert";
        flag can_delete "can_delete";
        flag can_edit_body "can_edit_body";
        flag can_toggle "can_toggle";
        text subject "subject";
        text markup "markup";
        text body "body";
        texts available_variables "available_variables";
        texts required_variables "required_variables";
        text from_email_name "from_email_name";
        text reply_to_email_name "reply_to_email_name";
        flag delivered_by_clerk "delivered_by_clerk";
        flag enabled "enabled";
        flag flagged_as_suspicious "flagged_as_suspicious";
        time updated_at "updated_at";
        time created_at "created_at";
    }
    User {
        text id "id";
        text object "object";
        text external_id "external_id";
        text primary_email_address_id "primary_email_address_id";
        text primary_phone_number_id "primary_phone_number_id";
        text primary_web3_wallet_id "primary_web3_wallet_id";
        text username "username";
        text first_name "first_name";
        text last_name "last_name";
        text locale "locale";
        text profile_image_url "profile_image_url";
        text image_url "image_url";
        flag has_image "has_image";
        any public_metadata "public_metadata";
        any private_metadata "private_metadata";
        any unsafe_metadata "unsafe_metadata";
        many(EmailAddress) email_addresses "email_addresses";
        many(PhoneNumber) phone_numbers "phone_numbers";
        many(Web3Wallet) web3_wallets "web3_wallets";
        many(Passkey) passkeys "passkeys";
        flag password_enabled "password_enabled";
        flag two_factor_enabled "two_factor_enabled";
        flag totp_enabled "totp_enabled";
        flag backup_code_enabled "backup_code_enabled";
        time mfa_enabled_at "mfa_enabled_at";
        time mfa_disabled_at "mfa_disabled_at";
        time password_last_updated_at "password_last_updated_at";
        many(ExternalAccountWithVerification) external_accounts "external_accounts";
        many(SAMLAccount) saml_accounts "saml_accounts";
        many(EnterpriseAccount) enterprise_accounts "enterprise_accounts";
        many(OrganizationMembership) organization_memberships "organization_memberships";
        time last_sign_in_at "last_sign_in_at";
        flag banned "banned";
        flag locked "locked";
        flag deprovisioned "deprovisioned";
        integer lockout_expires_in_seconds "lockout_expires_in_seconds";
        integer verification_attempts_remaining "verification_attempts_remaining";
        time updated_at "updated_at";
        time created_at "created_at";
        flag delete_self_enabled "delete_self_enabled";
        flag create_organization_enabled "create_organization_enabled";
        integer create_organizations_limit "create_organizations_limit";
        time last_active_at "last_active_at";
        time legal_accepted_at "legal_accepted_at";
        flag bypass_client_trust "bypass_client_trust";
        one(SCIMUserMetadata) scim "scim";
    }
    Web3Wallet {
        text id "id";
        text object "object";
        text web3_wallet "web3_wallet";
        one(Web3WalletVerification) verification "verification";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Web3WalletVerification {
        text object "object";
        text status "status";
        text strategy "strategy";
        text nonce "nonce";
        text message "message";
        integer attempts "attempts";
        time expire_at "expire_at";
        text verified_at_client "verified_at_client";
    }
    Passkey {
        text id "id";
        text object "object";
        text name "name";
        time last_used_at "last_used_at";
        one(VerificationPasskey) verification "verification";
    }
    VerificationPasskey {
        text object "object";
        text status "status";
        text strategy "strategy";
        text nonce "nonce";
        text message "message";
        integer attempts "attempts";
        time expire_at "expire_at";
        text verified_at_client "verified_at_client";
    }
    ExternalAccountWithVerification {
        text object "object";
        text id "id";
        text provider "provider";
        text identification_id "identification_id";
        text provider_user_id "provider_user_id";
        text approved_scopes "approved_scopes";
        text email_address "email_address";
        flag email_address_verified "email_address_verified";
        text first_name "first_name";
        text last_name "last_name";
        text avatar_url "avatar_url";
        text image_url "image_url";
        text username "username";
        text phone_number "phone_number";
        any public_metadata "public_metadata";
        text label "label";
        time created_at "created_at";
        time updated_at "updated_at";
        one(ExternalAccountWithVerificationVerification) verification "verification";
    }
    ExternalAccountWithVerificationVerification {
        text object "object";
        text status "status";
        text strategy "strategy";
        text external_verification_redirect_url "external_verification_redirect_url";
        one(ClerkError) error "error";
        time expire_at "expire_at";
        integer attempts "attempts";
        text verified_at_client "verified_at_client";
    }
    SAMLAccount {
        text id "id";
        text object "object";
        text provider "provider";
        flag active "active";
        text email_address "email_address";
        text first_name "first_name";
        text last_name "last_name";
        text provider_user_id "provider_user_id";
        time last_authenticated_at "last_authenticated_at";
        any public_metadata "public_metadata";
        one(SAMLAccountVerification) verification "verification";
        one(SAMLAccountConnection) saml_connection "saml_connection";
    }
    SAMLAccountVerification {
        text object "object";
        text status "status";
        text strategy "strategy";
        text external_verification_redirect_url "external_verification_redirect_url";
        one(ClerkError) error "error";
        time expire_at "expire_at";
        integer attempts "attempts";
        text verified_at_client "verified_at_client";
    }
    SAMLAccountConnection {
        text id "id";
        text name "name";
        text domain "domain";
        texts domains "domains";
        flag active "active";
        text provider "provider";
        flag sync_user_attributes "sync_user_attributes";
        flag allow_subdomains "allow_subdomains";
        flag allow_idp_initiated "allow_idp_initiated";
        flag disable_additional_identifications "disable_additional_identifications";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    EnterpriseAccount {
        text id "id";
        text object "object";
        text protocol "protocol";
        text provider "provider";
        flag active "active";
        text email_address "email_address";
        text first_name "first_name";
        text last_name "last_name";
        text provider_user_id "provider_user_id";
        text enterprise_connection_id "enterprise_connection_id";
        any public_metadata "public_metadata";
        one(EnterpriseAccountVerification) verification "verification";
        one(EnterpriseAccountConnection) enterprise_connection "enterprise_connection";
        time last_authenticated_at "last_authenticated_at";
    }
    EnterpriseAccountVerification {
        text object "object";
        text status "status";
        text strategy "strategy";
        integer attempts "attempts";
        time expire_at "expire_at";
        text verified_at_client "verified_at_client";
        text external_verification_redirect_url "external_verification_redirect_url";
        one(ClerkError) error "error";
    }
    EnterpriseAccountConnection {
        text id "id";
        text protocol "protocol";
        text provider "provider";
        text name "name";
        text logo_public_url "logo_public_url";
        text domain "domain";
        texts domains "domains";
        flag active "active";
        flag sync_user_attributes "sync_user_attributes";
        flag allow_subdomains "allow_subdomains";
        flag allow_idp_initiated "allow_idp_initiated";
        flag disable_additional_identifications "disable_additional_identifications";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    OrganizationMembership {
        text id "id";
        text object "object";
        text role "role";
        text role_name "role_name";
        texts permissions "permissions";
        any public_metadata "public_metadata";
        any private_metadata "private_metadata";
        one(Organization) organization "organization";
        one(OrganizationMembershipPublicUserData) public_user_data "public_user_data";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Organization {
        text object "object";
        text id "id";
        text name "name";
        text slug "slug";
        text image_url "image_url";
        flag has_image "has_image";
        integer members_count "members_count";
        flag missing_member_with_elevated_permissions "missing_member_with_elevated_permissions";
        integer pending_invitations_count "pending_invitations_count";
        integer max_allowed_memberships "max_allowed_memberships";
        flag admin_delete_enabled "admin_delete_enabled";
        any public_metadata "public_metadata";
        any private_metadata "private_metadata";
        text created_by "created_by";
        time created_at "created_at";
        time updated_at "updated_at";
        time last_active_at "last_active_at";
        text role_set_key "role_set_key";
    }
    OrganizationMembershipPublicUserData {
        text user_id "user_id";
        text first_name "first_name";
        text last_name "last_name";
        text profile_image_url "profile_image_url";
        text image_url "image_url";
        flag has_image "has_image";
        text identifier "identifier";
        text username "username";
        flag banned "banned";
        flag deprovisioned "deprovisioned";
    }
    SCIMUserMetadata {
        text directory_id "directory_id";
        flag directory_enabled "directory_enabled";
        text external_id "external_id";
    }
    TotalCount {
        text object "object";
        integer total_count "total_count";
    }
    CommerceSubscription {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text status "status";
        text payer_id "payer_id";
        time created_at "created_at";
        time updated_at "updated_at";
        time active_at "active_at";
        time past_due_at "past_due_at";
        many(CommerceSubscriptionItem) subscription_items "subscription_items";
        one(CommerceSubscriptionNextPayment) next_payment "next_payment";
        flag eligible_for_free_trial "eligible_for_free_trial";
    }
    CommerceSubscriptionItem {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text status "status";
        one(CommerceSubscriptionCreditResponse) credit "credit";
        one(CommerceCreditsResponse) credits "credits";
        text plan_id "plan_id";
        text price_id "price_id";
        one(CommercePlan) plan "plan";
        text plan_period "plan_period";
        one(CommercePaymentMethodResponse) payment_method "payment_method";
        one(CommerceMoneyResponse) lifetime_paid "lifetime_paid";
        one(CommerceSubscriptionItemNextPaymentResponse) next_payment "next_payment";
        text payer_id "payer_id";
        one(CommercePayerResponse) payer "payer";
        flag is_free_trial "is_free_trial";
        time period_start "period_start";
        time period_end "period_end";
        text proration_date "proration_date";
        time canceled_at "canceled_at";
        time past_due_at "past_due_at";
        time ended_at "ended_at";
        time created_at "created_at";
        time updated_at "updated_at";
        one(CommerceSubscriptionItemSeatsResponse) seats "seats";
        one(CommerceTotalsResponse2) totals "totals";
    }
    CommerceSubscriptionCreditResponse {
        one(CommerceMoneyResponse) amount "amount";
        number cycle_remaining_percent "cycle_remaining_percent";
    }
    CommerceMoneyResponse {
        integer amount "amount";
        text amount_formatted "amount_formatted";
        text currency "currency";
        text currency_symbol "currency_symbol";
    }
    CommerceCreditsResponse {
        one(CommerceProrationCreditDetailResponse) proration "proration";
        one(CommercePayerCreditResponse) payer "payer";
        one(CommerceMoneyResponse) total "total";
    }
    CommerceProrationCreditDetailResponse {
        one(CommerceMoneyResponse) amount "amount";
        integer cycle_days_remaining "cycle_days_remaining";
        integer cycle_days_total "cycle_days_total";
        number cycle_remaining_percent "cycle_remaining_percent";
    }
    CommercePayerCreditResponse {
        one(CommerceMoneyResponse) remaining_balance "remaining_balance";
        one(CommerceMoneyResponse) applied_amount "applied_amount";
    }
    CommercePlan {
        text object "object";
        text id "id";
        text name "name";
        one(CommerceMoneyResponse) fee "fee";
        one(CommerceMoneyResponse) annual_monthly_fee "annual_monthly_fee";
        one(CommerceMoneyResponse) annual_fee "annual_fee";
        text description "description";
        text product_id "product_id";
        flag is_default "is_default";
        flag is_recurring "is_recurring";
        flag publicly_visible "publicly_visible";
        flag has_base_fee "has_base_fee";
        text for_payer_type "for_payer_type";
        text slug "slug";
        text avatar_url "avatar_url";
        many(FeatureResponse) features "features";
        flag free_trial_enabled "free_trial_enabled";
        integer free_trial_days "free_trial_days";
        many(CommercePlanUnitPrice) unit_prices "unit_prices";
    }
    FeatureResponse {
        text object "object";
        text id "id";
        text name "name";
        text description "description";
        text slug "slug";
        text avatar_url "avatar_url";
    }
    CommercePlanUnitPrice {
        text name "name";
        integer block_size "block_size";
        many(CommercePlanUnitPriceTier) tiers "tiers";
    }
    CommercePlanUnitPriceTier {
        integer starts_at_block "starts_at_block";
        integer ends_after_block "ends_after_block";
        one(CommerceMoneyResponse) fee_per_block "fee_per_block";
    }
    CommercePaymentMethodResponse {
        text object "object";
        text id "id";
        text payer_id "payer_id";
        text payment_type "payment_type";
        flag is_default "is_default";
        text gateway "gateway";
        text gateway_external_id "gateway_external_id";
        text gateway_external_account_id "gateway_external_account_id";
        text last4 "last4";
        text status "status";
        text wallet_type "wallet_type";
        text card_type "card_type";
        integer expiry_year "expiry_year";
        integer expiry_month "expiry_month";
        time created_at "created_at";
        time updated_at "updated_at";
        flag is_removable "is_removable";
    }
    CommerceSubscriptionItemNextPaymentResponse {
        one(CommerceMoneyResponse) amount "amount";
        time date "date";
        many(CommercePerUnitTotal) per_unit_totals "per_unit_totals";
        one(CommerceTotalsResponse) totals "totals";
    }
    CommercePerUnitTotal {
        text name "name";
        integer block_size "block_size";
        many(CommercePerUnitTotalTier) tiers "tiers";
    }
    CommercePerUnitTotalTier {
        integer quantity "quantity";
        one(CommerceMoneyResponse) fee_per_block "fee_per_block";
        one(CommerceMoneyResponse) total "total";
    }
    CommerceTotalsResponse {
        one(CommerceMoneyResponse) subtotal "subtotal";
        one(CommerceMoneyResponse) base_fee "base_fee";
        one(CommerceMoneyResponse) tax_total "tax_total";
        one(CommerceMoneyResponse) grand_total "grand_total";
        many(CommercePerUnitTotal) per_unit_totals "per_unit_totals";
        one(CommerceCreditsResponse) credits "credits";
        one(CommerceDiscountsResponse) discounts "discounts";
    }
    CommerceDiscountsResponse {
        one(CommerceProrationDiscountResponse) proration "proration";
        one(CommerceMoneyResponse) total "total";
    }
    CommerceProrationDiscountResponse {
        one(CommerceMoneyResponse) amount "amount";
        integer cycle_days_passed "cycle_days_passed";
        integer cycle_days_total "cycle_days_total";
        number cycle_passed_percent "cycle_passed_percent";
    }
    CommercePayerResponse {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text user_id "user_id";
        text first_name "first_name";
        text last_name "last_name";
        text email "email";
        text organization_id "organization_id";
        text organization_name "organization_name";
        text image_url "image_url";
        one(CommerceMoneyResponse) credits_balance "credits_balance";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    CommerceSubscriptionItemSeatsResponse {
        integer quantity "quantity";
        many(CommercePerUnitTotalTier2) tiers "tiers";
    }
    CommercePerUnitTotalTier2 {
        integer quantity "quantity";
        one(CommerceMoneyResponse) fee_per_block "fee_per_block";
        one(CommerceMoneyResponse) total "total";
    }
    CommerceTotalsResponse2 {
        one(CommerceMoneyResponse) subtotal "subtotal";
        one(CommerceMoneyResponse) base_fee "base_fee";
        one(CommerceMoneyResponse) tax_total "tax_total";
        one(CommerceMoneyResponse) grand_total "grand_total";
        many(CommercePerUnitTotal2) per_unit_totals "per_unit_totals";
        one(CommerceCreditsResponse) credits "credits";
        one(BillingDiscountsResponse) discounts "discounts";
    }
    CommercePerUnitTotal2 {
        text name "name";
        integer block_size "block_size";
        many(CommercePerUnitTotalTier2) tiers "tiers";
    }
    BillingDiscountsResponse {
        one(BillingProrationDiscountDetail) proration "proration";
        one(CommerceMoneyResponse) total "total";
    }
    BillingProrationDiscountDetail {
        one(CommerceMoneyResponse) amount "amount";
        integer cycle_days_passed "cycle_days_passed";
        integer cycle_days_total "cycle_days_total";
        number cycle_passed_percent "cycle_passed_percent";
    }
    CommerceSubscriptionNextPayment {
        time date "date";
        one(CommerceMoneyResponse) amount "amount";
        many(CommercePerUnitTotal2) per_unit_totals "per_unit_totals";
        one(CommerceTotalsResponse2) totals "totals";
    }
    CommerceCreditBalanceResponse {
        text object "object";
        one(CommerceMoneyResponse) balance "balance";
    }
    CommerceCreditLedgerResponse {
        text object "object";
        text id "id";
        text payer_id "payer_id";
        one(CommerceMoneyResponse) amount "amount";
        text source_type "source_type";
        text source_id "source_id";
        text note "note";
        text created_at "created_at";
    }
    OAuthAccessToken {
        text object "object";
        text external_account_id "external_account_id";
        text provider_user_id "provider_user_id";
        text token "token";
        time expires_at "expires_at";
        text provider "provider";
        any public_metadata "public_metadata";
        text label "label";
        texts scopes "scopes";
        text id_token "id_token";
        text token_secret "token_secret";
    }
    OrganizationInvitationWithPublicOrganizationData {
        text object "object";
        text id "id";
        text email_address "email_address";
        text role "role";
        text role_name "role_name";
        text organization_id "organization_id";
        text inviter_id "inviter_id";
        one(OrganizationInvitationPublicUserData) public_inviter_data "public_inviter_data";
        text status "status";
        any public_metadata "public_metadata";
        any private_metadata "private_metadata";
        text url "url";
        time expires_at "expires_at";
        time created_at "created_at";
        time updated_at "updated_at";
        one(OrganizationInvitationPublicOrganizationData) public_organization_data "public_organization_data";
    }
    OrganizationInvitationPublicUserData {
        text user_id "user_id";
        text first_name "first_name";
        text last_name "last_name";
        text image_url "image_url";
        flag has_image "has_image";
        text identifier "identifier";
    }
    OrganizationInvitationPublicOrganizationData {
        text id "id";
        text name "name";
        text slug "slug";
        text image_url "image_url";
        flag has_image "has_image";
    }
    VerifyPasswordResponse {
        flag verified "verified";
    }
    VerifyTOTPResponse {
        flag verified "verified";
        text code_type "code_type";
    }
    UserReference {
        text user_id "user_id";
    }
    TrustedDevice {
        text object "object";
        text id "id";
        text platform "platform";
        text app_identifier "app_identifier";
        text name "name";
        text algorithm "algorithm";
        text status "status";
        time created_at "created_at";
        time updated_at "updated_at";
        time last_used_at "last_used_at";
        time revoked_at "revoked_at";
    }
    Invitation {
        text object "object";
        text id "id";
        text email_address "email_address";
        any public_metadata "public_metadata";
        flag revoked "revoked";
        text status "status";
        text url "url";
        time expires_at "expires_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    RevokedInvitation {
        text object "object";
        text id "id";
        text email_address "email_address";
        any public_metadata "public_metadata";
        flag revoked "revoked";
        text status "status";
        text url "url";
        time expires_at "expires_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    AllowlistIdentifier {
        text object "object";
        text id "id";
        text invitation_id "invitation_id";
        text identifier "identifier";
        text identifier_type "identifier_type";
        text instance_id "instance_id";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    BlocklistIdentifier {
        text object "object";
        text id "id";
        text identifier "identifier";
        text identifier_type "identifier_type";
        text instance_id "instance_id";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    InstanceAuthConfig {
        text object "object";
        text id "id";
        flag restricted_to_allowlist "restricted_to_allowlist";
        text from_email_address "from_email_address";
        flag progressive_sign_up "progressive_sign_up";
        flag enhanced_email_deliverability "enhanced_email_deliverability";
    }
    ActorToken {
        text object "object";
        text id "id";
        text status "status";
        text user_id "user_id";
        any actor "actor";
        text token "token";
        text url "url";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Domain {
        text object "object";
        text id "id";
        text name "name";
        flag is_satellite "is_satellite";
        text frontend_api_url "frontend_api_url";
        text accounts_portal_url "accounts_portal_url";
        text proxy_url "proxy_url";
        text development_origin "development_origin";
        many(CNameTarget) cname_targets "cname_targets";
    }
    CNameTarget {
        text host "host";
        text value "value";
        flag required "required";
    }
    Instance {
        text object "object";
        text id "id";
        text environment_type "environment_type";
        texts allowed_origins "allowed_origins";
        text workspace_id "workspace_id";
    }
    InstanceRestrictions {
        text object "object";
        flag allowlist "allowlist";
        flag blocklist "blocklist";
        flag allowlist_blocklist_disabled_on_sign_in "allowlist_blocklist_disabled_on_sign_in";
        flag block_email_subaddresses "block_email_subaddresses";
        flag block_disposable_email_domains "block_disposable_email_domains";
    }
    InstanceProtect {
        text object "object";
        flag rules_enabled "rules_enabled";
        flag specter_enabled "specter_enabled";
        flag checks_bypassed "checks_bypassed";
    }
    InstanceCommunication {
        text object "object";
        texts blocked_country_codes "blocked_country_codes";
    }
    OAuthApplicationSettings {
        text object "object";
        flag dynamic_oauth_client_registration "dynamic_oauth_client_registration";
        texts default_scopes "default_scopes";
        flag oauth_jwt_access_tokens "oauth_jwt_access_tokens";
        flag client_id_metadata_documents_advertised "client_id_metadata_documents_advertised";
        flag client_id_metadata_documents_only_allow_pre_registered_clients "client_id_metadata_documents_only_allow_pre_registered_clients";
        flag client_id_metadata_documents_block_implicitly_allowed_clients "client_id_metadata_documents_block_implicitly_allowed_clients";
    }
    OrganizationSettings {
        text object "object";
        flag enabled "enabled";
        integer max_allowed_memberships "max_allowed_memberships";
        integer max_allowed_roles "max_allowed_roles";
        integer max_role_sets_allowed "max_role_sets_allowed";
        integer max_allowed_domains "max_allowed_domains";
        integer max_allowed_permissions "max_allowed_permissions";
        text creator_role "creator_role";
        flag admin_delete_enabled "admin_delete_enabled";
        flag domains_enabled "domains_enabled";
        flag slug_disabled "slug_disabled";
        texts domains_enrollment_modes "domains_enrollment_modes";
        text domains_default_role "domains_default_role";
        text initial_role_set_key "initial_role_set_key";
    }
    SvixURL {
        text svix_url "svix_url";
    }
    JWTTemplate {
        text object "object";
        text id "id";
        text name "name";
        any claims "claims";
        integer lifetime "lifetime";
        integer allowed_clock_skew "allowed_clock_skew";
        flag custom_signing_key "custom_signing_key";
        text signing_algorithm "signing_algorithm";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Machine {
        text object "object";
        text id "id";
        text name "name";
        text instance_id "instance_id";
        time created_at "created_at";
        time updated_at "updated_at";
        integer default_token_ttl "default_token_ttl";
        many(MachineWithoutScopedMachines) scoped_machines "scoped_machines";
    }
    MachineWithoutScopedMachines {
        text object "object";
        text id "id";
        text name "name";
        text instance_id "instance_id";
        time created_at "created_at";
        time updated_at "updated_at";
        integer default_token_ttl "default_token_ttl";
    }
    MachineWithSecret {
        text object "object";
        text id "id";
        text name "name";
        text instance_id "instance_id";
        time created_at "created_at";
        time updated_at "updated_at";
        integer default_token_ttl "default_token_ttl";
        many(MachineWithoutScopedMachines) scoped_machines "scoped_machines";
        text secret_key "secret_key";
    }
    MachineSecretKey {
        text object "object";
        text secret "secret";
    }
    MachineScope {
        text object "object";
        text from_machine_id "from_machine_id";
        text to_machine_id "to_machine_id";
        time created_at "created_at";
    }
    DeletedMachineScope {
        text object "object";
        text from_machine_id "from_machine_id";
        text to_machine_id "to_machine_id";
        flag deleted "deleted";
    }
    OrganizationWithLogo {
        text object "object";
        text id "id";
        text name "name";
        text slug "slug";
        text image_url "image_url";
        flag has_image "has_image";
        integer members_count "members_count";
        flag missing_member_with_elevated_permissions "missing_member_with_elevated_permissions";
        integer pending_invitations_count "pending_invitations_count";
        integer max_allowed_memberships "max_allowed_memberships";
        flag admin_delete_enabled "admin_delete_enabled";
        any public_metadata "public_metadata";
        any private_metadata "private_metadata";
        text created_by "created_by";
        time created_at "created_at";
        time updated_at "updated_at";
        time last_active_at "last_active_at";
        text role_set_key "role_set_key";
        text logo_url "logo_url";
    }
    OrganizationInvitation {
        text object "object";
        text id "id";
        text email_address "email_address";
        text role "role";
        text role_name "role_name";
        text organization_id "organization_id";
        text inviter_id "inviter_id";
        one(OrganizationInvitationPublicUserData) public_inviter_data "public_inviter_data";
        text status "status";
        any public_metadata "public_metadata";
        any private_metadata "private_metadata";
        text url "url";
        time expires_at "expires_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Role {
        text object "object";
        text id "id";
        text name "name";
        text key "key";
        text description "description";
        flag is_creator_eligible "is_creator_eligible";
        many(Permission) permissions "permissions";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Permission {
        text object "object";
        text id "id";
        text name "name";
        text key "key";
        text description "description";
        text type_ "type";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    OrganizationDomain {
        text object "object";
        text id "id";
        text organization_id "organization_id";
        text name "name";
        text enrollment_mode "enrollment_mode";
        text affiliation_email_address "affiliation_email_address";
        one(OrganizationDomainVerification) affiliation_verification "affiliation_verification";
        one(OrganizationDomainVerification) ownership_verification "ownership_verification";
        one(OrganizationDomainVerification) verification "verification";
        integer total_pending_invitations "total_pending_invitations";
        integer total_pending_suggestions "total_pending_suggestions";
        one(OrganizationInvitationPublicOrganizationData) public_organization_data "public_organization_data";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    OrganizationDomainVerification {
        text status "status";
        text strategy "strategy";
        integer attempts "attempts";
        time expire_at "expire_at";
        time verified_at "verified_at";
    }
    ProxyCheck {
        text object "object";
        text id "id";
        text domain_id "domain_id";
        time last_run_at "last_run_at";
        text proxy_url "proxy_url";
        flag successful "successful";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    RedirectURL {
        text object "object";
        text id "id";
        text url "url";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    SignInToken {
        text object "object";
        text id "id";
        text status "status";
        text user_id "user_id";
        text token "token";
        text url "url";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    SignUp {
        text object "object";
        text id "id";
        text status "status";
        texts required_fields "required_fields";
        texts optional_fields "optional_fields";
        texts missing_fields "missing_fields";
        texts unverified_fields "unverified_fields";
        one(SignUpVerifications) verifications "verifications";
        text username "username";
        text email_address "email_address";
        text phone_number "phone_number";
        text web3_wallet "web3_wallet";
        flag password_enabled "password_enabled";
        text first_name "first_name";
        text last_name "last_name";
        any unsafe_metadata "unsafe_metadata";
        any public_metadata "public_metadata";
        flag custom_action "custom_action";
        text external_id "external_id";
        text created_session_id "created_session_id";
        text created_user_id "created_user_id";
        time abandon_at "abandon_at";
        time legal_accepted_at "legal_accepted_at";
        text locale "locale";
        any external_account "external_account";
    }
    SignUpVerifications {
        one(SignUpVerification) email_address "email_address";
        one(SignUpVerification) phone_number "phone_number";
        one(SignUpVerification) web3_wallet "web3_wallet";
        any external_account "external_account";
    }
    SignUpVerification {
        text next_action "next_action";
        texts supported_strategies "supported_strategies";
    }
    OAuthApplication {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text name "name";
        text client_id "client_id";
        text client_uri "client_uri";
        text client_image_url "client_image_url";
        flag dynamically_registered "dynamically_registered";
        flag consent_screen_enabled "consent_screen_enabled";
        flag pkce_required "pkce_required";
        flag public "public";
        text scopes "scopes";
        texts redirect_uris "redirect_uris";
        text callback_url "callback_url";
        text authorize_url "authorize_url";
        text token_fetch_url "token_fetch_url";
        text user_info_url "user_info_url";
        text discovery_url "discovery_url";
        text token_introspection_url "token_introspection_url";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    OAuthApplicationWithSecret {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text name "name";
        text client_id "client_id";
        text client_uri "client_uri";
        text client_image_url "client_image_url";
        flag dynamically_registered "dynamically_registered";
        flag consent_screen_enabled "consent_screen_enabled";
        flag pkce_required "pkce_required";
        flag public "public";
        text scopes "scopes";
        texts redirect_uris "redirect_uris";
        text callback_url "callback_url";
        text authorize_url "authorize_url";
        text token_fetch_url "token_fetch_url";
        text user_info_url "user_info_url";
        text discovery_url "discovery_url";
        text token_introspection_url "token_introspection_url";
        time created_at "created_at";
        time updated_at "updated_at";
        text client_secret "client_secret";
    }
    SAMLConnection {
        text object "object";
        text id "id";
        text name "name";
        text domain "domain";
        texts domains "domains";
        text idp_entity_id "idp_entity_id";
        text idp_sso_url "idp_sso_url";
        text idp_certificate "idp_certificate";
        time idp_certificate_issued_at "idp_certificate_issued_at";
        time idp_certificate_expires_at "idp_certificate_expires_at";
        text idp_metadata_url "idp_metadata_url";
        text idp_metadata "idp_metadata";
        text acs_url "acs_url";
        text sp_entity_id "sp_entity_id";
        text sp_metadata_url "sp_metadata_url";
        text organization_id "organization_id";
        one(SAMLConnectionAttributeMapping) attribute_mapping "attribute_mapping";
        flag active "active";
        text provider "provider";
        integer user_count "user_count";
        flag sync_user_attributes "sync_user_attributes";
        flag allow_subdomains "allow_subdomains";
        flag allow_idp_initiated "allow_idp_initiated";
        flag disable_additional_identifications "disable_additional_identifications";
        flag allow_organization_account_linking "allow_organization_account_linking";
        flag force_authn "force_authn";
        one(SAMLConnectionLoginHint) login_hint "login_hint";
        text enterprise_connection_id "enterprise_connection_id";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    SAMLConnectionAttributeMapping {
        text user_id "user_id";
        text email_address "email_address";
        text first_name "first_name";
        text last_name "last_name";
    }
    SAMLConnectionLoginHint {
        text mode "mode";
        text source "source";
    }
    EnterpriseConnection {
        text object "object";
        text id "id";
        text name "name";
        text provider "provider";
        text logo_public_url "logo_public_url";
        flag active "active";
        texts domains "domains";
        text organization_id "organization_id";
        flag sync_user_attributes "sync_user_attributes";
        flag disable_additional_identifications "disable_additional_identifications";
        flag allow_organization_account_linking "allow_organization_account_linking";
        many(EnterpriseConnectionCustomAttributes) custom_attributes "custom_attributes";
        one(EnterpriseConnectionSamlConnection) saml_connection "saml_connection";
        one(EnterpriseConnectionOauthConfig) oauth_config "oauth_config";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    EnterpriseConnectionCustomAttributes {
        text name "name";
        text key "key";
        text sso_path "sso_path";
        text scim_path "scim_path";
        text directory_path "directory_path";
        flag multi_valued "multi_valued";
    }
    EnterpriseConnectionSamlConnection {
        text id "id";
        text name "name";
        text idp_entity_id "idp_entity_id";
        text idp_sso_url "idp_sso_url";
        text idp_metadata_url "idp_metadata_url";
        text acs_url "acs_url";
        text sp_entity_id "sp_entity_id";
        text sp_metadata_url "sp_metadata_url";
        flag active "active";
        flag allow_idp_initiated "allow_idp_initiated";
        flag allow_subdomains "allow_subdomains";
        flag force_authn "force_authn";
        one(EnterpriseConnectionSamlConnectionLoginHint) login_hint "login_hint";
    }
    EnterpriseConnectionSamlConnectionLoginHint {
        text mode "mode";
        text source "source";
    }
    EnterpriseConnectionOauthConfig {
        text id "id";
        text name "name";
        text provider_key "provider_key";
        text client_id "client_id";
        text discovery_url "discovery_url";
        text auth_url "auth_url";
        text token_url "token_url";
        text user_info_url "user_info_url";
        flag requires_pkce "requires_pkce";
        text logo_public_url "logo_public_url";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    EnterpriseConnectionTestRun {
        text id "id";
        text status "status";
        text connection_type "connection_type";
        one(EnterpriseConnectionTestRunParsedUserInfo) parsed_user_info "parsed_user_info";
        many(EnterpriseConnectionTestRunLogs) logs "logs";
        one(EnterpriseConnectionTestRunSaml) saml "saml";
        one(EnterpriseConnectionTestRunOauth) oauth "oauth";
        time created_at "created_at";
    }
    EnterpriseConnectionTestRunParsedUserInfo {
        text email_address "email_address";
        text first_name "first_name";
        text last_name "last_name";
        text user_id "user_id";
    }
    EnterpriseConnectionTestRunLogs {
        text level "level";
        text code "code";
        text short_message "short_message";
        text message "message";
    }
    EnterpriseConnectionTestRunSaml {
        text saml_request "saml_request";
        text saml_response "saml_response";
        text relay_state "relay_state";
    }
    EnterpriseConnectionTestRunOauth {
        text id_token "id_token";
        text access_token "access_token";
        text user_info "user_info";
    }
    EnterpriseConnectionTestRunResponse {
        text url "url";
    }
    TestingToken {
        text object "object";
        text token "token";
        time expires_at "expires_at";
    }
    AgentTask {
        text object "object";
        text agent_id "agent_id";
        text agent_task_id "agent_task_id";
        text task_id "task_id";
        text url "url";
    }
    WaitlistEntry {
        text object "object";
        text id "id";
        text email_address "email_address";
        text status "status";
        flag is_locked "is_locked";
        time created_at "created_at";
        time updated_at "updated_at";
        one(Invitation) invitation "invitation";
    }
    BillingPriceResponse {
        text object "object";
        text id "id";
        text plan_id "plan_id";
        text instance_id "instance_id";
        text currency "currency";
        text currency_symbol "currency_symbol";
        integer amount "amount";
        integer annual_monthly_amount "annual_monthly_amount";
        one(CommerceMoneyResponse) fee "fee";
        one(CommerceMoneyResponse) annual_monthly_fee "annual_monthly_fee";
        text description "description";
        flag is_default "is_default";
        time created_at "created_at";
        text supported_billing_periods "supported_billing_periods";
    }
    CommerceSubscriptionItem2 {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text status "status";
        one(CommerceSubscriptionCreditResponse) credit "credit";
        text plan_id "plan_id";
        text price_id "price_id";
        one(CommercePlan2) plan "plan";
        text plan_period "plan_period";
        text payment_source_id "payment_source_id";
        one(CommercePaymentSourceResponse) payment_source "payment_source";
        one(CommerceMoneyResponse) lifetime_paid "lifetime_paid";
        one(CommerceMoneyResponse) amount "amount";
        one(CommerceSubscriptionItemNextPaymentResponse) next_invoice "next_invoice";
        one(CommerceSubscriptionItemNextPaymentResponse) next_payment "next_payment";
        text payer_id "payer_id";
        one(CommercePayerResponse2) payer "payer";
        flag is_free_trial "is_free_trial";
        time period_start "period_start";
        time period_end "period_end";
        text proration_date "proration_date";
        time canceled_at "canceled_at";
        time past_due_at "past_due_at";
        time ended_at "ended_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    CommercePlan2 {
        text object "object";
        text id "id";
        text name "name";
        one(CommerceMoneyResponse) fee "fee";
        one(CommerceMoneyResponse) annual_monthly_fee "annual_monthly_fee";
        one(CommerceMoneyResponse) annual_fee "annual_fee";
        integer amount "amount";
        text amount_formatted "amount_formatted";
        integer annual_monthly_amount "annual_monthly_amount";
        text annual_monthly_amount_formatted "annual_monthly_amount_formatted";
        integer annual_amount "annual_amount";
        text annual_amount_formatted "annual_amount_formatted";
        text currency_symbol "currency_symbol";
        text currency "currency";
        text description "description";
        text product_id "product_id";
        flag is_default "is_default";
        flag is_recurring "is_recurring";
        flag publicly_visible "publicly_visible";
        flag has_base_fee "has_base_fee";
        texts payer_type "payer_type";
        text for_payer_type "for_payer_type";
        text slug "slug";
        text avatar_url "avatar_url";
        text period "period";
        integer interval "interval";
        many(FeatureResponse2) features "features";
        flag free_trial_enabled "free_trial_enabled";
        integer free_trial_days "free_trial_days";
    }
    FeatureResponse2 {
        text object "object";
        text id "id";
        text name "name";
        text description "description";
        text slug "slug";
        text avatar_url "avatar_url";
    }
    CommercePaymentSourceResponse {
        text object "object";
        text id "id";
        text payer_id "payer_id";
        text payment_method "payment_method";
        flag is_default "is_default";
        text gateway "gateway";
        text gateway_external_id "gateway_external_id";
        text gateway_external_account_id "gateway_external_account_id";
        text last4 "last4";
        text status "status";
        text wallet_type "wallet_type";
        text card_type "card_type";
        integer expiry_year "expiry_year";
        integer expiry_month "expiry_month";
        time created_at "created_at";
        time updated_at "updated_at";
        flag is_removable "is_removable";
    }
    CommercePayerResponse2 {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        text user_id "user_id";
        text first_name "first_name";
        text last_name "last_name";
        text email "email";
        text organization_id "organization_id";
        text organization_name "organization_name";
        text image_url "image_url";
        one(CommerceMoneyResponse) credits_balance "credits_balance";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    CommercePriceTransitionResponse {
        text object "object";
        one(CommerceSubscriptionItem2) subscription_item "subscription_item";
        one(CommercePriceTransitionDetails) transition "transition";
    }
    CommercePriceTransitionDetails {
        one(CommercePlan2) previous_plan "previous_plan";
        one(BillingPriceResponse) previous_price "previous_price";
        time effective_at "effective_at";
        text effective_mode "effective_mode";
        time next_billing_date "next_billing_date";
        flag charged_immediately "charged_immediately";
        one(CommerceMoneyResponse) immediate_charge "immediate_charge";
        text previous_subscription_item_status "previous_subscription_item_status";
        text previous_subscription_item_id "previous_subscription_item_id";
    }
    CommerceDiscountRedemptionResponse {
        text object "object";
        text id "id";
        text subscription_item_id "subscription_item_id";
        text discount_id "discount_id";
        text name "name";
        text source "source";
        text promo_code "promo_code";
        text effect "effect";
        number percent_off "percent_off";
        one(CommerceMoneyResponse) amount_off "amount_off";
        one(CommerceMoneyResponse) amount "amount";
        integer cycles_remaining "cycles_remaining";
        integer cycles_applied "cycles_applied";
        text status "status";
        time redeemed_at "redeemed_at";
        text redeemed_by "redeemed_by";
    }
    BillingStatement {
        text object "object";
        text id "id";
        text instance_id "instance_id";
        time timestamp "timestamp";
        one(CommercePayerResponse) payer "payer";
        text status "status";
        one(BillingStatementTotals) totals "totals";
        many(BillingStatementGroups) groups "groups";
    }
    BillingStatementTotals {
        one(CommerceMoneyResponse) grand_total "grand_total";
        one(CommerceMoneyResponse) subtotal "subtotal";
        one(CommerceMoneyResponse) base_fee "base_fee";
        one(CommerceMoneyResponse) tax_total "tax_total";
    }
    BillingStatementGroups {
        text object "object";
        time timestamp "timestamp";
        many(BillingPaymentAttempt) items "items";
    }
    BillingPaymentAttempt {
        text object "object";
        text id "id";
        text payment_id "payment_id";
        text instance_id "instance_id";
        text charge_type "charge_type";
        text payee_id "payee_id";
        any payee "payee";
        text payer_id "payer_id";
        one(CommercePayerResponse) payer "payer";
        text subscription_item_id "subscription_item_id";
        any subscription_item "subscription_item";
        one(CommerceMoneyResponse) amount "amount";
        one(CommerceTotalsResponse2) totals "totals";
        text payment_method_id "payment_method_id";
        one(CommercePaymentMethodResponse) payment_method "payment_method";
        text statement_id "statement_id";
        text gateway_external_id "gateway_external_id";
        text gateway_external_url "gateway_external_url";
        text status "status";
        time paid_at "paid_at";
        time failed_at "failed_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    RoleSet {
        text object "object";
        text id "id";
        text name "name";
        text key "key";
        text description "description";
        many(RoleSetItem) roles "roles";
        one(RoleSetItem) default_role "default_role";
        one(RoleSetItem) creator_role "creator_role";
        text type_ "type";
        one(RoleSetMigration) role_set_migration "role_set_migration";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    RoleSetItem {
        text object "object";
        text id "id";
        text name "name";
        text key "key";
        text description "description";
        integer members_count "members_count";
        flag has_members "has_members";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    RoleSetMigration {
        text object "object";
        text id "id";
        text organization_id "organization_id";
        text instance_id "instance_id";
        text source_role_set_id "source_role_set_id";
        text dest_role_set_id "dest_role_set_id";
        text trigger_type "trigger_type";
        text status "status";
        integer migrated_members "migrated_members";
        any mappings "mappings";
        time started_at "started_at";
        time completed_at "completed_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    SCIMDirectory {
        text object "object";
        text id "id";
        text name "name";
        text enterprise_connection_id "enterprise_connection_id";
        text endpoint_url "endpoint_url";
        text provider "provider";
        flag enabled "enabled";
        flag group_role_mapping_enabled "group_role_mapping_enabled";
        any attribute_mapping "attribute_mapping";
        many(SCIMDirectoryCustomAttributes) custom_attributes "custom_attributes";
        text api_key "api_key";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    SCIMDirectoryCustomAttributes {
        text name "name";
        text key "key";
        text sso_path "sso_path";
        text scim_path "scim_path";
        text directory_path "directory_path";
        flag multi_valued "multi_valued";
    }
    SCIMGroupRoleMapping {
        text object "object";
        text id "id";
        text scim_directory_id "scim_directory_id";
        text directory_id "directory_id";
        text scim_group_id "scim_group_id";
        text directory_group_id "directory_group_id";
        text scim_group_display_name "scim_group_display_name";
        text directory_group_display_name "directory_group_display_name";
        one(Role) role "role";
        integer precedence "precedence";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    Directory {
        text object "object";
        text id "id";
        text name "name";
        text enterprise_connection_id "enterprise_connection_id";
        text endpoint_url "endpoint_url";
        text provider "provider";
        flag enabled "enabled";
        flag group_role_mapping_enabled "group_role_mapping_enabled";
        any attribute_mapping "attribute_mapping";
        many(DirectoryCustomAttributes) custom_attributes "custom_attributes";
        text api_key "api_key";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    DirectoryCustomAttributes {
        text name "name";
        text key "key";
        text sso_path "sso_path";
        text scim_path "scim_path";
        text directory_path "directory_path";
        flag multi_valued "multi_valued";
    }
    DirectoryGroupRoleMapping {
        text object "object";
        text id "id";
        text directory_id "directory_id";
        text scim_directory_id "scim_directory_id";
        text directory_group_id "directory_group_id";
        text scim_group_id "scim_group_id";
        text directory_group_display_name "directory_group_display_name";
        text scim_group_display_name "scim_group_display_name";
        one(Role) role "role";
        integer precedence "precedence";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    AdminPortalLinkToken {
        text object "object";
        text id "id";
        text admin_portal_link_id "admin_portal_link_id";
        text instance_id "instance_id";
        text organization_id "organization_id";
        text it_contact_id "it_contact_id";
        texts scopes "scopes";
        text token "token";
        flag revoked "revoked";
        text revocation_reason "revocation_reason";
        flag expired "expired";
        time expiration "expiration";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    ApiKeyWithSecret {
        text object "object";
        text id "id";
        text type_ "type";
        text subject "subject";
        text name "name";
        text description "description";
        any claims "claims";
        texts scopes "scopes";
        text secret "secret";
        flag revoked "revoked";
        text revocation_reason "revocation_reason";
        flag expired "expired";
        time expiration "expiration";
        text created_by "created_by";
        time last_used_at "last_used_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    ApiKey {
        text object "object";
        text id "id";
        text type_ "type";
        text subject "subject";
        text name "name";
        text description "description";
        any claims "claims";
        texts scopes "scopes";
        flag revoked "revoked";
        text revocation_reason "revocation_reason";
        flag expired "expired";
        time expiration "expiration";
        text created_by "created_by";
        time last_used_at "last_used_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    ApiKeySecret {
        text secret "secret";
    }
    M2MToken {
        text object "object";
        text id "id";
        text subject "subject";
        any claims "claims";
        texts scopes "scopes";
        text token "token";
        flag revoked "revoked";
        text revocation_reason "revocation_reason";
        flag expired "expired";
        time expiration "expiration";
        time last_used_at "last_used_at";
        time created_at "created_at";
        time updated_at "updated_at";
    }
    OAuthAccessTokenVerification {
        text object "object";
        text id "id";
        text client_id "client_id";
        text subject "subject";
        texts scopes "scopes";
        flag revoked "revoked";
        text revocation_reason "revocation_reason";
        flag expired "expired";
        number expiration "expiration";
        number created_at "created_at";
        number updated_at "updated_at";
        flag active "active";
    }
}

known_values! {
    JWKSKeysKty {
        OKP "OKP";
        EC "EC";
        RSA "RSA";
        OCT "oct";
    }
    SessionStatus {
        ACTIVE "active";
        REVOKED "revoked";
        ENDED "ended";
        EXPIRED "expired";
        REMOVED "removed";
        ABANDONED "abandoned";
        REPLACED "replaced";
        PENDING "pending";
    }
    EmailAddressVerificationObject {
        VERIFICATION_OTP "verification_otp";
        VERIFICATION_ADMIN "verification_admin";
        VERIFICATION_FROM_OAUTH "verification_from_oauth";
        VERIFICATION_TICKET "verification_ticket";
        VERIFICATION_SAML "verification_saml";
        VERIFICATION_EMAIL_LINK "verification_email_link";
        VERIFICATION_SCIM "verification_scim";
    }
    EmailAddressVerificationStatus {
        UNVERIFIED "unverified";
        VERIFIED "verified";
        FAILED "failed";
        EXPIRED "expired";
        TRANSFERABLE "transferable";
    }
    PhoneNumberVerificationObject {
        VERIFICATION_OTP "verification_otp";
        VERIFICATION_ADMIN "verification_admin";
    }
    PhoneNumberVerificationStatus {
        UNVERIFIED "unverified";
        VERIFIED "verified";
        FAILED "failed";
        EXPIRED "expired";
    }
    PhoneNumberVerificationStrategy {
        PHONE_CODE "phone_code";
        EMAIL_CODE "email_code";
        RESET_PASSWORD_EMAIL_CODE "reset_password_email_code";
        ADMIN "admin";
    }
    SessionRefreshObject {
        TOKEN "token";
        COOKIES "cookies";
    }
    Web3WalletVerificationObject {
        VERIFICATION_WEB3 "verification_web3";
        VERIFICATION_ADMIN "verification_admin";
    }
    Web3WalletVerificationStatus {
        UNVERIFIED "unverified";
        VERIFIED "verified";
        FAILED "failed";
        EXPIRED "expired";
    }
    Web3WalletVerificationStrategy {
        WEB3_METAMASK_SIGNATURE "web3_metamask_signature";
        WEB3_BASE_SIGNATURE "web3_base_signature";
        WEB3_COINBASE_WALLET_SIGNATURE "web3_coinbase_wallet_signature";
        WEB3_OKX_WALLET_SIGNATURE "web3_okx_wallet_signature";
        WEB3_SOLANA_SIGNATURE "web3_solana_signature";
        ADMIN "admin";
    }
    ExternalAccountWithVerificationObject {
        EXTERNAL_ACCOUNT "external_account";
        FACEBOOK_ACCOUNT "facebook_account";
        GOOGLE_ACCOUNT "google_account";
    }
    ExternalAccountWithVerificationVerificationObject {
        VERIFICATION_OAUTH "verification_oauth";
        VERIFICATION_GOOGLE_ONE_TAP "verification_google_one_tap";
    }
    ExternalAccountWithVerificationVerificationStatus {
        UNVERIFIED "unverified";
        VERIFIED "verified";
        FAILED "failed";
        EXPIRED "expired";
        TRANSFERABLE "transferable";
    }
    SAMLAccountVerificationObject {
        VERIFICATION_SAML "verification_saml";
        VERIFICATION_TICKET "verification_ticket";
    }
    SAMLAccountVerificationStatus {
        UNVERIFIED "unverified";
        VERIFIED "verified";
        FAILED "failed";
        EXPIRED "expired";
        TRANSFERABLE "transferable";
    }
    SAMLAccountVerificationStrategy {
        SAML "saml";
        TICKET "ticket";
    }
    EnterpriseAccountProtocol {
        OAUTH "oauth";
        SAML "saml";
    }
    EnterpriseAccountVerificationObject {
        VERIFICATION_TICKET "verification_ticket";
        VERIFICATION_SAML "verification_saml";
        VERIFICATION_OAUTH "verification_oauth";
    }
    EnterpriseAccountVerificationStatus {
        UNVERIFIED "unverified";
        VERIFIED "verified";
        EXPIRED "expired";
        FAILED "failed";
        TRANSFERABLE "transferable";
    }
    CommerceSubscriptionStatus {
        ACTIVE "active";
        PAST_DUE "past_due";
        CANCELED "canceled";
        ENDED "ended";
        ABANDONED "abandoned";
        INCOMPLETE "incomplete";
    }
    CommerceSubscriptionItemStatus {
        ACTIVE "active";
        CANCELED "canceled";
        EXPIRED "expired";
        ENDED "ended";
        PAST_DUE "past_due";
        UPCOMING "upcoming";
        INCOMPLETE "incomplete";
        ABANDONED "abandoned";
    }
    CommerceSubscriptionItemPlanPeriod {
        MONTH "month";
        ANNUAL "annual";
    }
    CommercePaymentMethodResponsePaymentType {
        CARD "card";
        LINK "link";
        PAYER_CREDITS "payer-credits";
    }
    CommercePaymentMethodResponseStatus {
        ACTIVE "active";
        DISCONNECTED "disconnected";
    }
    VerifyTOTPResponseCodeType {
        TOTP "totp";
        BACKUP_CODE "backup_code";
    }
    TrustedDevicePlatform {
        IOS "ios";
        ANDROID "android";
    }
    TrustedDeviceStatus {
        ACTIVE "active";
        REVOKED "revoked";
    }
    InvitationStatus {
        PENDING "pending";
        ACCEPTED "accepted";
        REVOKED "revoked";
        EXPIRED "expired";
    }
    RevokedInvitationStatus {
        PENDING "pending";
        ACCEPTED "accepted";
        REVOKED "revoked";
        EXPIRED "expired";
    }
    AllowlistIdentifierIdentifierType {
        EMAIL_ADDRESS "email_address";
        PHONE_NUMBER "phone_number";
        WEB3_WALLET "web3_wallet";
    }
    BlocklistIdentifierIdentifierType {
        EMAIL_ADDRESS "email_address";
        PHONE_NUMBER "phone_number";
        WEB3_WALLET "web3_wallet";
    }
    ActorTokenStatus {
        PENDING "pending";
        ACCEPTED "accepted";
        REVOKED "revoked";
    }
    OrganizationDomainEnrollmentMode {
        MANUAL_INVITATION "manual_invitation";
        AUTOMATIC_INVITATION "automatic_invitation";
        AUTOMATIC_SUGGESTION "automatic_suggestion";
        ENTERPRISE_SSO "enterprise_sso";
    }
    SignInTokenStatus {
        PENDING "pending";
        ACCEPTED "accepted";
        REVOKED "revoked";
    }
    SignUpStatus {
        MISSING_REQUIREMENTS "missing_requirements";
        COMPLETE "complete";
        ABANDONED "abandoned";
    }
    SignUpVerificationNextAction {
        NEEDS_PREPARE "needs_prepare";
        NEEDS_ATTEMPT "needs_attempt";
    }
    SAMLConnectionLoginHintMode {
        EMAIL_ADDRESS "email_address";
        CUSTOM_ATTRIBUTE "custom_attribute";
        OFF "off";
    }
    EnterpriseConnectionSamlConnectionLoginHintMode {
        EMAIL_ADDRESS "email_address";
        CUSTOM_ATTRIBUTE "custom_attribute";
        OFF "off";
    }
    EnterpriseConnectionTestRunStatus {
        PENDING "pending";
        SUCCESS "success";
        FAILED "failed";
    }
    EnterpriseConnectionTestRunConnectionType {
        SAML "saml";
        OAUTH "oauth";
    }
    WaitlistEntryStatus {
        PENDING "pending";
        INVITED "invited";
        REJECTED "rejected";
        COMPLETED "completed";
    }
    BillingPriceResponseSupportedBillingPeriods {
        MONTH "month";
        ANNUAL "annual";
        BOTH "both";
    }
    CommerceSubscriptionItem2Status {
        ACTIVE "active";
        ENDED "ended";
        PAST_DUE "past_due";
        UPCOMING "upcoming";
        INCOMPLETE "incomplete";
        ABANDONED "abandoned";
    }
    CommerceSubscriptionItem2PlanPeriod {
        MONTH "month";
        ANNUAL "annual";
    }
    CommercePaymentSourceResponsePaymentMethod {
        CARD "card";
        APPLE_PAY "apple_pay";
        GOOGLE_PAY "google_pay";
    }
    CommercePaymentSourceResponseStatus {
        ACTIVE "active";
        DISCONNECTED "disconnected";
    }
    CommercePriceTransitionDetailsEffectiveMode {
        IMMEDIATE "immediate";
        END_OF_PERIOD "end_of_period";
    }
    CommercePriceTransitionDetailsPreviousSubscriptionItemStatus {
        CANCELED "canceled";
        ENDED "ended";
        ABANDONED "abandoned";
    }
    CommerceDiscountRedemptionResponseSource {
        PROMOTION "promotion";
        MANUAL "manual";
        PROMO_CODE "promo_code";
    }
    CommerceDiscountRedemptionResponseEffect {
        PERCENTAGE "percentage";
        FIXED_AMOUNT "fixed_amount";
    }
    CommerceDiscountRedemptionResponseStatus {
        ACTIVE "active";
        EXHAUSTED "exhausted";
        REMOVED "removed";
    }
    BillingStatementStatus {
        OPEN "open";
        CLOSED "closed";
    }
    BillingPaymentAttemptStatus {
        PENDING "pending";
        PAID "paid";
        FAILED "failed";
    }
    RoleSetType {
        INITIAL "initial";
        CUSTOM "custom";
    }
}
