alter function federation.current_subject() owner to current_user;
