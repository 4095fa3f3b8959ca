-- Guarantees: prepared functions are of this release and of the tables as they are now.
select federation.prepare_resource(r.name) from federation.federation_resources r order by r.name;
