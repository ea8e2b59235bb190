"""What tests of adapters are made of: loopback servers with faults on request, and one suite for every adapter.

Shipped with the package so that adapters of third parties can be held to the same suite.
"""
