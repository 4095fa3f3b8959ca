drop index app.tasks_team_id_idx;
