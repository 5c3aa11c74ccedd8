"""Campaigns: accounts that coincide again and again on rare objects, judged against chance."""
