-- All that the federation is told of the sample application.
select federation.bind_identity(
  users_table => 'app.users', user_column => 'id',
  memberships_table => 'app.memberships', member_user_column => 'user_id', member_team_column => 'team_id'
);

select federation.register_resource(
  name => 'tasks', table_id => 'app.tasks', owner => 'owner_id', team => 'team_id', text_columns => '{title,body}',
  time_column => 'created_at', order_by => '[{"column": "created_at"}]',
  identity_settings => '{"settings": {"app.user_id": "{subject}"}}'
);
select federation.register_resource(
  name => 'notes', table_id => 'app.notes', owner => 'owner_id', team => 'team_id', text_columns => '{title,body}',
  time_column => 'created_at', order_by => '[{"column": "created_at"}]',
  identity_settings => '{"settings": {"app.user_id": "{subject}"}}'
);
select federation.register_resource(
  name => 'projects', table_id => 'app.projects', owner => 'owner_id', team => 'team_id', text_columns => '{name,summary}',
  time_column => 'created_at', order_by => '[{"column": "created_at"}]',
  identity_settings => '{"settings": {"app.user_id": "{subject}"}}'
);
select federation.register_resource(
  name => 'credentials', table_id => 'app.credentials', owner => 'owner_id', team => 'team_id', text_columns => '{name}',
  time_column => 'created_at', order_by => '[{"column": "created_at"}]', hidden_columns => '{secret}',
  identity_settings => '{"settings": {"app.user_id": "{subject}"}}'
);
