alter policy tasks_read on app.tasks using (owner_id = app.current_user_id() and team_id = any ((select app.current_team_ids())::text[]));
