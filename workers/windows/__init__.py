"""One partition of one topic: which windows are open, what they hold, and what is published of them."""
