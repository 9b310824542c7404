"""Who may do what in the console: users, sessions, roles, and the trail of what was done."""
