"""Worlds in which violating a norm pays: does an agent stay honest while it evolves?"""
