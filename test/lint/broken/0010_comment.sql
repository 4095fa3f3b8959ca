comment on function federation.create_grant(text, text, jsonb, timestamptz) is null;
