alter function federation.current_subject() reset search_path;
