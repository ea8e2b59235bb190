"""Secrets in the system's keychain, or in a vault under a passphrase; nowhere else (architecture.md, Security)."""
