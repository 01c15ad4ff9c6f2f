"""Submissions: packed runs, their verification by replay, and the leaderboards made of them."""
