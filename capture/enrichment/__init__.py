"""What is known of a flow's ends from files and the configuration, without asking anybody."""
