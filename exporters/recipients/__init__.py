"""Alert recipients: from the notification topic to people and to other programs."""
