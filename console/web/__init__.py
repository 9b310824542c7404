"""What pages and the API share: who asks, what a form brought, how a page is drawn."""
