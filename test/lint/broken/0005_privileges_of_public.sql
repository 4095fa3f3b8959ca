grant select (name) on federation.federation_settings to public;
