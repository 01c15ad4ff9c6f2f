"""Shops: search in numpy, a generated catalogue, and the official WebShop data."""
