"""Platform adapters: each turns a post's content into resumable steps against one platform's API."""
