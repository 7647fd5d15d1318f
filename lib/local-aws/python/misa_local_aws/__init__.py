"""
What makes the local clouds run functions as AWS does, without containers. Misa puts the folder of this package on Python's
path when it starts a local cloud; the cloud itself is installed once, in the version that this package was written for.
"""
