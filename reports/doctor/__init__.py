"""Checks a deployed stack with the credentials of an operator, and says what to do about each fault.

It asks AWS's services and the authorities that the stack names; nothing in it may change anything.
"""
