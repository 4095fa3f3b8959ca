alter role federation_peer bypassrls;
