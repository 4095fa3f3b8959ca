alter table federation.federation_grants no force row level security;
