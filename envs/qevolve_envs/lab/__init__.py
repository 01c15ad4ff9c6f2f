"""The lab: a simulated house of laboratory rooms, with a small honest world model."""
