-- The provider's objects as it last described them. `provider_id` is the provider's own id; `id` is yours to refer to.
-- (`updated_at`, `event_at`) orders the descriptions: when the provider changed the object, and when it said so.
CREATE TABLE {p}users (
    id {key},
    provider_id VARCHAR(255) NOT NULL UNIQUE,
    external_id TEXT,
    username TEXT,
    first_name TEXT,
    last_name TEXT,
    primary_email_address_id VARCHAR(255),
    primary_email_address TEXT,
    image_url TEXT,
    banned BOOLEAN,
    locked BOOLEAN,
    last_sign_in_at BIGINT,
    created_at BIGINT,
    updated_at BIGINT,
    deleted_at BIGINT,
    event_at BIGINT,
    synced_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX {p}users_primary_email_address ON {p}users (primary_email_address);
CREATE INDEX {p}users_external_id ON {p}users (external_id);
CREATE TABLE {p}email_addresses (
    id {key},
    provider_id VARCHAR(255) NOT NULL UNIQUE,
    user_provider_id VARCHAR(255) NOT NULL,
    email_address TEXT,
    verified BOOLEAN,
    is_primary BOOLEAN,
    created_at BIGINT,
    updated_at BIGINT,
    deleted_at BIGINT,
    event_at BIGINT,
    synced_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX {p}email_addresses_user ON {p}email_addresses (user_provider_id);
CREATE INDEX {p}email_addresses_address ON {p}email_addresses (email_address);
CREATE TABLE {p}organizations (
    id {key},
    provider_id VARCHAR(255) NOT NULL UNIQUE,
    name TEXT,
    slug TEXT,
    image_url TEXT,
    max_allowed_memberships BIGINT,
    created_by VARCHAR(255),
    created_at BIGINT,
    updated_at BIGINT,
    deleted_at BIGINT,
    event_at BIGINT,
    synced_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX {p}organizations_slug ON {p}organizations (slug);
CREATE TABLE {p}memberships (
    id {key},
    provider_id VARCHAR(255) NOT NULL UNIQUE,
    organization_provider_id VARCHAR(255),
    user_provider_id VARCHAR(255),
    role TEXT,
    permissions TEXT,
    created_at BIGINT,
    updated_at BIGINT,
    deleted_at BIGINT,
    event_at BIGINT,
    synced_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX {p}memberships_organization ON {p}memberships (organization_provider_id);
CREATE INDEX {p}memberships_user ON {p}memberships (user_provider_id);
CREATE TABLE {p}sessions (
    id {key},
    provider_id VARCHAR(255) NOT NULL UNIQUE,
    user_provider_id VARCHAR(255),
    client_id VARCHAR(255),
    status TEXT,
    last_active_at BIGINT,
    expire_at BIGINT,
    created_at BIGINT,
    updated_at BIGINT,
    deleted_at BIGINT,
    event_at BIGINT,
    synced_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX {p}sessions_user ON {p}sessions (user_provider_id);
-- A membership is worth something while it, its organization and its user are all here and none is deleted. Whatever is
-- still held back for want of its organization or its user appears by itself when that arrives.
CREATE VIEW {p}current_memberships AS
    SELECT m.*, o.id AS organization_key, u.id AS user_key
    FROM {p}memberships m
    JOIN {p}organizations o ON o.provider_id = m.organization_provider_id AND o.deleted_at IS NULL AND o.updated_at IS NOT NULL
    JOIN {p}users u ON u.provider_id = m.user_provider_id AND u.deleted_at IS NULL AND u.updated_at IS NOT NULL
    WHERE m.deleted_at IS NULL;
CREATE VIEW {p}held_memberships AS
    SELECT m.* FROM {p}memberships m
    WHERE m.deleted_at IS NULL AND (
        NOT EXISTS (SELECT 1 FROM {p}organizations o WHERE o.provider_id = m.organization_provider_id)
        OR NOT EXISTS (SELECT 1 FROM {p}users u WHERE u.provider_id = m.user_provider_id)
    );
