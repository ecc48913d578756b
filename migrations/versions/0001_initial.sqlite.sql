CREATE TABLE alarms (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    raised_at DOUBLE NOT NULL,
    cleared_at DOUBLE,
    CONSTRAINT pk_alarms PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_alarms_open ON alarms (kind, subject) WHERE cleared_at IS NULL;

CREATE TABLE anchors (
    id INTEGER NOT NULL,
    at DOUBLE NOT NULL,
    position INTEGER NOT NULL,
    digest TEXT NOT NULL,
    trail_position INTEGER DEFAULT '0' NOT NULL,
    place TEXT NOT NULL,
    CONSTRAINT pk_anchors PRIMARY KEY (id)
);

CREATE INDEX ix_anchors_place ON anchors (place, id);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes JSON NOT NULL,
    channels JSON,
    locations JSON,
    created_at DOUBLE NOT NULL,
    created_by TEXT NOT NULL,
    expires_at DOUBLE NOT NULL,
    used_at DOUBLE,
    revoked_at DOUBLE,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_digest CHECK (length(digest) = 64)
);

CREATE TABLE audit (
    position INTEGER NOT NULL,
    at DOUBLE NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    request TEXT,
    digest TEXT NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (position),
    CONSTRAINT ck_audit_position CHECK (position > 0),
    CONSTRAINT ck_audit_digest CHECK (length(digest) = 64)
);

CREATE INDEX ix_audit_actor ON audit (actor, position);

CREATE INDEX ix_audit_subject ON audit (subject, position);

CREATE TABLE books (
    one INTEGER DEFAULT '1' NOT NULL,
    name TEXT NOT NULL,
    epoch INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_books PRIMARY KEY (one),
    CONSTRAINT ck_books_one CHECK (one = 1)
);

CREATE TABLE channels (
    name TEXT NOT NULL,
    connector TEXT NOT NULL,
    pool TEXT NOT NULL,
    mode TEXT DEFAULT 'live' NOT NULL,
    state TEXT DEFAULT 'adopting' NOT NULL,
    paused_reason TEXT,
    baseline_at DOUBLE NOT NULL,
    cursor TEXT,
    watermark DOUBLE,
    watermark_lag DOUBLE DEFAULT '0' NOT NULL,
    orders_imported BOOLEAN DEFAULT 0 NOT NULL,
    discovered_at DOUBLE,
    search_began_at DOUBLE,
    search_cursor TEXT,
    search_read BOOLEAN DEFAULT 0 NOT NULL,
    search_stored INTEGER DEFAULT '0' NOT NULL,
    load_began_at DOUBLE,
    loaded_at DOUBLE,
    load_rates JSON,
    subscribed_at DOUBLE,
    last_delivery_at DOUBLE,
    last_poll_at DOUBLE,
    last_push_at DOUBLE,
    failing_since DOUBLE,
    last_error TEXT,
    CONSTRAINT pk_channels PRIMARY KEY (name),
    CONSTRAINT ck_channels_mode CHECK (mode IN ('live', 'shadow', 'paused')),
    CONSTRAINT ck_channels_state CHECK (state IN ('adopting', 'active', 'removed'))
);

CREATE TABLE configurations (
    id INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    applied_at DOUBLE NOT NULL,
    error TEXT,
    CONSTRAINT pk_configurations PRIMARY KEY (id)
);

CREATE TABLE data_keys (
    id TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    wrapped_by TEXT NOT NULL,
    created_at DOUBLE NOT NULL,
    is_current BOOLEAN NOT NULL,
    CONSTRAINT pk_data_keys PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_data_keys_current ON data_keys (is_current) WHERE is_current;

CREATE TABLE dead_letters (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    channel TEXT,
    reason TEXT NOT NULL,
    created_at DOUBLE NOT NULL,
    state TEXT DEFAULT 'dead' NOT NULL,
    ended_at DOUBLE,
    CONSTRAINT pk_dead_letters PRIMARY KEY (id),
    CONSTRAINT ck_dead_letters_state CHECK (state IN ('dead', 'replayed', 'dropped'))
);

CREATE INDEX ix_dead_letters_state ON dead_letters (state, id);

CREATE TABLE endpoints (
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    types JSON,
    created_at DOUBLE NOT NULL,
    created_by TEXT NOT NULL,
    secret_version INTEGER DEFAULT '1' NOT NULL,
    rotated_at DOUBLE,
    failing_since DOUBLE,
    disabled_at DOUBLE,
    disabled_why TEXT,
    removed_at DOUBLE,
    CONSTRAINT pk_endpoints PRIMARY KEY (id)
);

CREATE TABLE events (
    id INTEGER NOT NULL,
    position INTEGER,
    at DOUBLE NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    movement_id INTEGER,
    endpoint_id TEXT,
    CONSTRAINT pk_events PRIMARY KEY (id),
    CONSTRAINT uq_events_position UNIQUE (position)
);

CREATE INDEX ix_events_at ON events (at);

CREATE INDEX ix_events_movement ON events (movement_id) WHERE movement_id IS NOT NULL;

CREATE TABLE folds (
    id INTEGER NOT NULL,
    before_at DOUBLE NOT NULL,
    position INTEGER NOT NULL,
    movement_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    archived INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    remaining_digest TEXT NOT NULL,
    kept_listings JSON NOT NULL,
    begun_at DOUBLE NOT NULL,
    ended_at DOUBLE,
    CONSTRAINT pk_folds PRIMARY KEY (id),
    CONSTRAINT ck_folds_position CHECK (position > 0),
    CONSTRAINT ck_folds_digest CHECK (length(digest) = 64),
    CONSTRAINT ck_folds_remaining_digest CHECK (length(remaining_digest) = 64),
    CONSTRAINT uq_folds_position UNIQUE (position)
);

CREATE TABLE holds (
    id TEXT NOT NULL,
    pool TEXT NOT NULL,
    channel TEXT,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    reference TEXT DEFAULT '' NOT NULL,
    created_at DOUBLE NOT NULL,
    expires_at DOUBLE NOT NULL,
    ended_at DOUBLE,
    CONSTRAINT pk_holds PRIMARY KEY (id),
    CONSTRAINT ck_holds_state CHECK (state IN ('active', 'confirmed', 'released', 'expired'))
);

CREATE INDEX ix_holds_ended ON holds (ended_at) WHERE ended_at IS NOT NULL;

CREATE INDEX ix_holds_expiry ON holds (expires_at) WHERE state = 'active';

CREATE TABLE idempotency (
    "key" TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at DOUBLE NOT NULL,
    status INTEGER,
    body TEXT,
    CONSTRAINT pk_idempotency PRIMARY KEY ("key")
);

CREATE INDEX ix_idempotency_created ON idempotency (created_at);

CREATE TABLE inbox (
    channel TEXT NOT NULL,
    delivery_id INTEGER NOT NULL,
    CONSTRAINT pk_inbox PRIMARY KEY (channel, delivery_id)
)
 WITHOUT ROWID;

CREATE TABLE items (
    id INTEGER NOT NULL,
    sku TEXT NOT NULL,
    name TEXT DEFAULT '' NOT NULL,
    tags JSON DEFAULT '[]' NOT NULL,
    created_at DOUBLE NOT NULL,
    CONSTRAINT pk_items PRIMARY KEY (id),
    CONSTRAINT uq_items_sku UNIQUE (sku)
);

CREATE TABLE locations (
    id INTEGER NOT NULL,
    code TEXT NOT NULL,
    name TEXT DEFAULT '' NOT NULL,
    pool TEXT NOT NULL,
    priority INTEGER DEFAULT '0' NOT NULL,
    active BOOLEAN DEFAULT 1 NOT NULL,
    CONSTRAINT pk_locations PRIMARY KEY (id),
    CONSTRAINT uq_locations_code UNIQUE (code)
);

CREATE TABLE notices (
    id INTEGER NOT NULL,
    event TEXT NOT NULL,
    rule TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    is_over BOOLEAN DEFAULT 0 NOT NULL,
    happened_at DOUBLE NOT NULL,
    created_at DOUBLE NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    due_at DOUBLE NOT NULL,
    repeated BOOLEAN DEFAULT 0 NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    ended_at DOUBLE,
    error TEXT,
    CONSTRAINT pk_notices PRIMARY KEY (id),
    CONSTRAINT uq_notices_event_rule_target UNIQUE (event, rule, target),
    CONSTRAINT ck_notices_state CHECK (state IN ('waiting', 'sending', 'sent', 'given_up'))
);

CREATE INDEX ix_notices_ended ON notices (ended_at) WHERE ended_at IS NOT NULL;

CREATE INDEX ix_notices_open ON notices (due_at) WHERE ended_at IS NULL;

CREATE TABLE proposals (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    seen TEXT NOT NULL,
    channel TEXT,
    locations JSON NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    created_at DOUBLE NOT NULL,
    created_by TEXT NOT NULL,
    expires_at DOUBLE NOT NULL,
    decided_at DOUBLE,
    decided_by TEXT,
    CONSTRAINT pk_proposals PRIMARY KEY (id),
    CONSTRAINT ck_proposals_state CHECK (state IN ('waiting', 'approved', 'refused')),
    CONSTRAINT ck_proposals_decided CHECK ((state = 'waiting') = (decided_at IS NULL)),
    CONSTRAINT ck_proposals_two CHECK (state <> 'approved' OR decided_by <> created_by)
);

CREATE TABLE pruned (
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    cause TEXT NOT NULL,
    rows INTEGER NOT NULL,
    CONSTRAINT pk_pruned PRIMARY KEY (kind, channel, cause)
);

CREATE TABLE users (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    channels JSON,
    locations JSON,
    created_at DOUBLE NOT NULL,
    removed_at DOUBLE,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_role CHECK (role IN ('viewer', 'operator', 'manager', 'admin'))
);

CREATE UNIQUE INDEX uq_users_present ON users (name) WHERE removed_at IS NULL;

CREATE TABLE work (
    kind TEXT NOT NULL,
    "key" TEXT NOT NULL,
    want_version INTEGER DEFAULT '1' NOT NULL,
    done_version INTEGER DEFAULT '0' NOT NULL,
    not_before DOUBLE DEFAULT '0' NOT NULL,
    lease_until DOUBLE,
    lease_token TEXT,
    attempts INTEGER DEFAULT '0' NOT NULL,
    last_error TEXT,
    trace TEXT,
    CONSTRAINT pk_work PRIMARY KEY (kind, "key")
);

CREATE INDEX ix_work_due ON work (kind, not_before) WHERE done_version < want_version;

CREATE INDEX ix_work_leased ON work (kind, lease_until) WHERE lease_until IS NOT NULL;

CREATE TABLE assumptions (
    channel TEXT NOT NULL,
    listing_id INTEGER DEFAULT '0' NOT NULL,
    assumption TEXT NOT NULL,
    holds BOOLEAN NOT NULL,
    why TEXT DEFAULT '' NOT NULL,
    since DOUBLE NOT NULL,
    checked_at DOUBLE NOT NULL,
    CONSTRAINT pk_assumptions PRIMARY KEY (channel, listing_id, assumption),
    CONSTRAINT fk_assumptions_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE TABLE deliveries (
    id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    topic TEXT NOT NULL,
    received_at DOUBLE NOT NULL,
    body_sha256 TEXT NOT NULL,
    reduced JSON NOT NULL,
    trace TEXT,
    CONSTRAINT pk_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_deliveries_channel_dedupe_key UNIQUE (channel, dedupe_key),
    CONSTRAINT fk_deliveries_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE INDEX ix_deliveries_received ON deliveries (received_at);

CREATE TABLE event_deliveries (
    endpoint_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    not_before DOUBLE,
    delivered_at DOUBLE,
    last_status INTEGER,
    last_error TEXT,
    CONSTRAINT pk_event_deliveries PRIMARY KEY (endpoint_id, position),
    CONSTRAINT fk_event_deliveries_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (id)
);

CREATE INDEX ix_event_deliveries_due ON event_deliveries (endpoint_id, not_before) WHERE not_before IS NOT NULL;

CREATE TABLE hold_lines (
    hold_id TEXT NOT NULL,
    item_id INTEGER NOT NULL,
    location_id INTEGER NOT NULL,
    units INTEGER NOT NULL,
    CONSTRAINT pk_hold_lines PRIMARY KEY (hold_id, item_id, location_id),
    CONSTRAINT ck_hold_lines_units CHECK (units > 0),
    CONSTRAINT fk_hold_lines_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id),
    CONSTRAINT fk_hold_lines_item_id FOREIGN KEY(item_id) REFERENCES items (id),
    CONSTRAINT fk_hold_lines_location_id FOREIGN KEY(location_id) REFERENCES locations (id)
);

CREATE TABLE kept_secrets (
    name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    changed_at DOUBLE NOT NULL,
    changed_by TEXT NOT NULL,
    CONSTRAINT pk_kept_secrets PRIMARY KEY (name),
    CONSTRAINT fk_kept_secrets_key_id FOREIGN KEY(key_id) REFERENCES data_keys (id)
);

CREATE INDEX ix_kept_secrets_key ON kept_secrets (key_id);

CREATE TABLE listings (
    id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    sku TEXT NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    external JSON DEFAULT '{}' NOT NULL,
    state TEXT DEFAULT 'active' NOT NULL,
    refusal TEXT,
    semantics TEXT NOT NULL,
    exposure INTEGER,
    push_seq INTEGER DEFAULT '0' NOT NULL,
    attempts_open INTEGER DEFAULT '0' NOT NULL,
    outstanding_until DOUBLE,
    lowered_until DOUBLE,
    swallows_units BOOLEAN DEFAULT 0 NOT NULL,
    settle_reasons JSON DEFAULT '[]' NOT NULL,
    settle_wanted BOOLEAN DEFAULT 0 NOT NULL,
    settled_at DOUBLE,
    proven_at DOUBLE,
    settled_from DOUBLE,
    settled_to DOUBLE,
    remote INTEGER,
    unread BOOLEAN NOT NULL GENERATED ALWAYS AS (remote IS NULL) STORED,
    remote_at DOUBLE,
    told INTEGER,
    target INTEGER DEFAULT '0' NOT NULL,
    drain_target INTEGER,
    last_push_at DOUBLE,
    demand JSON DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_listings PRIMARY KEY (id),
    CONSTRAINT uq_listings_channel_sku UNIQUE (channel, sku),
    CONSTRAINT ck_listings_exposure CHECK (exposure IS NULL OR exposure >= 0),
    CONSTRAINT ck_listings_attempts_open CHECK (attempts_open >= 0),
    CONSTRAINT ck_listings_target CHECK (target >= 0),
    CONSTRAINT ck_listings_state CHECK (state IN ('active', 'refused', 'gone')),
    CONSTRAINT ck_listings_semantics CHECK (semantics IN ('keyed_compare_and_set', 'keyed_delta', 'absolute', 'live')),
    CONSTRAINT fk_listings_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE INDEX ix_listings_settle ON listings (channel) WHERE settle_wanted = 1;

CREATE INDEX ix_listings_unread ON listings (channel) WHERE unread = 1;

CREATE TABLE low_stock (
    pool TEXT NOT NULL,
    item_id INTEGER NOT NULL,
    since DOUBLE NOT NULL,
    atp INTEGER NOT NULL,
    CONSTRAINT pk_low_stock PRIMARY KEY (pool, item_id),
    CONSTRAINT fk_low_stock_item_id FOREIGN KEY(item_id) REFERENCES items (id)
);

CREATE TABLE offers (
    id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    sku TEXT NOT NULL,
    external JSON NOT NULL,
    title TEXT NOT NULL,
    quantity INTEGER,
    refused TEXT,
    CONSTRAINT pk_offers PRIMARY KEY (id),
    CONSTRAINT fk_offers_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE INDEX ix_offers_channel ON offers (channel);

CREATE TABLE order_voids (
    channel TEXT NOT NULL,
    order_id TEXT NOT NULL,
    at DOUBLE NOT NULL,
    cancel_effect TEXT NOT NULL,
    heard_at DOUBLE NOT NULL,
    CONSTRAINT pk_order_voids PRIMARY KEY (channel, order_id),
    CONSTRAINT fk_order_voids_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    used_at DOUBLE,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (user_id, digest),
    CONSTRAINT ck_recovery_codes_digest CHECK (length(digest) = 64),
    CONSTRAINT fk_recovery_codes_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE registers (
    channel TEXT NOT NULL,
    register_id TEXT NOT NULL,
    complete_to INTEGER NOT NULL,
    beyond JSON DEFAULT '[]' NOT NULL,
    heard_at DOUBLE NOT NULL,
    gap_since DOUBLE,
    CONSTRAINT pk_registers PRIMARY KEY (channel, register_id),
    CONSTRAINT fk_registers_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE TABLE requests (
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    operation TEXT NOT NULL,
    "key" TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at DOUBLE NOT NULL,
    first_sent_at DOUBLE,
    not_before DOUBLE DEFAULT '0' NOT NULL,
    done BOOLEAN DEFAULT 0 NOT NULL,
    CONSTRAINT pk_requests PRIMARY KEY (id),
    CONSTRAINT uq_requests_channel_key UNIQUE (channel, "key"),
    CONSTRAINT fk_requests_channel FOREIGN KEY(channel) REFERENCES channels (name)
);

CREATE INDEX ix_requests_open ON requests (channel, created_at) WHERE done = 0;

CREATE TABLE second_factors (
    user_id INTEGER NOT NULL,
    since DOUBLE,
    prepared_at DOUBLE,
    last_step INTEGER,
    CONSTRAINT pk_second_factors PRIMARY KEY (user_id),
    CONSTRAINT fk_second_factors_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE sessions (
    digest TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    created_at DOUBLE NOT NULL,
    seen_at DOUBLE NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (digest),
    CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_sessions_user ON sessions (user_id);

CREATE TABLE shortfalls (
    id INTEGER NOT NULL,
    at DOUBLE NOT NULL,
    channel TEXT,
    item_id INTEGER NOT NULL,
    listing_id INTEGER,
    units INTEGER NOT NULL,
    cause TEXT NOT NULL,
    reference TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_shortfalls PRIMARY KEY (id),
    CONSTRAINT ck_shortfalls_units CHECK (units > 0),
    CONSTRAINT fk_shortfalls_channel FOREIGN KEY(channel) REFERENCES channels (name),
    CONSTRAINT fk_shortfalls_item_id FOREIGN KEY(item_id) REFERENCES items (id)
);

CREATE INDEX ix_shortfalls_at ON shortfalls (at);

CREATE TABLE sign_ins (
    digest TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    created_at DOUBLE NOT NULL,
    tries INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_sign_ins PRIMARY KEY (digest),
    CONSTRAINT ck_sign_ins_tries CHECK (tries >= 0),
    CONSTRAINT fk_sign_ins_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE stock (
    item_id INTEGER NOT NULL,
    location_id INTEGER NOT NULL,
    on_hand INTEGER DEFAULT '0' NOT NULL,
    reserved INTEGER DEFAULT '0' NOT NULL,
    safety_stock INTEGER DEFAULT '0' NOT NULL,
    on_order INTEGER DEFAULT '0' NOT NULL,
    in_transit INTEGER DEFAULT '0' NOT NULL,
    counted_at DOUBLE,
    CONSTRAINT pk_stock PRIMARY KEY (item_id, location_id),
    CONSTRAINT ck_stock_reserved CHECK (reserved >= 0),
    CONSTRAINT ck_stock_safety_stock CHECK (safety_stock >= 0),
    CONSTRAINT ck_stock_on_order CHECK (on_order >= 0),
    CONSTRAINT ck_stock_in_transit CHECK (in_transit >= 0),
    CONSTRAINT fk_stock_item_id FOREIGN KEY(item_id) REFERENCES items (id),
    CONSTRAINT fk_stock_location_id FOREIGN KEY(location_id) REFERENCES locations (id)
);

CREATE TABLE transfers (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL,
    source_id INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    units INTEGER NOT NULL,
    received INTEGER DEFAULT '0' NOT NULL,
    written_off INTEGER DEFAULT '0' NOT NULL,
    actor TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    created_at DOUBLE NOT NULL,
    shipped_at DOUBLE,
    closed_at DOUBLE,
    CONSTRAINT ck_transfers_state CHECK (state IN ('preparing', 'in_transit', 'received', 'cancelled')),
    CONSTRAINT ck_transfers_places CHECK (source_id <> target_id),
    CONSTRAINT ck_transfers_units CHECK (units > 0 AND received >= 0 AND written_off >= 0 AND received + written_off <= units),
    CONSTRAINT fk_transfers_item_id FOREIGN KEY(item_id) REFERENCES items (id),
    CONSTRAINT fk_transfers_source_id FOREIGN KEY(source_id) REFERENCES locations (id),
    CONSTRAINT fk_transfers_target_id FOREIGN KEY(target_id) REFERENCES locations (id)
);

CREATE INDEX ix_transfers_open ON transfers (id) WHERE closed_at IS NULL;

CREATE TABLE attempts (
    id INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    started_at DOUBLE NOT NULL,
    deadline DOUBLE NOT NULL,
    owner TEXT NOT NULL,
    ended_at DOUBLE,
    outcome TEXT,
    detail TEXT DEFAULT '' NOT NULL,
    ticket TEXT,
    look_at DOUBLE,
    CONSTRAINT pk_attempts PRIMARY KEY (id),
    CONSTRAINT fk_attempts_request_id FOREIGN KEY(request_id) REFERENCES requests (id)
);

CREATE INDEX ix_attempts_open ON attempts (id) WHERE ended_at IS NULL;

CREATE INDEX ix_attempts_request ON attempts (request_id);

CREATE INDEX ix_attempts_started ON attempts (started_at);

CREATE TABLE movements (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at DOUBLE NOT NULL,
    moved_at DOUBLE,
    kind TEXT NOT NULL,
    quantity TEXT NOT NULL,
    delta INTEGER NOT NULL,
    item_id INTEGER,
    location_id INTEGER,
    listing_id INTEGER,
    reference TEXT DEFAULT '' NOT NULL,
    actor TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    CONSTRAINT ck_movements_kind CHECK (kind IN ('baseline', 'count', 'adjustment', 'safety_stock', 'sale', 'cancel', 'shipment', 'return', 'relist', 'inspection', 'transfer', 'transfer_difference', 'hold', 'hold_release', 'hold_expiry', 'charge', 'uncharge', 'cut_release', 'settle', 'slice', 'repair', 'opening')),
    CONSTRAINT ck_movements_quantity CHECK (quantity IN ('on_hand', 'reserved', 'safety_stock', 'on_order', 'in_transit', 'exposure')),
    CONSTRAINT ck_movements_subject CHECK ((quantity = 'exposure' AND listing_id IS NOT NULL AND item_id IS NULL AND location_id IS NULL) OR (quantity <> 'exposure' AND listing_id IS NULL AND item_id IS NOT NULL AND location_id IS NOT NULL)),
    CONSTRAINT fk_movements_stock FOREIGN KEY(item_id, location_id) REFERENCES stock (item_id, location_id)
);

CREATE INDEX ix_movements_item ON movements (item_id, location_id, id);

CREATE INDEX ix_movements_listing ON movements (listing_id, id);

CREATE INDEX ix_movements_shipped ON movements (at, delta) WHERE kind = 'shipment' AND quantity = 'on_hand';

CREATE TABLE order_lines (
    id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    sku TEXT,
    external JSON DEFAULT '{}' NOT NULL,
    listing_id INTEGER,
    parked TEXT,
    ordered INTEGER NOT NULL,
    cancelled INTEGER DEFAULT '0' NOT NULL,
    shipped INTEGER DEFAULT '0' NOT NULL,
    returned INTEGER DEFAULT '0' NOT NULL,
    restocked INTEGER DEFAULT '0' NOT NULL,
    relisted INTEGER DEFAULT '0' NOT NULL,
    version DOUBLE NOT NULL,
    sold_at DOUBLE,
    cancelled_at DOUBLE,
    shipped_at DOUBLE,
    returned_at DOUBLE,
    pending BOOLEAN DEFAULT 0 NOT NULL,
    moves_counter BOOLEAN DEFAULT 1 NOT NULL,
    cancel_effect TEXT NOT NULL,
    location TEXT,
    origin TEXT DEFAULT '' NOT NULL,
    old_recipe BOOLEAN DEFAULT 0 NOT NULL,
    state TEXT NOT NULL,
    first_heard_at DOUBLE NOT NULL,
    heard_after DOUBLE,
    heard_at DOUBLE NOT NULL,
    CONSTRAINT pk_order_lines PRIMARY KEY (id),
    CONSTRAINT uq_order_lines_channel_order_id_line_id UNIQUE (channel, order_id, line_id),
    CONSTRAINT ck_order_lines_counts CHECK (ordered >= 0 AND cancelled >= 0 AND shipped >= 0 AND returned >= 0 AND restocked >= 0 AND relisted >= 0),
    CONSTRAINT fk_order_lines_channel FOREIGN KEY(channel) REFERENCES channels (name),
    CONSTRAINT fk_order_lines_listing_id FOREIGN KEY(listing_id) REFERENCES listings (id)
);

CREATE INDEX ix_order_lines_heard ON order_lines (first_heard_at);

CREATE INDEX ix_order_lines_listing ON order_lines (listing_id, id);

CREATE INDEX ix_order_lines_parked ON order_lines (channel) WHERE parked IS NOT NULL;

CREATE INDEX ix_order_lines_unknown ON order_lines (sku) WHERE listing_id IS NULL;

CREATE TABLE pushes (
    id TEXT NOT NULL,
    listing_id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    request_id TEXT,
    kind TEXT NOT NULL,
    units INTEGER NOT NULL,
    compare_with INTEGER,
    state TEXT NOT NULL,
    charged INTEGER DEFAULT '0' NOT NULL,
    copies INTEGER DEFAULT '0' NOT NULL,
    refused INTEGER DEFAULT '0' NOT NULL,
    retry_until DOUBLE NOT NULL,
    release_after DOUBLE,
    opened_at DOUBLE NOT NULL,
    closed_at DOUBLE,
    shown_before INTEGER,
    accepted_at DOUBLE,
    seen_at DOUBLE,
    looks INTEGER DEFAULT '0' NOT NULL,
    result TEXT,
    reason TEXT DEFAULT '' NOT NULL,
    cause TEXT DEFAULT '' NOT NULL,
    trace TEXT,
    CONSTRAINT pk_pushes PRIMARY KEY (id),
    CONSTRAINT ck_pushes_kind CHECK (kind IN ('raise', 'cut', 'set', 'zero')),
    CONSTRAINT ck_pushes_state CHECK (state IN ('planned', 'sending', 'quarantine', 'doubtful', 'closed')),
    CONSTRAINT ck_pushes_units CHECK (units >= 0 AND (units > 0 OR kind = 'zero')),
    CONSTRAINT ck_pushes_charged CHECK (charged >= 0),
    CONSTRAINT ck_pushes_refused CHECK (refused <= copies),
    CONSTRAINT ck_pushes_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT fk_pushes_listing_id FOREIGN KEY(listing_id) REFERENCES listings (id),
    CONSTRAINT fk_pushes_channel FOREIGN KEY(channel) REFERENCES channels (name),
    CONSTRAINT fk_pushes_request_id FOREIGN KEY(request_id) REFERENCES requests (id)
);

CREATE INDEX ix_pushes_channel_open ON pushes (channel, state) WHERE closed_at IS NULL;

CREATE INDEX ix_pushes_listing ON pushes (listing_id, opened_at);

CREATE INDEX ix_pushes_opened ON pushes (opened_at);

CREATE INDEX ix_pushes_request ON pushes (request_id);

CREATE INDEX ix_pushes_seen ON pushes (seen_at) WHERE seen_at IS NOT NULL;

CREATE UNIQUE INDEX uq_pushes_open ON pushes (listing_id) WHERE closed_at IS NULL;

CREATE TABLE readings (
    listing_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    sent_at DOUBLE NOT NULL,
    received_at DOUBLE NOT NULL,
    push_seq INTEGER NOT NULL,
    CONSTRAINT pk_readings PRIMARY KEY (listing_id),
    CONSTRAINT fk_readings_listing_id FOREIGN KEY(listing_id) REFERENCES listings (id)
);

CREATE TABLE recipes (
    listing_id INTEGER NOT NULL,
    item_id INTEGER NOT NULL,
    units INTEGER NOT NULL,
    CONSTRAINT pk_recipes PRIMARY KEY (listing_id, item_id),
    CONSTRAINT ck_recipes_units CHECK (units > 0),
    CONSTRAINT fk_recipes_listing_id FOREIGN KEY(listing_id) REFERENCES listings (id),
    CONSTRAINT fk_recipes_item_id FOREIGN KEY(item_id) REFERENCES items (id)
);

CREATE INDEX ix_recipes_item ON recipes (item_id);

CREATE TABLE transfer_differences (
    id INTEGER NOT NULL,
    transfer_id INTEGER NOT NULL,
    cause TEXT NOT NULL,
    units INTEGER NOT NULL,
    at DOUBLE NOT NULL,
    actor TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_transfer_differences PRIMARY KEY (id),
    CONSTRAINT ck_transfer_differences_cause CHECK (cause IN ('lost', 'damaged', 'miscounted', 'surplus')),
    CONSTRAINT ck_transfer_differences_units CHECK (units > 0),
    CONSTRAINT fk_transfer_differences_transfer_id FOREIGN KEY(transfer_id) REFERENCES transfers (id)
);

CREATE INDEX ix_transfer_differences_transfer ON transfer_differences (transfer_id);

CREATE TABLE inspections (
    id INTEGER NOT NULL,
    line_id INTEGER,
    item_id INTEGER NOT NULL,
    location_id INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    units INTEGER NOT NULL,
    by_channel BOOLEAN DEFAULT 0 NOT NULL,
    at DOUBLE NOT NULL,
    actor TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_inspections PRIMARY KEY (id),
    CONSTRAINT ck_inspections_outcome CHECK (outcome IN ('sellable', 'damaged', 'supplier')),
    CONSTRAINT ck_inspections_units CHECK (units > 0),
    CONSTRAINT fk_inspections_line_id FOREIGN KEY(line_id) REFERENCES order_lines (id),
    CONSTRAINT fk_inspections_item_id FOREIGN KEY(item_id) REFERENCES items (id),
    CONSTRAINT fk_inspections_location_id FOREIGN KEY(location_id) REFERENCES locations (id)
);

CREATE INDEX ix_inspections_line ON inspections (line_id, item_id);

CREATE TABLE line_events (
    id INTEGER NOT NULL,
    line_id INTEGER NOT NULL,
    listing_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    units INTEGER NOT NULL,
    moved_at DOUBLE,
    heard_at DOUBLE NOT NULL,
    CONSTRAINT pk_line_events PRIMARY KEY (id),
    CONSTRAINT ck_line_events_units CHECK (units > 0),
    CONSTRAINT fk_line_events_line_id FOREIGN KEY(line_id) REFERENCES order_lines (id),
    CONSTRAINT fk_line_events_listing_id FOREIGN KEY(listing_id) REFERENCES listings (id)
);

CREATE INDEX ix_line_events_listing ON line_events (listing_id, heard_at);

CREATE TABLE line_stock (
    line_id INTEGER NOT NULL,
    item_id INTEGER NOT NULL,
    location_id INTEGER NOT NULL,
    units INTEGER NOT NULL,
    reserved INTEGER DEFAULT '0' NOT NULL,
    shipped INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_line_stock PRIMARY KEY (line_id, item_id, location_id),
    CONSTRAINT ck_line_stock_counts CHECK (reserved >= 0 AND shipped >= 0),
    CONSTRAINT fk_line_stock_stock FOREIGN KEY(item_id, location_id) REFERENCES stock (item_id, location_id),
    CONSTRAINT fk_line_stock_line_id FOREIGN KEY(line_id) REFERENCES order_lines (id)
);

CREATE TABLE seals (
    position INTEGER NOT NULL,
    movement_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    sealed_at DOUBLE NOT NULL,
    CONSTRAINT pk_seals PRIMARY KEY (position),
    CONSTRAINT ck_seals_position CHECK (position > 0),
    CONSTRAINT ck_seals_digest CHECK (length(digest) = 64),
    CONSTRAINT uq_seals_movement_id UNIQUE (movement_id),
    CONSTRAINT fk_seals_movement_id FOREIGN KEY(movement_id) REFERENCES movements (id)
);
