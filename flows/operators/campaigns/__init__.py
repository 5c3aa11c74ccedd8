"""Campaigns: communities of accounts that coincide, one operator for all."""
