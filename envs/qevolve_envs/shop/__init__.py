"""Shop environments: a search shop in numpy, a generated catalogue, and the official WebShop data."""
